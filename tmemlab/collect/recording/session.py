"""One recording: attach, cut, drain until told to stop, cut, detach. The result is a spool.

The recorder locks its memory as it is touched, so that a host that swaps does not swap its recorder; it needs the
ring, one drain of it and a flush's worth of records, whatever the length of the recording.
"""

import contextlib
import ctypes
import mmap
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from ...datasets.trace.codes import Where
from ...directories import OwnDirectory
from ...errors import InvalidInputError, KernelUnsupportedError
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
from .cuts import Counters, cut
from .ring import ContentRing, Ring
from .selection import Choice

FLUSH_SECONDS = 0.5
FLUSH_RECORDS = 65536
_DRAIN_SECONDS = 0.02
_SLOT_BYTES = 64
_CONTENT_RING = 8 << 20
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4


@dataclass(frozen=True)
class Options:
    """What to record and how."""

    duration: float | None = None
    """Seconds; None records until stopped."""
    cgroup: str | None = None
    """Record only pages charged to this memory cgroup and those below it."""
    command_name: str | None = None
    """Record only pages of processes that go by this name."""
    sample_pages: float | None = None
    """Record only this share of all pages, chosen by a hash of where they are."""
    sample_hz: float = 10.0
    ring_bytes: int = 16 << 20
    content_share: float = 0.03
    """Of one CPU, for compressing page contents; 0 samples none."""
    probe_set: str | None = None
    max_cpu: float | None = None
    """Share of one CPU to take; where that is too little, the ring overflows and drops are counted."""
    max_bytes: int | None = None
    """Stop when the spool is this large; the trace is a third of it or less."""

    def __post_init__(self) -> None:
        if self.duration is not None and not 0 < self.duration < float("inf"):
            raise InvalidInputError(f"a recording of {self.duration:g} seconds is none: give a time such as 60s")


@dataclass
class Progress:
    """How a recording is doing, for whoever watches."""

    seconds: float = 0.0
    records: int = 0
    swapped: int = 0
    dropped: int = 0
    spool_bytes: int = 0
    contents: int = 0
    sample: dict[str, int | None] = field(default_factory=dict)


def _forget_compiler() -> None:
    """Give back what compiling the probes took: the code of LLVM and clang, which is on disk, and freed memory."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.malloc_trim(0)
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, access, *_, path = line.split(maxsplit=5)
        # Code alone: pages of data may have been written to when the library was loaded.
        if access == "r-xp" and ("/libLLVM" in path or "/libclang" in path):
            begin, end = (int(address, 16) for address in span.split("-"))
            libc.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), mmap.MADV_DONTNEED)


def _lock_memory(locked: bool) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if locked:
        # Without MCL_ONFAULT all of LLVM, mapped by bcc, would be read in. Refusal only makes swapping likelier.
        libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT)
    else:
        libc.munlockall()


@contextlib.contextmanager
def in_time() -> Iterator[None]:
    """Run at the lowest real-time priority: the recorder needs little CPU, but what waits too long for it is lost.

    A nice value counts only within an autogroup. Commands and threads started meanwhile are not concerned; refusal
    only makes drops likelier.
    """
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            # only the privileged may clear the flag again
            os.sched_setscheduler(0, before[0] | os.SCHED_RESET_ON_FORK, before[1])


class Allowance:
    """CPU time that may be used: ``share`` of one CPU, at most a second's worth saved up; None for any."""

    def __init__(self, share: float | None) -> None:
        self._share = share
        self._credit = share or 0.0
        self._at, self._used = time.monotonic(), time.process_time()

    def pause(self) -> float:
        """Seconds to sleep until what was used is within the share."""
        if self._share is None:
            return 0.0
        now, used = time.monotonic(), time.process_time()
        self._credit = min(self._credit + (now - self._at) * self._share, self._share) - (used - self._used)
        self._at, self._used = now, used
        return max(0.0, -self._credit / self._share)


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


class Session:
    """A recording into ``directory``, which holds no spool.

    >>> with Session(directory, Options()) as session:   # attached and cut: recording
    ...     session.run(until=lambda: stop.is_set())
    """

    def __init__(self, directory: OwnDirectory, options: Options, hierarchy: cgroups.Hierarchy | None) -> None:
        self.directory = directory
        self.options = options
        self.hierarchy = hierarchy
        self.progress = Progress()
        self.namer = cgroups.Namer(hierarchy)
        self.usage_file: Path | None = None
        self._pending: list[Records] = []
        self._pending_rows = 0
        self._samples: list[dict[str, Any]] = []
        self._next_sample = 0.0
        self._zswap_on: bool | None = None
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
        self._reclaim = self._reclaimed()
        twin = find_twin(host.compressor_in_use())
        self._contents = None
        if "DIRECT_MAP" in macros:
            contents = ContentRing(self._bpf["contents"].map_fd, _CONTENT_RING)
            share = min(options.content_share, (options.max_cpu or 1.0) / 2)
            self._contents = ContentSampler(contents, twin, self._counters, share)
        self._spool = SpoolWriter(self.directory)
        stack.callback(self._spool.close)
        _forget_compiler()
        _lock_memory(True)
        stack.callback(_lock_memory, False)
        stack.enter_context(in_time())
        self.namer.refresh()
        blind = [f"when zswap's worker runs: {worker_unseen}"] if worker_unseen else []
        start = start_document(options, areas, probes.name, probes.reason, [*probes.cannot_see, *blind])
        self._first = cut(self._counters, self._vmstat)
        self.began = time.monotonic_ns()
        start["began_ns"] = self.began
        start["memory_cgroups"] = self.hierarchy.version if self.hierarchy else None
        start["root_cgroup"] = cgroups.directory_id(self.hierarchy.mount) if self.hierarchy else 1
        start["contents_note"] = contents_note
        start["choice"] = asdict(choice)
        start["slot_frees"], start["lengths"] = probes.slot_frees, probes.lengths
        start["symbols"] = probes.symbols
        start["worker_seen"] = not worker_unseen
        start["cut"] = asdict(self._first)
        self._spool.document(Frame.START, start)
        self._watch_zswap()
        self._take_sample()
        self._flush()

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self, until: Callable[[], bool], watch: Callable[[Progress], None] | None = None) -> None:
        """Record until ``until()`` or the duration is over; ``watch`` is called twice a second.

        SpoolFullError when the disk is full: everything flushed before is kept.
        """
        options = self.options
        begin = time.monotonic()
        deadline = begin + options.duration if options.duration is not None else float("inf")
        next_flush = begin + FLUSH_SECONDS
        allowance = Allowance(options.max_cpu)
        while not until():
            now = time.monotonic()
            if now >= deadline or (options.max_bytes and self._spool.bytes_written >= options.max_bytes):
                break
            self._drain()
            if now >= self._next_sample:
                self._take_sample()
            if now >= next_flush or self._pending_rows >= FLUSH_RECORDS:
                self._watch_zswap()
                self._flush()
                next_flush = now + FLUSH_SECONDS
                if watch is not None:
                    self.progress.seconds = now - begin
                    watch(self.progress)
            busy = self._ring.backlog() * _SLOT_BYTES * 8 > self._ring.size
            pause = allowance.pause()
            if pause or not busy:
                time.sleep(max(0.0, min(max(_DRAIN_SECONDS, pause), deadline - time.monotonic())))

    def finish(self) -> None:
        """Make the second cut, detach, and write what is left and the END document."""
        last = cut(self._counters, self._vmstat)
        ended = time.monotonic_ns()
        self._drain()
        self._take_pending_writebacks()
        self._bpf.cleanup()
        self._drain()
        self._take_sample()
        self._flush()
        self.namer.refresh()
        self._spool.document(
            Frame.END,
            {
                "ended_ns": ended,
                "cut": asdict(last),
                "zswap": host.zswap_settings(),
                "zram": host.zram_settings(),
                "swap": [asdict(area) for area in host.read_swaps()],
                "contents": {"sampled": self.progress.contents, "seconds": self.contents_cpu_s},
                "cgroups": self._cgroup_rows(),
                "reclaim": {name: value - self._reclaim.get(name, 0) for name, value in self._reclaimed().items()},
            },
        )
        self._spool.close()
        _lock_memory(False)

    def _reclaimed(self) -> dict[str, int]:
        return cgroups.reclaim_of(self.usage_file.parent) if self.usage_file else {}

    def _cgroup_rows(self) -> dict[str, Any]:
        return {str(number): [path, self.namer.limits.get(number)] for number, path in self.namer.paths.items()}

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
        self._spool.keep()
        for group in self._chunks():
            self._spool.records(group)
        if self._samples:
            self._spool.document(Frame.SAMPLE, {"rows": self._samples, "dropped": self._counters.dropped()})
            self._samples = []
        self.namer.refresh_unknown()
        self.progress.spool_bytes = self._spool.bytes_written
        self.progress.swapped = self._counters.seen()
        self.progress.dropped = self._counters.dropped()

    def _chunks(self) -> Iterator[Records]:
        pending, self._pending, self._pending_rows = self._pending, [], 0
        if pending:
            joined = np.concatenate(pending)
            self.namer.note(np.unique(joined["cgroup"]).tolist())
            for at in range(0, len(joined), FLUSH_RECORDS):
                yield joined[at : at + FLUSH_RECORDS]
