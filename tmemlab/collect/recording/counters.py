"""Counters without events: what anyone may read, recorded without root and without BPF.

The trace has samples and no events, and its certificate says so: it shows how much swaps, how full the pool is and
how long tasks wait, and cannot be replayed.
"""

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from ...directories import OwnDirectory
from ..host import samples as host
from ..records import NAMES
from ..spool import Frame, SpoolWriter, file_again
from .cuts import Cut
from .options import Options, Progress
from .session import FLUSH_SECONDS, start_document

_NOTHING = dict.fromkeys(NAMES, 0)


def _cut(vmstat: host.Vmstat, phase: int) -> dict[str, Any]:
    return asdict(Cut(phase, vmstat.counters(), _NOTHING, _NOTHING, 0))


def record_counters(
    directory: OwnDirectory, options: Options, until: Callable[[], bool], watch: Callable[[Progress], None] | None
) -> Progress:
    """Sample into a spool in ``directory`` until ``until()`` or the duration is over."""
    sampler, vmstat, spool, progress = host.Sampler(), host.Vmstat(), SpoolWriter.into(directory), Progress()

    def keep() -> None:
        again = file_again(directory)
        if again is not None:
            spool.move(again)

    blind = ["every event: only counters are sampled"]
    start = start_document(options, host.read_swaps(), "counters", "asked for", blind)
    begin = time.monotonic_ns()
    spool.document(Frame.START, {**start, "began_ns": begin, "cut": _cut(vmstat, 0)})
    rows: list[dict[str, Any]] = []
    flushed = time.monotonic()
    while not until():
        now = time.monotonic_ns()
        progress.seconds, progress.sample = (now - begin) / 1e9, sampler.sample()
        if options.duration is not None and progress.seconds >= options.duration:
            break
        rows.append({"t": now, **progress.sample})
        if time.monotonic() - flushed >= FLUSH_SECONDS:
            keep()
            spool.document(Frame.SAMPLE, {"rows": rows, "dropped": 0})
            rows, flushed = [], time.monotonic()
            if watch is not None:
                watch(progress)
            if options.max_bytes and spool.bytes_written >= options.max_bytes:
                break
        time.sleep(1 / options.sample_hz)
    keep()
    spool.document(Frame.SAMPLE, {"rows": [*rows, {"t": time.monotonic_ns(), **sampler.sample()}], "dropped": 0})
    end = {"ended_ns": time.monotonic_ns(), "cut": _cut(vmstat, 1), "zswap": host.zswap_settings()}
    spool.document(Frame.END, end)
    spool.close()
    vmstat.close()
    return progress
