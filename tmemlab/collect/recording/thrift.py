"""What a recorder does to be no burden and no victim: it stays small, stays in memory, and gets its turn."""

import contextlib
import ctypes
import mmap
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4


def forget_compiler() -> None:
    """Give back what compiling the probes took: the code of LLVM and clang, which is on disk, and freed memory."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.malloc_trim(0)
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, access, *_, path = line.split(maxsplit=5)
        # Code alone: pages of data may have been written to when the library was loaded.
        if access == "r-xp" and ("/libLLVM" in path or "/libclang" in path):
            begin, end = (int(address, 16) for address in span.split("-"))
            libc.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), mmap.MADV_DONTNEED)


def lock_memory() -> None:
    """Keep this process in memory, as far as it is touched; refusal only makes swapping likelier.

    Who gives its privileges up may lock no more than its limit from then on, and what asks for memory beyond it is
    refused. So what is asked for later is locked as well only where there is no limit.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    with contextlib.suppress(OSError, ValueError):  # it needs CAP_SYS_RESOURCE
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    unlimited = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY
    # Without MCL_ONFAULT all of LLVM, mapped by bcc, would be read in.
    libc.mlockall(_MCL_CURRENT | _MCL_ONFAULT | (_MCL_FUTURE if unlimited else 0))
    if not unlimited:
        # A locked stack that grows beyond the limit is a SIGSEGV [mm/vma.c: acct_stack_growth].
        for line in Path("/proc/self/maps").read_text().splitlines():
            if line.endswith("[stack]"):
                begin, end = (int(address, 16) for address in line.split(maxsplit=1)[0].split("-"))
                libc.munlock(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin))


def unlock_memory() -> None:
    """Undo :func:`lock_memory`."""
    ctypes.CDLL(None, use_errno=True).munlockall()


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
