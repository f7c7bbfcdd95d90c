"""What a recorder that is killed leaves behind: nothing that runs, no cgroup.

A shell waits for a line on a pipe that only the recorder holds. The line says that the recorder has tidied up; the
end of the pipe without one says that it is dead, and the shell ends what is in the cgroup and removes it.
"""

import contextlib
import ctypes
import signal
import subprocess
from pathlib import Path

_SCRIPT = """
read -r word && exit 0
tries=0
while [ -d "$1" ] && [ $tries -lt 400 ]; do
    while read -r pid; do kill -9 "$pid"; done < "$1/cgroup.procs"
    rmdir "$1" && exit 0
    sleep 0.05
    tries=$((tries + 1))
done
"""
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


class Guard:
    """Watches over one cgroup until ``done``."""

    def __init__(self, cgroup: Path) -> None:
        # A session of its own: Ctrl-C is for the recorder, which then says that it is done.
        self._shell = subprocess.Popen(
            ["sh", "-c", _SCRIPT, "tmemlab-guard", str(cgroup)],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def done(self) -> None:
        """The cgroup has been removed: let the shell go."""
        with contextlib.suppress(OSError):
            self._shell.communicate(b"done\n")

    def take_over(self) -> None:
        """The cgroup could not be removed: the shell does it, now."""
        with contextlib.suppress(OSError):
            self._shell.communicate()


def die_with_parent() -> None:
    """For preexec_fn: SIGKILL to this process when the recorder dies; what it has started is the guard's."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
