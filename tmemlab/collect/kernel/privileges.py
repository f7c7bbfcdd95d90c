"""Giving up what root can do, once everything is attached.

Programs stay attached as long as their descriptors are open, and maps are read through memory: nothing that a
recording does from then on needs a capability, but for ending its command and staying in memory.
"""

import contextlib
import ctypes
import os
from pathlib import Path

CAP_DAC_OVERRIDE, CAP_KILL, CAP_IPC_LOCK = 1, 5, 14
CAP_SYS_ADMIN, CAP_PERFMON, CAP_BPF = 21, 38, 39
_VERSION_3 = 0x20080522
_PR_SET_NO_NEW_PRIVS = 38
_LIBC = ctypes.CDLL(None, use_errno=True)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32),
    )  # fmt: skip


def may_trace() -> bool:
    """Whether this process has what BPF programs that read the kernel need [Linux 5.8, capabilities(7)]."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            held = int(line.split()[1], 16)
            return bool(held >> CAP_SYS_ADMIN & 1 or (held >> CAP_BPF & 1 and held >> CAP_PERFMON & 1))
    return False


def needed(out: Path) -> set[int]:
    """What recording into ``out`` goes on needing: the trace is put in place in its parent directory."""
    keep = {CAP_KILL, CAP_IPC_LOCK}
    with contextlib.suppress(OSError):
        parent = out.resolve().parent.stat()
        if parent.st_uid == os.geteuid() and parent.st_mode & 0o200:
            return keep
    return keep | {CAP_DAC_OVERRIDE}


def drop(keep: set[int]) -> bool:
    """Leave this thread, and what it starts, the capabilities ``keep`` alone, for good; False where refused."""
    header = _Header(_VERSION_3, 0)
    held = (_Data * 2)()
    if _LIBC.capget(ctypes.byref(header), held):
        return False
    for word in range(2):
        mask = sum(1 << number - 32 * word for number in keep if number // 32 == word)
        held[word].effective &= mask
        held[word].permitted &= mask
        held[word].inheritable = 0
    return not _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) and not _LIBC.capset(ctypes.byref(header), held)
