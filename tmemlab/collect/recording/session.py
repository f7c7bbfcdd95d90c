"""One recording: attach, cut, drain until told to stop, cut, detach. The result is a spool.

The recorder locks its memory as it is touched, so that a host that swaps does not swap its recorder; it needs the
ring, one drain of it and a flush's worth of records, whatever the length of the recording.
"""

import contextlib
import mmap
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from ...datasets.trace.codes import Where
from ...errors import KernelUnsupportedError
from ..host import cgroup as cgroups
from ..host import samples as host
from ..kernel.btf import KernelTypes
from ..kernel.compressors import find_twin
from ..kernel.directmap import Probe, find_direct_map
from ..kernel.swapinfo import type_numbers
from ..kernel.zswaptree import zswap_macros
from ..probes import tracepoint
from ..probes.choose import choose
from ..probes.zswap_worker import worker_macros
from ..records import RECORD, TASK_STATE, Kind, Records
from ..spool import Frame, SpoolWriter
from .contents import ContentSampler
from .cuts import ATTEMPTS, PATIENCE_SECONDS, Counters, Cut, cut
from .options import Options, Progress
from .ring import ContentRing, Ring
from .selection import Choice
from .thrift import Allowance, forget_compiler, in_time, lock_memory, unlock_memory

FLUSH_SECONDS = 0.5
FLUSH_RECORDS = 65536
_DRAIN_SECONDS = 0.02
_SLOT_BYTES = 64
_CONTENT_RING = 8 << 20
_TURN_SECONDS = 0.5
"""How long a cut between parts may look for a quiet instant: the ring waits meanwhile."""
_NAMED_TASKS = 16384
"""Tasks whose names are kept for the next part: as many as the BPF programs remember having named."""


def start_document(
    options: Options, areas: list[host.SwapArea], probe_name: str, probe_reason: str, cannot_see: list[str]
) -> dict[str, Any]:
    """Everything about the host that the manifest will say and that is known when a recording begins."""
    system = os.uname()
    compressor = host.compressor_in_use()
    return {
        "format": 1,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "kernel": {"release": system.release, "machine": system.machine},
        "cpus": os.cpu_count() or 1,
        "ram_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "swap": [asdict(area) for area in areas],
        "zswap": host.zswap_settings(),
        "zram": host.zram_settings(),
        "vm": host.vm_settings(),
        "compressor": compressor,
        "twin": find_twin(compressor).note,
        "twin_exact": find_twin(compressor).exact,
        "probe_set": {"name": probe_name, "reason": probe_reason, "cannot_see": cannot_see},
        "options": asdict(options),
    }


@dataclass
class Part:
    """A spool that is written, and what had been counted when it began."""

    spool: SpoolWriter
    contents: int = 0
    contents_s: float = 0.0
    reclaim: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class End:
    """Where a part ends: the cut and its CLOCK_MONOTONIC time."""

    part: Part
    cut: Cut
    ended_ns: int


class Session:
    """A recording into ``spool``.

    >>> with Session(SpoolWriter.into(directory), Options(), None) as session:   # attached and cut: recording
    ...     session.run(until=lambda: stop.is_set())
    ...     session.finish()
    """

    def __init__(self, spool: SpoolWriter, options: Options, hierarchy: cgroups.Hierarchy | None) -> None:
        self._part = Part(spool)
        self._also: Part | None = None
        self.options = options
        self.hierarchy = hierarchy
        self.progress = Progress()
        self.namer = cgroups.Namer(hierarchy)
        self.usage_file: Path | None = None
        self._pending: list[Records] = []
        self._pending_rows = 0
        self._samples: list[dict[str, Any]] = []
        self._next_sample = self._next_flush = 0.0
        self._zswap_on: bool | None = None
        self._tasks: dict[int, np.void] = {}
        self.window: dict[str, Any] | None = None
        """What a flight recorder says of itself in its documents."""
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._open(stack)
            self._stack = stack.pop_all()
        return self

    def _open(self, stack: contextlib.ExitStack) -> None:
        options = self.options
        only = None
        if options.cgroup is not None:
            group = cgroups.resolve(options.cgroup, self.hierarchy or cgroups.find_hierarchy())
            only = cgroups.directory_id(group)
            self.usage_file = self.usage_file or group / (self.hierarchy or cgroups.find_hierarchy()).usage_name
        types = KernelTypes.load()
        macros: dict[str, int | None] = {
            "RING_PAGES": options.ring_bytes // 4096,
            "CPUS": host.possible_cpus(),
            "ONLY_CGROUP": only,
            "CONTENT_PAGES": _CONTENT_RING // 4096,
            "TASK_SLOTS": host.task_slots(),
        }
        choice, areas = Choice.of(options.sample_pages, options.command_name), host.read_swaps()
        macros |= choice.macros(types, areas)
        of_worker, worker_unseen = worker_macros(types)
        macros |= of_worker
        contents_note = ""
        with contextlib.closing(Probe()) as probe:
            macros |= zswap_macros(types, probe.look)
            numbers = type_numbers(areas, types, probe.look)
            if numbers is not None:
                areas = [replace(area, type_number=n) for area, n in zip(areas, numbers, strict=True)]
            try:
                if options.content_share > 0:
                    macros |= find_direct_map(types, probe).macros()
            except KernelUnsupportedError as error:
                contents_note = str(error)
        probes = choose(options.probe_set, types, macros)
        stack.callback(probes.program.cleanup)
        self.probe_name = probes.name
        self._bpf = probes.program
        choice.place_areas(self._bpf, areas)
        self._ring = Ring(self._bpf["ring"].map_fd, options.ring_bytes)
        self._counters = Counters(self._bpf["counters"].map_fd, self._bpf["control"].map_fd, host.possible_cpus())
        self._vmstat = host.Vmstat()
        stack.callback(self._vmstat.close)
        self._sampler = host.Sampler(self.usage_file)
        twin = find_twin(host.compressor_in_use())
        self._contents = None
        if "DIRECT_MAP" in macros:
            contents = ContentRing(self._bpf["contents"].map_fd, _CONTENT_RING)
            share = min(options.content_share, (options.max_cpu or 1.0) / 2)
            self._contents = ContentSampler(contents, twin, self._counters, share)
        stack.callback(lambda: self._part.spool.close())
        forget_compiler()
        lock_memory()
        stack.callback(unlock_memory)
        stack.enter_context(in_time())
        self.namer.refresh()
        blind = [f"when zswap's worker runs: {worker_unseen}"] if worker_unseen else []
        self._areas, self._probe_reason, self._cannot_see = areas, probes.reason, [*probes.cannot_see, *blind]
        self._facts = {
            "memory_cgroups": self.hierarchy.version if self.hierarchy else None,
            "root_cgroup": cgroups.directory_id(self.hierarchy.mount) if self.hierarchy else 1,
            "contents_note": contents_note,
            "choice": asdict(choice),
            "slot_frees": probes.slot_frees,
            "lengths": probes.lengths,
            "symbols": probes.symbols,
            "worker_seen": not worker_unseen,
        }
        self._begin(ATTEMPTS)
        self._watch_zswap()
        self._take_sample()
        self._flush()

    def _begin(self, attempts: int) -> tuple[Cut, int]:
        """Cut, and let the part begin with everything that makes it a spool of its own; the cut and its time."""
        start = start_document(self.options, self._areas, self.probe_name, self._probe_reason, self._cannot_see)
        between = attempts < ATTEMPTS
        first = cut(
            self._counters, self._vmstat, attempts, _TURN_SECONDS if between else PATIENCE_SECONDS, frugal=between
        )
        began = time.monotonic_ns()
        start |= self._facts | {"began_ns": began, "cut": asdict(first), "last_phase": self._counters.phase}
        start["dropped_before"] = self._counters.dropped()
        if self.window is not None:
            start["window"] = self.window
        self._part.contents, self._part.contents_s = self.progress.contents, self.contents_cpu_s
        self._part.reclaim = self._reclaimed()
        self._part.spool.document(Frame.START, start)
        if self._tasks:
            self._part.spool.records(np.array(list(self._tasks.values()), RECORD))
        return first, began

    def turn(self, spool: SpoolWriter, attempts: int = ATTEMPTS, *, ends: bool = False) -> "End":
        """Go on in ``spool``, which begins here with a cut of its own; what is needed to end the part before.

        ends: the part before gets all that is recorded until :meth:`end` as well: what was half done at the cut.
        Its file stays open.
        """
        self._drain()
        self._flush()
        before, self._part = self._part, Part(spool)
        last, ended = self._begin(attempts)
        self._also = before if ends else None
        return End(before, last, ended)

    def end(self, turned: "End", window: dict[str, Any]) -> None:
        """End the recording whose last part was turned from."""
        self._drain()
        self._flush()
        self._also = None
        turned.part.spool.document(Frame.END, self._end_document(turned, window))

    def move(self, descriptor: int) -> None:
        """Go on in another file: somebody removed the one that was written to."""
        self._part.spool.move(descriptor)

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self, until: Callable[[], bool], watch: Callable[[Progress], None] | None = None) -> None:
        """Record until ``until()`` or the duration is over; ``watch`` is called twice a second.

        SpoolFullError when the disk is full: everything flushed before is kept.
        """
        options = self.options
        begin = time.monotonic()
        deadline = begin + options.duration if options.duration is not None else float("inf")
        allowance = Allowance(options.max_cpu)
        while not until():
            now = time.monotonic()
            if now >= deadline or (options.max_bytes and self._part.spool.bytes_written >= options.max_bytes):
                break
            self._drain()
            if now >= self._next_sample:
                self._take_sample()
            if now >= self._next_flush or self._pending_rows >= FLUSH_RECORDS:
                self._watch_zswap()
                self._flush()
                self._next_flush = now + FLUSH_SECONDS
                if watch is not None:
                    self.progress.seconds = now - begin
                    watch(self.progress)
            busy = self._ring.backlog() * _SLOT_BYTES * 8 > self._ring.size
            pause = allowance.pause()
            if pause or not busy:
                time.sleep(max(0.0, min(max(_DRAIN_SECONDS, pause), deadline - time.monotonic())))

    def record_on(self) -> None:
        """Let no time and no size end what :meth:`run` records."""
        self.options = replace(self.options, duration=None, max_bytes=None)

    def finish(self, window: dict[str, Any] | None = None) -> None:
        """Make the second cut, detach, and write what is left and the END document."""
        end = End(self._part, cut(self._counters, self._vmstat), time.monotonic_ns())
        self._drain()
        self._take_pending_writebacks()
        self._bpf.cleanup()
        self._drain()
        self._take_sample()
        self._flush()
        self._part.spool.document(Frame.END, self._end_document(end, window))
        self._part.spool.close()
        unlock_memory()

    def _end_document(self, end: "End", window: dict[str, Any] | None) -> dict[str, Any]:
        self.namer.refresh()
        part, reclaimed = end.part, self._reclaimed()
        return {
            "ended_ns": end.ended_ns,
            "cut": asdict(end.cut),
            "zswap": host.zswap_settings(),
            "zram": host.zram_settings(),
            "swap": [asdict(area) for area in host.read_swaps()],
            "contents": {
                "sampled": self.progress.contents - part.contents,
                "seconds": self.contents_cpu_s - part.contents_s,
            },
            "cgroups": self._cgroup_rows(),
            "reclaim": {name: value - part.reclaim.get(name, 0) for name, value in reclaimed.items()},
            **({"window": window} if window else {}),
        }

    def _reclaimed(self) -> dict[str, int]:
        return cgroups.reclaim_of(self.usage_file.parent) if self.usage_file else {}

    def _cgroup_rows(self) -> dict[str, Any]:
        return {str(number): [path, self.namer.limits.get(number)] for number, path in self.namer.paths.items()}

    @property
    def phase(self) -> int:
        """How many phases have begun, cuts' attempts included."""
        return self._counters.phase

    @property
    def contents_cpu_s(self) -> float:
        """CPU seconds spent on sampling contents."""
        return self._contents.spent if self._contents else 0.0

    def _drain(self) -> None:
        # Contents first: the stores that they belong to are then in this drain or an earlier one.
        contents = self._contents.take() if self._contents else None
        records = self._ring.drain()
        self.progress.records += len(records)
        self._keep(records)
        if contents is not None and self._contents:
            self._keep(contents)
            self.progress.contents = self._contents.sampled

    def _keep(self, records: Records) -> None:
        if len(records):
            self._pending.append(records)
            self._pending_rows += len(records)
            if self.window is not None:
                self._remember_tasks(records)

    def _remember_tasks(self, records: Records) -> None:
        """A task is named once: parts that are kept must not depend on one that is not."""
        for record in records[records["kind"] == Kind.TASK]:
            self._tasks.pop(int(record["pid"]), None)
            self._tasks[int(record["pid"])] = record
        while len(self._tasks) > _NAMED_TASKS:
            del self._tasks[next(iter(self._tasks))]

    def _take_sample(self) -> None:
        row = self._sampler.sample()
        self.progress.sample = row
        self._samples.append({"t": time.monotonic_ns(), **row})
        self._next_sample = time.monotonic() + 1 / self.options.sample_hz

    def _watch_zswap(self) -> None:
        """A record whenever zswap is switched: a store to disk while it is on was rejected."""
        on = host.zswap_enabled()
        if on != self._zswap_on:
            self._zswap_on = on
            record = np.zeros(1, RECORD)
            record["t"], record["kind"], record["address"] = time.monotonic_ns(), Kind.ZSWAP, on
            self._keep(record)

    def _take_pending_writebacks(self) -> None:
        """A writeback of the pool for the root cgroup is known as one only by the task's next step: ask for it."""
        if self.probe_name == tracepoint.NAME:
            size = host.task_slots() * TASK_STATE.itemsize
            area = mmap.mmap(self._bpf["tasks"].map_fd, size, mmap.MAP_SHARED, mmap.PROT_READ)
            states = np.frombuffer(area, TASK_STATE)
            waiting = states[states["pending"] == 1 + Where.DISK]
            record = np.zeros(len(waiting), RECORD)
            record["t"], record["kind"], record["where"] = time.monotonic_ns(), Kind.WRITEBACK, Where.DISK
            record["pages"], record["phase"] = waiting["pages"], waiting["phase"]
            self._keep(record)

    def _flush(self) -> None:
        spools = [part.spool for part in (self._part, self._also) if part is not None]
        for group in self._chunks():
            for spool in spools:
                spool.records(group)
        if self._samples:
            for spool in spools:
                spool.document(Frame.SAMPLE, {"rows": self._samples, "dropped": self._counters.dropped()})
            self._samples = []
        self.namer.refresh_unknown()
        self.progress.spool_bytes = self._part.spool.bytes_written
        self.progress.swapped = self._counters.seen()
        self.progress.dropped = self._counters.dropped()

    def _chunks(self) -> Iterator[Records]:
        pending, self._pending, self._pending_rows = self._pending, [], 0
        if pending:
            joined = np.concatenate(pending)
            self.namer.note(np.unique(joined["cgroup"]).tolist())
            for at in range(0, len(joined), FLUSH_RECORDS):
                yield joined[at : at + FLUSH_RECORDS]
