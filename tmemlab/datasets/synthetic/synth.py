"""Synthetic traces: patterns of access mixed by weight, seen as touches or through a resident set as swap traffic.

The same parameters and the same seed give the same trace.

>>> synthesize(Path("out"), [Zipf(pages=100_000), Loop(pages=50_000, weight=0.2)], events=1_000_000,
...            resident_bytes=256 << 20, seed=1)
"""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ... import __version__
from ...errors import InvalidInputError
from ...units import PAGE_SIZE
from ..formats._writer import ImportWriter
from ..trace.manifest import ClenMethod, Manifest, ProbeSet
from ..trace.schema import SAMPLES, Op, PageKind, Where
from .patterns import Pattern
from .touches_to_swap import ResidentSet

_STEP = 1 << 19  # touches
_SECOND = 1_000_000_000
_FITS = "everything fits into the resident set: make it smaller or the patterns larger"
_SAMPLE_NS = _SECOND // 10


@dataclass(frozen=True)
class Storm:
    """From ``at_ns`` on a program mlocks ``bytes`` at ``bytes_per_s`` and keeps them."""

    at_ns: int
    bytes: int
    bytes_per_s: int

    def locked(self, t: np.ndarray) -> np.ndarray:
        """Bytes that are locked at each of the times ``t`` (ns)."""
        since = np.maximum(t - self.at_ns, 0)
        locked: np.ndarray = np.minimum((since * (self.bytes_per_s / _SECOND)).astype(np.int64), self.bytes)
        return locked


def synthesize(
    out: Path,
    patterns: Sequence[Pattern],
    *,
    events: int,
    rate: float = 100_000.0,
    resident_bytes: int | None = None,
    storm: Storm | None = None,
    clen_mean: float = 1400.0,
    zero_share: float = 0.05,
    seed: int = 0,
) -> Manifest:
    """Write a trace of ``events`` events to ``out``.

    Touches come at random, ``rate`` a second on average, each of a pattern drawn by weight; every pattern has
    its own address space and task. Without ``resident_bytes`` the touches are the trace (kind access). With it,
    they go through an LRU set of that size, which a ``storm`` makes smaller, and the trace is the swap traffic.
    Compressed lengths belong to the pages: a ``zero_share`` of them is same-filled, the others spread around
    ``clen_mean``.
    """
    _check(patterns, events, rate, resident_bytes, storm, clen_mean, zero_share)
    rng = np.random.default_rng(seed)
    host = _Host(resident_bytes, storm) if resident_bytes else None
    first = np.concatenate([[0], np.cumsum([pattern.pages for pattern in patterns])])
    resident = ResidentSet(int(first[-1])) if host else None
    if resident_bytes and not storm and int(first[-1]) * PAGE_SIZE <= resident_bytes:
        raise InvalidInputError(_FITS)
    touches = _touches(patterns, first, rate, rng)
    now = 0
    # What is made next does not wait for what is written.
    with (
        ImportWriter(out, kind="swap" if host else "access", what="synth", page_kind=PageKind.ANONYMOUS) as writer,
        ThreadPoolExecutor(1) as other,
    ):
        for i, pattern in enumerate(patterns):
            writer.task(1000 + i, f"{type(pattern).__name__.lower()}-{i}")
        idle, made = 0, 0
        written: Future[None] | None = None
        while made < events:
            t, page = touches(now)
            now = int(t[-1])
            op = np.full(len(t), Op.LOAD, np.uint8)
            if host and resident:
                t, op, page = resident.touch(t, page, host.capacity(t))
                host.observe(now, resident.resident)
                idle = 0 if len(t) else idle + 1
                if idle > 64:
                    raise InvalidInputError(_FITS)
            left = events - made
            made += min(len(t), left)
            if written:
                written.result()
            written = other.submit(_write, writer, t[:left], op[:left], page[:left], first, clen_mean, zero_share)
        if written:
            written.result()
        parameters = {
            "patterns": [repr(pattern) for pattern in patterns], "rate_per_s": rate, "seed": seed,
            "resident_bytes": resident_bytes, "storm": repr(storm) if storm else None,
            "clen_mean": clen_mean, "zero_share": zero_share,
        }  # fmt: skip
        return writer.close(
            ram_bytes=host.ram_bytes if host else None,
            clock="synthetic",
            samples=host.samples(now) if host else None,
            duration_ns=now,
            changes={
                "tool": f"tmemlab {__version__}",
                "probe_set": ProbeSet("synthetic", "generated, not recorded"),
                "clen": ClenMethod("modelled", note="drawn for each page"),
                "license": "CC0-1.0",
                "provenance": {"how": "tmemlab datasets synth", "workload": "synthetic", "parameters": parameters},
            },
        )


def _check(
    patterns: Sequence[Pattern], events: int, rate: float, resident_bytes: int | None, storm: Storm | None,
    clen_mean: float, zero_share: float,
) -> None:  # fmt: skip
    if not patterns:
        raise InvalidInputError("a synthetic trace needs at least one pattern")
    for pattern in patterns:
        pattern.check()
    if events < 1 or not 0 < rate <= 1e9:
        raise InvalidInputError("a synthetic trace needs at least 1 event, at up to 1e9 a second")
    if resident_bytes is not None and resident_bytes < 64 * PAGE_SIZE:
        raise InvalidInputError(f"a resident set needs at least {64 * PAGE_SIZE} bytes")
    if storm and (resident_bytes is None or not 0 < storm.bytes <= resident_bytes or storm.bytes_per_s < 1):
        raise InvalidInputError("a storm locks a part of the resident set: give --resident and a smaller storm")
    if not 1 <= clen_mean <= PAGE_SIZE or not 0 <= zero_share <= 1:
        raise InvalidInputError(
            f"compressed lengths are 1 to {PAGE_SIZE} on average and a share of 0 to 1 is zero"
        )


def _touches(patterns: Sequence[Pattern], first: np.ndarray, rate: float, rng: np.random.Generator) -> Any:
    """A function that gives times after a given one and pages, counted over all patterns, of the next touches."""
    streams = rng.spawn(len(patterns))
    sources = [pattern.source(stream) for pattern, stream in zip(patterns, streams, strict=True)]
    weights = np.cumsum([pattern.weight for pattern in patterns])
    weights /= weights[-1]

    def take(now: int) -> tuple[np.ndarray, np.ndarray]:
        gaps = rng.exponential(_SECOND / rate, _STEP)
        t = now + np.cumsum(gaps).astype(np.int64)
        which = np.searchsorted(weights, rng.random(_STEP), side="right")
        page = np.empty(_STEP, np.int64)
        for i, source in enumerate(sources):
            chosen = which == i
            page[chosen] = first[i] + source(int(chosen.sum()))
        return t, page

    return take


def _write(
    writer: ImportWriter, t: np.ndarray, op: np.ndarray, page: np.ndarray, first: np.ndarray,
    clen_mean: float, zero_share: float,
) -> None:  # fmt: skip
    space = np.searchsorted(first, page, side="right") - 1
    vpn = (page - first[space]).astype(np.uint64)
    clen = _lengths(page, clen_mean, zero_share)
    where = np.where(clen == 0, Where.ZERO, Where.UNKNOWN).astype(np.uint8)
    writer.write(t, op, vpn, space.astype(np.uint32), task=space.astype(np.uint16), clen=clen, where=where)


def _lengths(page: np.ndarray, mean: float, zero_share: float) -> np.ndarray:
    """Compressed lengths that depend on the page alone: uniform within the widest range around the mean."""
    mixed = page.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    zero = (mixed >> np.uint64(40)).astype(np.float64) / (1 << 24) < zero_share
    spread = min(mean - 1, PAGE_SIZE - mean)
    share = (mixed & np.uint64(0xFFFFFF)).astype(np.float64) / (1 << 24)
    clen: np.ndarray = np.where(zero, 0, np.round(mean - spread + 2 * spread * share)).astype(np.uint16)
    return clen


class _Host:
    """The memory around the resident set: a quarter more than it, watermarks, what is locked."""

    def __init__(self, resident_bytes: int, storm: Storm | None) -> None:
        self.ram_bytes = resident_bytes * 5 // 4
        self._resident = resident_bytes
        self._storm = storm
        self._seen: list[tuple[int, int]] = [(0, 0)]

    def capacity(self, t: np.ndarray) -> np.ndarray:
        """Pages that fit at each of the times ``t``, at least one."""
        if not self._storm:
            return np.full(len(t), self._resident // PAGE_SIZE, np.int64)
        capacity: np.ndarray = np.maximum((self._resident - self._storm.locked(t)) // PAGE_SIZE, 1)
        return capacity

    def observe(self, t: int, pages: int) -> None:
        """Remember how many pages are resident at ``t``."""
        self._seen.append((t, pages * PAGE_SIZE))

    def samples(self, end: int) -> pa.Table:
        """Ten a second; anonymous memory is interpolated between observations."""
        t = np.arange(0, end + 1, max(_SAMPLE_NS, end // 100_000), dtype=np.int64)
        times, sizes = zip(*self._seen, strict=True)
        anon = np.interp(t, times, sizes).astype(np.int64)
        locked = self._storm.locked(t) if self._storm else np.zeros(len(t), np.int64)
        ram = self.ram_bytes
        columns: dict[str, Any] = {name: pa.nulls(len(t), pa.int64()) for name in SAMPLES.names}
        values: dict[str, Any] = {
            "t": t, "mem_total": ram, "mem_free": np.maximum(self._resident - anon - locked, 0) + ram // 50,
            "mem_available": np.maximum(self._resident - anon - locked, 0) + ram // 10,
            "anon": anon, "file": ram // 20, "unevictable": locked, "mlocked": locked, "slab": ram // 50,
            "swap_total": 4 * ram, "swap_free": 2 * ram,
            "watermark_min": ram // 400, "watermark_low": ram // 320, "watermark_high": ram // 266,
        }  # fmt: skip
        columns |= {name: np.broadcast_to(np.asarray(value, np.int64), t.shape) for name, value in values.items()}
        return pa.table(columns, schema=SAMPLES)
