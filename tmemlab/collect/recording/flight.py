"""A flight recorder: the last minutes are always on disk, and become a trace when something happens.

    OUT/recording/spool-000012.frames ...   the window, in parts (see window.py)
    OUT/2026-11-26T10:15:00Z/               a trace for each time that a trigger was met

This half keeps the files: it makes each part before it is needed, removes those that are let go of, and has
another process make a trace of a window that has ended, while the recording goes on. No trace is ever removed:
where ``max_disk`` leaves no room for another, windows go on and are not kept.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...directories import OwnDirectory
from ...errors import InvalidInputError, KernelUnsupportedError, PrivilegeError, TmemlabError, TraceError
from ...units import format_bytes, format_duration
from ..host import cgroup as cgroups
from ..host.room import need_room
from ..kernel import privileges
from ..spool import SpoolReader, SpoolWriter, new_file, parts, segment_name
from .channel import ClosedError, Message
from .command import offer_to_be_killed, spared
from .options import Options, Progress
from .recorder import Half
from .run import stop_signals, within_its_own
from .trigger import PRESSURE, Pressure
from .window import SMALLEST, Keep, keep_the_last

RECORDING = "recording"
SHARE = 6
"""A window gets this part of the room that traces leave: while its trace is made, the matched rows (three times as
much), the trace and the next window need the rest."""
_LISTEN_SECONDS = 0.1
_CONVERT = "import sys; from tmemlab.cli import main; main(['datasets', 'recover', sys.argv[1], '--json', '-'])"


@dataclass
class Kept:
    """What a flight recorder made: its traces, and how often a trigger was met without room for one."""

    traces: list[Path] = field(default_factory=list)
    failed: list[Path] = field(default_factory=list)
    """Windows of which no trace could be made: their spools are there."""
    without_room: int = 0
    seconds: float = 0.0
    progress: Progress = field(default_factory=Progress)


def watch_over(
    out: Path,
    options: Options,
    keep: Keep,
    *,
    watch: Callable[[Progress], None] | None = None,
    say: Callable[[str], None] = lambda _: None,
    ready: Callable[[], object] = lambda: None,
    own_cgroup: bool = False,
) -> Kept:
    """Keep the last ``keep.seconds`` in ``out``, and a trace of them whenever ``keep.until`` is met, until SIGINT.

    ``out`` is made or may hold earlier traces; what a recorder that was killed left there becomes a trace first.
    options.duration ends it as well. Raises PrivilegeError, KernelUnsupportedError, InvalidInputError.
    """
    if os.geteuid() != 0 or not privileges.may_trace():
        raise PrivilegeError("recording loads BPF programs, which needs root: run it with sudo")
    try:
        hierarchy = cgroups.find_hierarchy()
    except KernelUnsupportedError:
        if options.cgroup is not None or own_cgroup:
            raise
        hierarchy = None
    if any(isinstance(condition, Pressure) for condition in keep.until.conditions) and not PRESSURE.exists():
        raise KernelUnsupportedError(
            f"this kernel tells no memory pressure ({PRESSURE}): boot with psi=1, or leave psi: out of --until"
        )
    with contextlib.ExitStack() as stack:
        if hierarchy is not None and own_cgroup:
            stack.enter_context(within_its_own(hierarchy))
        need_room(hierarchy, options.ring_bytes)
        directory = stack.enter_context(_open(out))
        recorder = _Flight(directory, out, keep, watch, say)
        recorder.take_up_what_was_left()
        try:
            recorder.start(stack, options, hierarchy, ready)
            recorder.run(options.duration)
        finally:
            recorder.wind_up()
            if directory.made and not any(directory.at.iterdir()):
                directory.remove()
    return recorder.kept


def _open(out: Path) -> OwnDirectory:
    if not out.is_dir() or not any(out.iterdir()):
        return OwnDirectory.new(out)
    strange = [entry.name for entry in out.iterdir() if not (entry.name == RECORDING or _is_trace(entry))]
    if strange:
        raise InvalidInputError(
            f"{out} holds {strange[0]!r}, which no flight recorder made: name another directory, or a new one"
        )
    return OwnDirectory.existing(out)


def _is_trace(entry: Path) -> bool:
    # a converter that was killed leaves hidden ones
    return entry.is_dir() and (entry.name.startswith(".") or entry.name[:1].isdigit())


class _Flight:
    def __init__(
        self, directory: OwnDirectory, out: Path, keep: Keep, watch: Callable[[Progress], None] | None,
        say: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.kept = Kept()
        self._directory, self._out, self._keep, self._watch, self._say = directory, out, keep, watch, say
        self._converters: list[tuple[Path, subprocess.Popen[bytes]]] = []
        self._waiting: list[Path] = []
        self._half: Half | None = None
        self._recording: OwnDirectory | None = None
        self._number = 0
        self._refused = self._lacks_next = False

    def take_up_what_was_left(self) -> None:
        """A recorder that was killed, perhaps with the host, leaves a window: it is what one wants to see.

        So do windows of which no trace had been made by then.
        """
        self._waiting += [
            self._out / entry.name
            for entry in sorted(self._directory.at.iterdir())
            if entry.name[:1].isdigit() and not (entry / "manifest.json").exists() and parts(entry)
        ]
        left = self._directory.at / RECORDING
        if not left.is_dir():
            return
        with OwnDirectory.existing(left) as old:
            if not parts(old.at):
                old.remove()
                return
            reader = SpoolReader(old.at)
            if reader.is_being_written():
                raise InvalidInputError(f"{self._out} is being recorded into: end that recorder, or name another")
            try:
                created = SpoolReader.start(old.at)["created"]
            except (TraceError, LookupError):
                old.remove()
                return
            name = self._new_name(str(created))
            old.become(self._directory.at / name)
        self._say(f"a recorder was killed here: a trace of what it had goes to {self._out / name}")
        self._waiting.append(self._out / name)

    def start(
        self, stack: contextlib.ExitStack, options: Options, hierarchy: cgroups.Hierarchy | None,
        ready: Callable[[], object],
    ) -> None:  # fmt: skip
        """Until the other half records."""
        self._stopped = stack.enter_context(stop_signals())
        self._signalled = stack.enter_context(_user_signal())
        self._recording = OwnDirectory.new(self._directory.at / RECORDING)
        stack.callback(self._recording.close)
        first = new_file(self._recording, segment_name(0))
        keep, room = self._keep, self._room()
        spool = SpoolWriter(first, self._out / RECORDING)
        self._half = Half.start(
            lambda: spool, options, hierarchy, None, lambda session, orders: keep_the_last(
                keep, spool, room, session, orders
            ), drop=True, window=keep.as_json(),
        )  # fmt: skip
        os.close(first)
        stack.callback(self._half.end)
        while (message := self._hear(None)) is not None:
            if message.get("say") == "ready":
                break
        else:
            raise TmemlabError("the recorder was killed before it recorded anything: see the kernel's log")
        stack.enter_context(spared())
        privileges.drop(privileges.needed(self._out))
        self._send_next()
        ready()

    def run(self, duration: float | None) -> None:
        """Until a signal, or the time is over, or the other half dies."""
        assert self._half is not None
        begin = time.monotonic()
        while not self._stopped:
            if duration is not None and time.monotonic() - begin >= duration:
                break
            if self._hear(_LISTEN_SECONDS) is None:
                raise TmemlabError(f"the recording process was killed: what it had is in {self._out / RECORDING}")
            if self._signalled:
                self._signalled.clear()
                if self._keep.until.by_signal:
                    self._half.channel.send({"do": "trigger"})
            if self._lacks_next:
                self._send_next()
            self._convert()
        self._half.stop()
        while self._hear(None) is not None:
            pass
        self.kept.seconds = time.monotonic() - begin

    def wind_up(self) -> None:
        """Wait for the traces that are being made; remove what holds nothing."""
        while self._converters or self._waiting:
            self._convert()
            time.sleep(_LISTEN_SECONDS)
        if self._recording is not None:
            if self._recording.size(segment_name(self._number)) == 0:
                self._unlink(self._number)  # made for what would have come next
            if not parts(self._recording.at):
                self._recording.remove()

    def _hear(self, timeout: float | None) -> Message | None:
        """The next message with what it means done; empty after ``timeout``; None where no more come."""
        assert self._half is not None
        message = self._half.hear(timeout)
        said = message.get("say") if message else None
        if message is None or said is None:
            return message
        if said in ("progress", "done"):
            self.kept.progress = message["progress"]
            if said == "progress" and self._watch is not None:
                self._watch(self.kept.progress)
        elif said == "turned":
            self._send_next()
        elif said == "dropped":
            self._unlink(message["part"])
        elif said == "met":
            self._say(f"{message['why']}: keeping the last {format_duration(self._keep.seconds)}")
        elif said == "window":
            self._keep_window(message["parts"], message["trigger"])
        return message

    def _send_next(self) -> None:
        assert self._half is not None and self._recording is not None
        self._lacks_next = True
        try:
            self._recording.again()  # somebody removed it
            descriptor = new_file(self._recording, segment_name(self._number + 1))
        except OSError:
            return  # no room on the disk, not even for a name: later
        self._number += 1
        self._lacks_next = False
        message = {"do": "next", "number": self._number, "bytes": self._room()}
        with contextlib.suppress(ClosedError):
            self._half.channel.send(message, descriptor)
        os.close(descriptor)

    def _unlink(self, number: int) -> None:
        assert self._recording is not None
        self._recording.unlink(segment_name(number))

    def _room(self) -> int:
        """Bytes for a window: a share of what finished traces leave."""
        traces = 0
        for entry in self._directory.at.iterdir():
            with contextlib.suppress(OSError):  # moved away meanwhile
                if entry.name != RECORDING:
                    traces += sum(file.stat().st_blocks * 512 for file in entry.iterdir())
        self._refused = self._keep.max_disk - traces < SHARE * SMALLEST
        return max(SMALLEST, (self._keep.max_disk - traces) // SHARE)

    def _keep_window(self, numbers: list[int], trigger: str) -> None:
        """Give the parts of a window a directory of their own, and have a trace made of them."""
        assert self._recording is not None
        self._room()
        if self._refused:
            self.kept.without_room += 1
            for number in numbers:
                self._unlink(number)
            self._say(
                f"{trigger}: not kept, the traces in {self._out} leave no room below --max-disk "
                f"{format_bytes(self._keep.max_disk)}: move some away"
            )
            return
        name = self._new_name(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        try:
            with OwnDirectory.new(self._directory.at / name) as window:
                for number in numbers:
                    with contextlib.suppress(FileNotFoundError):  # somebody removed it
                        self._recording.move(segment_name(number), window)
                window.flush()
        except (OSError, InvalidInputError) as error:
            self._say(f"{trigger}: not kept, {self._out / name} cannot be made ({error})")
            for number in numbers:
                self._unlink(number)
            return
        self._waiting.append(self._out / name)

    def _new_name(self, time_text: str) -> str:
        names = [time_text, *(f"{time_text}-{number}" for number in range(2, 1000))]
        return next(name for name in names if not os.path.lexists(self._directory.at / name))

    def _convert(self) -> None:
        """One trace at a time is made, by a process that may be slow and may be killed."""
        for path, process in list(self._converters):
            if process.poll() is not None:
                self._converters.remove((path, process))
                self._converted(path, process.returncode)
        if self._waiting and not self._converters:
            path = self._waiting.pop(0)
            self._converters.append((path, self._start_converter(path)))

    def _start_converter(self, path: Path) -> "subprocess.Popen[bytes]":
        def modest() -> None:
            os.nice(19)
            offer_to_be_killed()

        return subprocess.Popen(
            [sys.executable, "-c", _CONVERT, str(path)], preexec_fn=modest, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def _converted(self, path: Path, code: int) -> None:
        if code:
            self.kept.failed.append(path)
            self._say(f"no trace could be made in {path}: run tmemlab datasets recover {path}")
        else:
            self.kept.traces.append(path)
            self._say(f"{path}: a trace")


@contextlib.contextmanager
def _user_signal() -> Iterator[list[int]]:
    received: list[int] = []
    old = signal.signal(signal.SIGUSR1, lambda n, _: received.append(n))
    try:
        yield received
    finally:
        signal.signal(signal.SIGUSR1, old)


def document(kept: Kept, out: Path) -> dict[str, Any]:
    """What was kept, as tmemlab.collect-window/1."""
    return {
        "schema": "tmemlab.collect-window/1",
        "path": str(out),
        "seconds": kept.seconds,
        "traces": [str(path) for path in kept.traces],
        "failed": [str(path) for path in kept.failed],
        "without_room": kept.without_room,
        "dropped": kept.progress.dropped,
    }
