"""The half of a recorder that sees the kernel: attached as root, and from then on nobody who can do anything.

It is a process of its own. Once its probes are attached it is another user, with no capability and no way to get
one: what it needs is memory that it has mapped and descriptors that were opened before. Names, other processes
and privileges are the business of the half that started it (run.py), which reads nothing of the kernel and hears
of it as JSON (Provos, Friedl and Honeyman, Preventing privilege escalation, USENIX Security 2003).
"""

import contextlib
import ctypes
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from ...datasets.trace.typedjson import decode
from ...errors import InvalidInputError, KernelUnsupportedError, PrivilegeError, TmemlabError, TraceError
from ..host import cgroup as cgroups
from ..kernel import privileges
from ..spool import SpoolFullError, SpoolWriter
from .channel import Channel, ClosedError, Message
from .command import spared
from .options import Options, Progress
from .session import Session

_ERRORS: dict[str, type[TmemlabError]] = {
    kind.__name__: kind
    for kind in (TmemlabError, InvalidInputError, KernelUnsupportedError, PrivilegeError, SpoolFullError)
}
_SHAPES: dict[str, dict[str, Any]] = {
    "ready": {}, "over": {}, "turned": {},
    "progress": {"progress": Progress},
    "done": {"progress": Progress, "cpu_s": float, "seconds": float, "contents_cpu_s": float},
    "failed": {"class": str, "message": str},
    "met": {"why": str}, "dropped": {"part": int}, "window": {"parts": list[int], "trigger": str},
}  # fmt: skip
"""What this process may say, and what each of it carries."""
_PR_SET_PDEATHSIG = 1
_LONGEST = 20_000


class Orders:
    """What the other half has said, heard whenever the recording looks."""

    def __init__(self, channel: Channel, session: Session) -> None:
        self.channel = channel
        self.stop = False
        self.triggered = False
        self.next: tuple[int, int, int] | None = None
        """Descriptor and number of the part to write next, and bytes that all parts may take."""
        self._session = session

    def heard(self) -> bool:
        """Take in what was said; whether to stop. Without the other half there is nobody to record for."""
        try:
            while (got := self.channel.receive(0)) is not None:
                self._take(*got)
        except ClosedError:
            self.stop = True
        return self.stop

    def _take(self, message: Message, descriptor: int | None) -> None:
        if message["do"] == "stop":
            self.stop = True
        elif message["do"] == "trigger":
            self.triggered = True
        elif message["do"] == "move" and descriptor is not None:
            self._session.move(descriptor)
        elif message["do"] == "next" and descriptor is not None:
            self.next = descriptor, message["number"], message["bytes"]


Body = Callable[[Session, Orders], dict[str, Any] | None]
"""Records until it is told to stop; what the last END document says of a window."""


def record_until_told(session: Session, orders: Orders) -> None:
    """Record until told to stop. A recording whose time or size is over says so, and goes on until then."""

    def watch(progress: Progress) -> None:
        orders.channel.send({"say": "progress", "progress": asdict(progress)}, wait=False)

    session.run(orders.heard, watch)
    if not orders.stop:
        orders.channel.send({"say": "over"})
        session.record_on()
        session.run(orders.heard, watch)


class Half:
    """The recording process, as the process that started it sees it."""

    def __init__(self, pid: int, channel: Channel) -> None:
        self.pid, self.channel = pid, channel
        self._waited = False

    @classmethod
    def start(
        cls,
        spool: Callable[[], SpoolWriter],
        options: Options,
        hierarchy: cgroups.Hierarchy | None,
        usage_file: Path | None,
        body: Body = record_until_told,
        *,
        drop: bool,
        window: dict[str, Any] | None = None,
    ) -> "Half":
        """Fork it. It says ``ready`` once it records, ``done`` with its result, or ``failed``.

        drop: give up privileges. window: what a flight recorder's documents say of it.
        """
        ours, theirs = Channel.pair()
        parent = os.getpid()
        sys.stdout.flush()
        pid = os.fork()
        if not pid:
            ours.close()
            _main(theirs, parent, lambda: Session(spool(), options, hierarchy), usage_file, body, drop, window)
        theirs.close()
        return cls(pid, ours)

    def hear(self, timeout: float | None) -> Message | None:
        """The next message; empty after ``timeout`` seconds, None where no more come. ``failed`` is raised.

        TmemlabError for a message that is none of :data:`_SHAPES`: nothing that it says is believed.
        """
        try:
            got = self.channel.receive(timeout)
        except ClosedError:
            self.wait()
            return None
        if got is None:
            return {}
        message, descriptor = got
        if descriptor is not None:
            os.close(descriptor)  # it has none to give
        message = _believed(message)
        if message["say"] == "failed":
            self.wait()
            kind = _ERRORS.get(message["class"])
            raise kind(message["message"]) if kind else RuntimeError(message["message"])
        return message

    def stop(self) -> None:
        """Ask it to finish."""
        with contextlib.suppress(ClosedError):
            self.channel.send({"do": "stop"})

    def wait(self) -> None:
        """Once it has said its last: until it is gone."""
        if not self._waited:
            os.waitpid(self.pid, 0)
            self._waited = True

    def end(self) -> None:
        """Make sure that it is gone."""
        self.channel.close()
        if not self._waited:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self.wait()


def _believed(message: Message) -> Message:
    """The message, with what its kind has and nothing else; ``progress`` as an object."""
    try:
        kind = decode(str, message.get("say"), "say")
        shape = _SHAPES[kind]
        return {"say": kind} | {name: decode(each, message.get(name), name) for name, each in shape.items()}
    except (TraceError, LookupError):
        raise TmemlabError(
            "the recording process says what makes no sense: it was tampered with; what it had is kept"
        ) from None


def _main(
    channel: Channel, parent: int, make: Callable[[], Session], usage_file: Path | None, body: Body, drop: bool,
    window: dict[str, Any] | None,
) -> NoReturn:  # fmt: skip
    code = 1
    try:
        # Whether to stop is the other half's decision, also where a terminal sends Ctrl-C to both.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(-1)
        # Nor has it a terminal that it could type into.
        os.setsid()
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        _record(channel, parent, make(), usage_file, body, drop, window)
        code = 0
    except TmemlabError as error:
        known = type(error) if type(error).__name__ in _ERRORS else TmemlabError
        _say_failed(channel, known.__name__, str(error))
    except ClosedError:
        pass
    except BaseException:
        _say_failed(channel, "", traceback.format_exc()[-_LONGEST:])
    finally:
        os._exit(code)


def _say_failed(channel: Channel, kind: str, message: str) -> None:
    with contextlib.suppress(ClosedError):
        channel.send({"say": "failed", "class": kind, "message": message})


def _record(
    channel: Channel, parent: int, session: Session, usage_file: Path | None, body: Body, drop: bool,
    window: dict[str, Any] | None,
) -> None:  # fmt: skip
    session.usage_file, session.window = usage_file, window
    with session, spared():
        if drop:
            privileges.become_nobody()
        _die_with(parent)
        begin, cpu = time.monotonic(), time.process_time()
        channel.send({"say": "ready"})
        orders = Orders(channel, session)
        kept = body(session, orders)
        session.finish(kept)
        channel.send({
            "say": "done",
            "progress": asdict(session.progress),
            "cpu_s": time.process_time() - cpu,
            "seconds": time.monotonic() - begin,
            "contents_cpu_s": session.contents_cpu_s,
        })  # fmt: skip


def _die_with(parent: int) -> None:
    """Never outlive the half that has the command and the files. To be asked for after becoming another user."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
