"""Giving up what root can do, once everything is attached.

Programs stay attached as long as their descriptors are open, and maps are read through memory: nothing that the
recording half does from then on needs a privilege. The half that has the command needs one, to end it.
"""

import contextlib
import ctypes
import os
import pwd
from pathlib import Path

from ...errors import PrivilegeError

CAP_DAC_OVERRIDE, CAP_KILL, CAP_IPC_LOCK = 1, 5, 14
CAP_SYS_ADMIN, CAP_PERFMON, CAP_BPF = 21, 38, 39
_NOBODY = 65534
HINT = "record where root may change its user, outside of this container"
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
    """What the half that keeps files and command goes on needing: the trace is put in place beside ``out``."""
    keep = {CAP_KILL}
    with contextlib.suppress(OSError):
        parent = out.resolve().parent.stat()
        if parent.st_uid == os.geteuid() and parent.st_mode & 0o200:
            return keep
    return keep | {CAP_DAC_OVERRIDE}


def user_and_group() -> tuple[int, int]:
    """Whom a recorder becomes: who ran sudo; else nobody."""
    asked = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
    if all(text.isdecimal() and len(text) < 10 and int(text) for text in asked):
        return int(asked[0]), int(asked[1])
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        return _NOBODY, _NOBODY
    return nobody.pw_uid, nobody.pw_gid


def become_nobody() -> None:
    """Make every thread of this process another user, who holds no capability and can gain none, for good.

    Going from uid 0 to others clears every capability, and makes the process one that no other may trace
    [capabilities(7), ptrace(2): dumpable]. PrivilegeError where the kernel leaves anything.
    """
    user, group = user_and_group()
    refused = _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    try:
        os.setgroups([])
        os.setresgid(group, group, group)
        os.setresuid(user, user, user)
    except OSError as error:
        raise PrivilegeError(f"cannot become user {user} ({error.strerror}) to record: {HINT}") from None
    left = [line for line in states() if line != (user, 0, True)]
    if refused or left:
        raise PrivilegeError(f"a thread kept privileges after becoming user {user}: {HINT}")


def try_becoming_nobody() -> str:
    """As whom this process would record, tried in a child of it. PrivilegeError as :func:`become_nobody`."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        said = ""
        try:
            become_nobody()
        except PrivilegeError as error:
            said = str(error)
        finally:
            os.write(writing, said.encode())
            os._exit(0)
    os.close(writing)
    said = os.read(reading, 4096).decode()
    os.close(reading)
    os.waitpid(pid, 0)
    if said:
        raise PrivilegeError(said)
    return f"as user {user_and_group()[0]}, without any capability, once attached"


def states() -> list[tuple[int, int, bool]]:
    """Of every thread of this process: its uid (-1 where its four differ), capabilities, no_new_privs."""
    found = []
    for thread in Path("/proc/self/task").iterdir():
        rows = dict(line.split(":", 1) for line in (thread / "status").read_text().splitlines())
        users = set(rows["Uid"].split())
        held = (
            int(rows["CapEff"], 16) | int(rows["CapPrm"], 16) | int(rows["CapInh"], 16) | int(rows["CapAmb"], 16)
        )
        found.append((int(users.pop()) if len(users) == 1 else -1, held, rows["NoNewPrivs"].strip() == "1"))
    return found


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
