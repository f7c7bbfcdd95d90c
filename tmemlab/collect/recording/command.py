"""The command that a recording runs: started in its cgroup, ended with the recording, and how it ended."""

import contextlib
import errno
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import CommandError
from ..host.cgroup import OwnCgroup
from ..host.guard import die_with_parent

OOM_SCORE = Path("/proc/self/oom_score_adj")
NOT_FOUND, NOT_EXECUTABLE, BY_SIGNAL = 127, 126, 128
"""What env(1) and shells answer for a command that is not there, that cannot be run, or that a signal ended."""


@dataclass(frozen=True)
class Ending:
    """How a command ended."""

    returncode: int
    """As subprocess has it: negative for a signal."""
    by_recorder: bool
    """The recording was over first, and told it to end."""
    oom_kills: int
    """Processes of it that its memory cgroup killed for want of memory."""

    @property
    def exit_code(self) -> int:
        """What a shell would say: the command's own code, or 128 and the signal."""
        return self.returncode if self.returncode >= 0 else BY_SIGNAL - self.returncode

    @property
    def signal_name(self) -> str | None:
        """SIGKILL and the like; None where it ended by itself."""
        if self.returncode >= 0:
            return None
        with contextlib.suppress(ValueError):
            return signal.Signals(-self.returncode).name
        return f"signal {-self.returncode}"

    @property
    def killed_by(self) -> str | None:
        """``memory cgroup``, ``signal``, ``recorder``; None for a command that ended by itself."""
        if self.by_recorder:
            return "recorder"
        if self.oom_kills and self.exit_code == BY_SIGNAL + signal.SIGKILL:
            return "memory cgroup"
        return "signal" if self.returncode < 0 else None

    def as_json(self) -> dict[str, Any]:
        """For documents and manifests."""
        return {
            "exit_code": self.exit_code,
            "signal": self.signal_name,
            "killed_by": self.killed_by,
            "oom_kills": self.oom_kills,
        }

    def sentence(self, name: str, limit: str | None) -> str | None:
        """What to say of the command called ``name`` whose cgroup was limited to ``limit``; None for nothing."""
        where = f"its memory cgroup, limited to {limit}" if limit else "its memory cgroup"
        if self.killed_by == "memory cgroup":
            return f"{name} was killed by {where}: out of memory; give it a larger --memory-limit"
        if self.killed_by == "recorder":
            return None
        said = []
        if self.killed_by == "signal":
            said.append(f"{name} was killed by {self.signal_name}")
        elif self.returncode:
            said.append(f"{name} ended with exit code {self.returncode}")
        if self.oom_kills:
            processes = "a process" if self.oom_kills == 1 else f"{self.oom_kills} processes"
            said.append(f"{where} killed {processes} of it: out of memory")
        return "; ".join(said) or None


def find(argv: list[str]) -> None:
    """CommandError, with env(1)'s exit code, where there is no such command."""
    if shutil.which(argv[0]) is None:
        code = NOT_EXECUTABLE if Path(argv[0]).exists() else NOT_FOUND
        raise CommandError(f"{argv[0]!r} is not a command: check the name or give its full path", code)


@contextlib.contextmanager
def spared() -> "Iterator[str | None]":
    """Not to be killed for want of memory meanwhile, where that is allowed; what it was before, for the command.

    The recorder is small, and what it has seen of the last second is what is wanted after an OOM kill.
    """
    try:
        before = OOM_SCORE.read_text().strip()
        OOM_SCORE.write_text("-1000")
    except OSError:  # it needs CAP_SYS_RESOURCE
        yield None
        return
    try:
        yield before
    finally:
        with contextlib.suppress(OSError):
            OOM_SCORE.write_text(before)


def offer_to_be_killed() -> None:
    """Let this process go first where memory is short: what it does can be done again."""
    with contextlib.suppress(OSError):
        OOM_SCORE.write_text("500")


@contextlib.contextmanager
def running(
    argv: list[str], group: OwnCgroup | None, stdout: int | None, oom_score: str | None = None
) -> "Iterator[subprocess.Popen[bytes]]":
    """The command, started inside ``group``; killed at the end if it still runs. CommandError if it cannot.

    oom_score: its own oom_score_adj, where the recorder's is another.
    """

    def enter() -> None:
        die_with_parent()
        if oom_score is not None:
            OOM_SCORE.write_text(oom_score)
        if group is not None:
            group.join()

    try:
        child = subprocess.Popen(argv, preexec_fn=enter, stdout=stdout)
    except OSError as error:
        code = NOT_FOUND if error.errno == errno.ENOENT else NOT_EXECUTABLE
        raise CommandError(f"{argv[0]!r} cannot be run ({error.strerror}): check what it is", code) from None
    try:
        yield child
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
