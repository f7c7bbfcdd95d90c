"""Recording from beginning to end: the output directory, the command, the signals, the conversion."""

import contextlib
import errno
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...directories import OwnDirectory
from ...errors import CommandError, InvalidInputError, KernelUnsupportedError, PrivilegeError, TmemlabError
from ..host import cgroup as cgroups
from ..kernel import privileges
from ..spool import SPOOL_NAME, Scrub, SpoolFullError
from .command import Ending, find, running, spared
from .counters import record_counters
from .session import Options, Progress, Session

_PATIENCE_SECONDS = 10.0
"""How long a command may take to end after SIGTERM before it is killed."""


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
) -> Outcome:
    """Record into ``out`` until the duration is over, the command ends, or SIGINT or SIGTERM arrives.

    A command runs in a memory cgroup of its own, limited to ``memory_limit`` bytes. ``counters_only`` samples what
    anyone may read. ``drop_privileges`` leaves the calling thread without them, for good. Raises PrivilegeError,
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
    task = Task(command, memory_limit, command_stdout, drop_privileges)
    with OwnDirectory.new(out) as directory:
        try:
            with contextlib.ExitStack() as stack:
                session, ending, cpu, seconds = _record(stack, directory, options, task, watch, ready)
        except CommandError:
            directory.unlink(SPOOL_NAME)
            _take_back(directory)
            raise
        except SpoolFullError as error:
            raise TmemlabError(_kept(out, f"{error}: the recording stopped")) from None
        except BaseException:
            if directory.size(SPOOL_NAME) is None:
                _take_back(directory)
            raise
    extra: dict[str, Any] = {"provenance": provenance or {}, "license": trace_license}
    if command:
        extra["command"] = {"argv": command, "memory_limit": memory_limit, **(ending.as_json() if ending else {})}
    manifest = convert_kept(out, out, note, extra, scrub)
    return Outcome(out, manifest, session.progress, ending, cpu, seconds, session.contents_cpu_s)


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
    with OwnDirectory.new(out) as directory, _stop_signals() as stopped:
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


def _record(
    stack: contextlib.ExitStack,
    directory: OwnDirectory,
    options: Options,
    task: Task,
    watch: Callable[[Progress], None] | None,
    ready: Callable[[], object],
) -> tuple[Session, Ending | None, float, float]:
    try:
        hierarchy = cgroups.find_hierarchy()
    except KernelUnsupportedError:
        if task.memory_limit is not None or options.cgroup is not None:
            raise
        hierarchy = None
    group = None
    if task.command and hierarchy is not None:
        group = stack.enter_context(cgroups.OwnCgroup(task.memory_limit, hierarchy))
    stopped = stack.enter_context(_stop_signals())
    session = Session(directory, options, hierarchy)
    session.usage_file = group.usage_file if group else None
    stack.enter_context(session)
    oom_score = stack.enter_context(spared())
    ready()
    begin, cpu = time.monotonic(), time.process_time()
    child = stack.enter_context(running(task.command, group, task.stdout, oom_score)) if task.command else None
    if task.drop_privileges:
        privileges.drop(privileges.needed(directory.path))
    session.run(lambda: bool(stopped) or (child is not None and child.poll() is not None), watch)
    ending = None
    if child is not None:
        by_recorder = child.poll() is None
        _let_end(child, session, watch)
        ending = Ending(child.wait(), by_recorder, group.oom_kills() if group else 0)
    session.finish()
    return session, ending, time.process_time() - cpu, time.monotonic() - begin


@contextlib.contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """SIGINT, SIGTERM and SIGHUP noted in a list instead of ending the process."""
    received: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    old = {number: signal.signal(number, lambda n, _: received.append(n)) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _let_end(child: "subprocess.Popen[bytes]", session: Session, watch: Callable[[Progress], None] | None) -> None:
    """Ask the command to end, then make it, recording all the while: what it frees belongs to the trace."""
    for act in (child.terminate, child.kill):
        if child.poll() is None:
            act()
            deadline = time.monotonic() + _PATIENCE_SECONDS
            session.options = replace(session.options, duration=None, max_bytes=None)
            session.run(lambda: child.poll() is not None or time.monotonic() > deadline, watch)  # noqa: B023
