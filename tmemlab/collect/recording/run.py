"""Recording from beginning to end: the output directory, the command, the signals, the conversion.

This half of a recorder keeps what root is needed for, and sees nothing of the kernel; the other records
(recorder.py).
"""

import contextlib
import errno
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...directories import OwnDirectory
from ...errors import CommandError, InvalidInputError, KernelUnsupportedError, PrivilegeError, TmemlabError
from ..host import cgroup as cgroups
from ..host.room import group_of_this_process, need_room
from ..kernel import privileges
from ..spool import SPOOL_NAME, Scrub, SpoolFullError, SpoolWriter, file_again
from .channel import ClosedError, Message
from .command import Ending, find, running, spared
from .counters import record_counters
from .options import Options, Progress
from .recorder import Half
from .session import FLUSH_SECONDS

_PATIENCE_SECONDS = 10.0
"""How long a command may take to end after SIGTERM before it is killed."""
_LISTEN_SECONDS = 0.02


@dataclass(frozen=True)
class Outcome:
    """A finished recording. ``manifest`` is datasets.trace.manifest.Manifest."""

    path: Path
    manifest: Any
    progress: Progress
    command: Ending | None
    recorder_cpu_s: float
    recorder_seconds: float
    contents_cpu_s: float

    @property
    def exit_code(self) -> int:
        """The command's, as env(1) and time(1) have it; 0 without one, and where the recording ended it."""
        return self.command.exit_code if self.command and not self.command.by_recorder else 0

    @property
    def bytes_per_event(self) -> float | None:
        """Of the events files, as on disk."""
        events = self.manifest.events.recorded
        size = sum(self.manifest.files[name].bytes for name in self.manifest.event_files)
        return size / events if events else None


def collect(
    out: Path,
    options: Options,
    command: list[str] | None = None,
    memory_limit: int | None = None,
    *,
    watch: Callable[[Progress], None] | None = None,
    note: Callable[[str], None] = lambda _: None,
    ready: Callable[[], object] = lambda: None,
    command_stdout: int | None = None,
    provenance: dict[str, Any] | None = None,
    trace_license: str = "",
    scrub: Scrub | None = None,
    counters_only: bool = False,
    drop_privileges: bool = False,
    own_cgroup: bool = False,
) -> Outcome:
    """Record into ``out`` until the duration is over, the command ends, or SIGINT or SIGTERM arrives.

    A command runs in a memory cgroup of its own, limited to ``memory_limit`` bytes. ``counters_only`` samples what
    anyone may read. ``drop_privileges`` makes the recording process another user without any privilege, and
    leaves the calling thread those to end its command, for good. ``own_cgroup`` moves this process into a memory
    cgroup of its own meanwhile. Raises PrivilegeError,
    KernelUnsupportedError, InvalidInputError; TmemlabError when the disk is full, with what was recorded kept.
    """
    if counters_only:
        return _collect_counters(out, options, command, watch, note, ready)
    if os.geteuid() != 0 or not privileges.may_trace():
        raise PrivilegeError(
            "recording loads BPF programs, which needs root: run it with sudo, or record --counters-only"
        )
    if memory_limit is not None and not command:
        raise InvalidInputError("--memory-limit needs a command to limit: add -- COMMAND")
    if command:
        find(command)
    task = Task(command, memory_limit, command_stdout, drop_privileges, own_cgroup)
    with OwnDirectory.new(out) as directory:
        try:
            with contextlib.ExitStack() as stack:
                recorded = _record(stack, directory, options, task, watch, ready)
        except CommandError:
            directory.unlink(SPOOL_NAME)
            _take_back(directory)
            raise
        except SpoolFullError as error:
            raise TmemlabError(_kept(out, f"{error}: the recording stopped")) from None
        except BaseException:
            if not directory.size(SPOOL_NAME):
                directory.unlink(SPOOL_NAME)
                _take_back(directory)
            raise
    extra: dict[str, Any] = {"provenance": provenance or {}, "license": trace_license}
    if command:
        ended = recorded.command.as_json() if recorded.command else {}
        extra["command"] = {"argv": command, "memory_limit": memory_limit, **ended}
    manifest = convert_kept(out, out, note, extra, scrub)
    return Outcome(
        out,
        manifest,
        recorded.progress,
        recorded.command,
        recorded.cpu_s,
        recorded.seconds,
        recorded.contents_cpu_s,
    )


def _collect_counters(
    out: Path,
    options: Options,
    command: list[str] | None,
    watch: Callable[[Progress], None] | None,
    note: Callable[[str], None],
    ready: Callable[[], object],
) -> Outcome:
    if command:
        raise InvalidInputError("--counters-only watches the whole host: leave out the COMMAND")
    with OwnDirectory.new(out) as directory, stop_signals() as stopped:
        ready()
        begin, cpu = time.monotonic(), time.process_time()
        progress = record_counters(directory, options, lambda: bool(stopped), watch)
        spent, seconds = time.process_time() - cpu, time.monotonic() - begin
    return Outcome(out, convert_kept(out, out, note, {}), progress, None, spent, seconds, 0.0)


def convert_kept(
    directory: Path, out: Path, note: Callable[[str], None], extra: dict[str, Any], scrub: Scrub | None = None
) -> Any:
    """convert.convert, with errors that say that the recording is kept and how to go on."""
    # Only now: while it records, a recorder needs none of the libraries that match and write.
    from ..matching.spool_to_trace import convert

    try:
        return convert(directory, out, progress=note, extra=extra, scrub=scrub)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise TmemlabError(_kept(directory, f"no space left to write the trace {out}")) from None
        reason = os.strerror(error.errno or 0)
        raise TmemlabError(
            f"the trace {out} cannot be made ({reason}); what was recorded is kept in {directory}: "
            f"run tmemlab datasets recover {directory} --out ELSEWHERE"
        ) from None


def _kept(directory: Path, what: str) -> str:
    command = f"tmemlab datasets recover {directory}"
    return f"{what}; what was recorded is kept in {directory}: free space and run {command}"


def _take_back(directory: OwnDirectory) -> None:
    """Remove the directory of a recording that had nothing to record, where we made it."""
    if directory.made:
        directory.remove()


@dataclass(frozen=True)
class Task:
    """What a recording runs, and how."""

    command: list[str] | None
    memory_limit: int | None
    stdout: int | None
    drop_privileges: bool
    own_cgroup: bool


@dataclass
class Recorded:
    """How a recording went. ``ended`` is False where the half that records was killed."""

    progress: Progress
    command: Ending | None = None
    cpu_s: float = 0.0
    seconds: float = 0.0
    contents_cpu_s: float = 0.0
    ended: bool = False


def _record(
    stack: contextlib.ExitStack,
    directory: OwnDirectory,
    options: Options,
    task: Task,
    watch: Callable[[Progress], None] | None,
    ready: Callable[[], object],
) -> Recorded:
    try:
        hierarchy = cgroups.find_hierarchy()
    except KernelUnsupportedError:
        if task.memory_limit is not None or options.cgroup is not None or task.own_cgroup:
            raise
        hierarchy = None
    if hierarchy is not None and task.own_cgroup:
        stack.enter_context(within_its_own(hierarchy))
    need_room(hierarchy, options.ring_bytes)
    group = None
    if task.command and hierarchy is not None:
        group = stack.enter_context(cgroups.OwnCgroup(task.memory_limit, hierarchy))
    stopped = stack.enter_context(stop_signals())
    half = Half.start(
        lambda: SpoolWriter.into(directory), options, hierarchy, group.usage_file if group else None,
        drop=task.drop_privileges,
    )  # fmt: skip
    stack.callback(half.end)
    recording = _Recording(half, directory, stopped, watch)
    recording.wait_until_ready()
    oom_score = stack.enter_context(spared())
    ready()
    begin = time.monotonic()
    if task.command:
        recording.child = stack.enter_context(running(task.command, group, task.stdout, oom_score))
    if task.drop_privileges:
        privileges.drop(privileges.needed(directory.path))
    recording.run()
    result, child = recording.result, recording.child
    if child is not None:
        result.command = Ending(child.wait(), recording.by_recorder, group.oom_kills() if group else 0)
    result.seconds = time.monotonic() - begin
    return result


class _Recording:
    """The half of a recorder that keeps the files, the command and the signals, while the other one records."""

    def __init__(
        self, half: Half, directory: OwnDirectory, stopped: list[int], watch: Callable[[Progress], None] | None
    ) -> None:
        self.result = Recorded(Progress())
        self.child: subprocess.Popen[bytes] | None = None
        self.by_recorder = False
        self._half, self._directory, self._stopped, self._watch = half, directory, stopped, watch
        self._over = False

    def wait_until_ready(self) -> None:
        """Until the probes are attached and the first cut is made; raises what kept them from it."""
        while True:
            message = self._hear(None)
            if message is None:
                raise TmemlabError("the recorder was killed before it recorded anything: see the kernel's log")
            if message["say"] == "ready":
                return

    def run(self) -> None:
        """Until the command ends, a signal comes or the time is over; then ask for the end of the recording."""
        looked = 0.0
        while not (self._over or self._stopped or (self.child is not None and self.child.poll() is not None)):
            if self._hear(_LISTEN_SECONDS) is None:
                break
            if time.monotonic() - looked > FLUSH_SECONDS:
                self._keep_file()
                looked = time.monotonic()
        if self.child is not None and self.child.poll() is None:
            self.by_recorder = True
            self._let_end(self.child)
        self._keep_file()
        self._half.stop()
        while not self.result.ended and self._hear(None) is not None:
            pass

    def _hear(self, timeout: float | None) -> Message | None:
        """The next message, with what it means done; empty after ``timeout``; None where no more come."""
        message = self._half.hear(timeout)
        said = message.get("say") if message else None
        if message is None or said is None:
            return message
        if said == "over":
            self._over = True
        if said in ("progress", "done"):
            self.result.progress = message["progress"]
            if said == "progress" and self._watch is not None:
                self._watch(self.result.progress)
        if said == "done":
            self.result.cpu_s, self.result.contents_cpu_s = message["cpu_s"], message["contents_cpu_s"]
            self.result.ended = True
            self._half.wait()
        return message

    def _keep_file(self) -> None:
        again = file_again(self._directory)
        if again is not None:
            with contextlib.suppress(ClosedError):
                self._half.channel.send({"do": "move"}, again)
            os.close(again)

    def _let_end(self, child: "subprocess.Popen[bytes]") -> None:
        """Ask the command to end, then make it, recording all the while: what it frees belongs to the trace."""
        for act in (child.terminate, child.kill):
            if child.poll() is None:
                act()
                deadline = time.monotonic() + _PATIENCE_SECONDS
                while child.poll() is None and time.monotonic() < deadline:
                    if self._hear(_LISTEN_SECONDS) is None:
                        time.sleep(_LISTEN_SECONDS)


@contextlib.contextmanager
def within_its_own(hierarchy: cgroups.Hierarchy) -> Iterator[None]:
    """This process in a memory cgroup of its own: nobody else is charged for it."""
    before = group_of_this_process(hierarchy)
    with cgroups.OwnCgroup(None, hierarchy, "-recorder") as group:
        group.join()
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                cgroups.join(before)


@contextlib.contextmanager
def stop_signals() -> Iterator[list[int]]:
    """SIGINT, SIGTERM and SIGHUP noted in a list instead of ending the process."""
    received: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    old = {number: signal.signal(number, lambda n, _: received.append(n)) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
