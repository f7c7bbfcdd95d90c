"""Sampling page contents: how well what was just swapped in compresses.

No tracepoint carries a compressed length. Right after a swap-in the page that faulted is in memory again with
what was stored, so the recorder reads it there, compresses it with the twin of the kernel's compressor, keeps the
length and forgets the rest. A page that is not present is left alone: reading it would swap it in.
"""

import ctypes
import os
import time
from collections.abc import Iterator

import numpy as np

from .compressors import PAGE, Twin
from .records import RECORD, Kind, RecordFlag, Records

_BATCH = 64
_PRESENT = np.uint64(1 << 63)


class _IoVec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class ContentSampler:
    """Compresses pages of traced tasks within a budget of CPU.

    ``share`` of one CPU is spent at most, over any few seconds; ``spent`` and ``sampled`` say what it came to.
    """

    def __init__(self, twin: Twin, share: float) -> None:
        self.twin = twin
        self.share = share
        self.sampled = 0
        self.spent = 0.0
        self._allowance = 0.02
        self._last = time.monotonic()
        self._cost = 30e-6
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._buffer = ctypes.create_string_buffer(_BATCH * PAGE)
        self._view = memoryview(self._buffer).cast("B")
        self._local = (_IoVec * 1)(_IoVec(ctypes.addressof(self._buffer), _BATCH * PAGE))
        self._remote = (_IoVec * _BATCH)()
        self._random = np.random.default_rng(2011)

    def sample(self, records: Records) -> Records:
        """CONTENT records for pages that ``records`` has just loaded."""
        now = time.monotonic()
        self._allowance = min(self._allowance + self.share * (now - self._last), max(self.share, 0.005))
        self._last = now
        affordable = int(self._allowance / self._cost)
        if affordable < 1:
            return records[:0]
        loads = records[(records["kind"] == Kind.LOAD) & (records["address"] != 0) & (records["mm"] != 0)]
        if not len(loads):
            return loads
        begin = time.thread_time()
        # One fault brings in several pages; only the one it asked for has a known address.
        _, first = np.unique(loads["mm"] ^ (loads["address"] & ~np.uint64(PAGE - 1)), return_index=True)
        if len(first) > affordable:
            first = self._random.choice(first, affordable, replace=False)
        taken = loads[np.sort(first)]
        found = list(self._by_task(taken))
        cost = time.thread_time() - begin
        self.spent += cost
        self._allowance -= cost
        self._cost = 0.9 * self._cost + 0.1 * max(cost / max(len(taken), 1), 2e-6)
        samples = np.concatenate(found) if found else loads[:0]
        self.sampled += len(samples)
        return samples

    def _by_task(self, loads: Records) -> Iterator[Records]:
        for pid in np.unique(loads["pid"]):
            own = loads[loads["pid"] == pid]
            try:
                descriptor = os.open(f"/proc/{pid}/pagemap", os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                continue  # the task is gone
            try:
                for at in range(0, len(own), _BATCH):
                    yield self._batch(int(pid), descriptor, own[at : at + _BATCH])
            finally:
                os.close(descriptor)

    def _batch(self, pid: int, pagemap: int, loads: Records) -> Records:
        """At most _BATCH pages of one task: those still present, read with one system call."""
        numbers = (loads["address"] // PAGE).tolist()
        kept = []
        for index, number in enumerate(numbers):
            entry = os.pread(pagemap, 8, number * 8)
            if len(entry) == 8 and entry[7] & 0x80:
                self._remote[len(kept)].base = number * PAGE
                self._remote[len(kept)].length = PAGE
                kept.append(index)
        if not kept:
            return loads[:0]
        got = self._libc.process_vm_readv(pid, self._local, 1, self._remote, len(kept), 0)
        whole = max(got, 0) // PAGE
        samples = np.zeros(whole, RECORD)
        chosen = loads[kept[:whole]]
        for name in ("mm", "address", "entry", "pid", "cgroup"):
            samples[name] = chosen[name]
        samples["t"] = time.monotonic_ns()
        samples["kind"] = Kind.CONTENT
        samples["pages"] = 1
        length = self.twin.length
        samples["tail"] = [length(bytes(self._view[i * PAGE : (i + 1) * PAGE])) for i in range(whole)]
        # What was read is not kept, not even in this process.
        ctypes.memset(self._buffer, 0, whole * PAGE)
        samples["flags"] = chosen["flags"] & RecordFlag.KERNEL_FAULT
        return samples
