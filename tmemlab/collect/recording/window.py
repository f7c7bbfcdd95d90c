"""The last minutes, always on disk: what a flight recorder's recording half does.

A window is made of parts. Each begins with a cut and can stand alone as a spool, so the oldest may go at any time;
an eighth of the window's time, or of its room, makes a part. When a trigger is met the recording goes on for a
while, then a cut ends this window and begins the next: no instant is lost between the two.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from ..spool import SpoolWriter
from .cuts import ATTEMPTS
from .options import Progress
from .recorder import Orders
from .session import End, Session
from .trigger import Trigger

PARTS = 8
_PHASES, _TURN_PHASES, _TURN_LEAST = 205, 130, 6
"""Phases that a window may take, all its parts together, the cuts between them about, and each of these at least.

Records have a byte for their phase, and those that were half done at the first cut carry older ones."""
_SETTLE_SECONDS = 1.0
"""How long a window that has ended goes on taking records of what was half done at its end."""
SMALLEST = 1 << 20


@dataclass(frozen=True)
class Keep:
    """What a flight recorder keeps: at least the last ``seconds``, and ``after`` more once ``until`` is met."""

    seconds: float
    after: float
    until: Trigger
    max_disk: int
    """Bytes that everything in the output directory may take, traces included."""

    def as_json(self) -> dict[str, Any]:
        """For the documents of a spool."""
        return {"keep_s": self.seconds, "after_s": self.after, "until": self.until.text}


@dataclass
class _Written:
    number: int
    spool: SpoolWriter
    began: float
    phase: int
    """Of the cut that it begins with."""


class Window:
    """The parts on disk, oldest first, the last of them being written."""

    def __init__(self, session: Session, orders: Orders, spool: SpoolWriter, keep: Keep, room: int) -> None:
        self._session, self._orders, self._keep = session, orders, keep
        self._parts: deque[_Written] = deque([_Written(0, spool, time.monotonic(), 0)])
        self._room = room
        self._spool = spool
        spool.on_full = self._make_room

    def is_due(self) -> bool:
        """Whether the part that is written has become large or old enough, and there is another to write to."""
        part = self._parts[-1]
        old = time.monotonic() - part.began >= self._keep.seconds / PARTS
        return (old or part.spool.bytes_written >= self._room // (PARTS + 1)) and self._orders.next is not None

    def is_full(self) -> bool:
        """Whether all of the room is taken."""
        return sum(part.spool.bytes_written for part in self._parts) >= self._room

    def turn(self) -> None:
        """Begin the next part, and let go of what is older than asked for or has no room."""
        self._turn(max(_TURN_LEAST, (_TURN_PHASES - self._phases()) // 3), ends=False)
        self._drop_old()

    def _phases(self) -> int:
        return self._session.phase - self._parts[0].phase

    def _turn(self, attempts: int, *, ends: bool) -> End:
        turned = self._session.turn(self._next(), attempts, ends=ends)
        self._parts[-1].phase = turned.cut.phase
        return turned

    def _drop_old(self) -> None:
        now = time.monotonic()
        while len(self._parts) > 1 and (
            now - self._parts[1].began >= self._keep.seconds
            or sum(part.spool.bytes_written for part in self._parts) > self._room * PARTS // (PARTS + 1)
        ):
            self._drop()

    def go_on(self, seconds: float, watch: Callable[[Progress], None]) -> None:
        """Record so much longer, as far as there is room, and until there is a file for the next window."""
        enough, heard = time.monotonic() + seconds, self._orders.heard
        self._session.run(lambda: heard() or self.is_full() or time.monotonic() > enough, watch)
        self._session.run(lambda: heard() or self._orders.next is not None, watch)

    def close(self, kept: dict[str, Any]) -> None:
        """End this window with what is said of it, and hand its parts over; the next has begun."""
        before = list(self._parts)
        turned = self._turn(min(ATTEMPTS, _PHASES - self._phases()), ends=True)
        self._parts = deque([self._parts[-1]])
        settled = time.monotonic() + _SETTLE_SECONDS
        self._session.run(lambda: time.monotonic() > settled)
        self._session.end(turned, kept)
        for part in before:
            part.spool.close()
        numbers = [part.number for part in before]
        self._orders.channel.send({"say": "window", "parts": numbers, "trigger": kept["trigger"]})

    def _next(self) -> SpoolWriter:
        assert self._orders.next is not None
        descriptor, number, self._room = self._orders.next
        self._orders.next = None
        self._orders.channel.send({"say": "turned"})
        spool = SpoolWriter(descriptor, self._parts[-1].spool.path, self._make_room)
        self._parts.append(_Written(number, spool, time.monotonic(), 0))
        return spool

    def _make_room(self) -> bool:
        """The disk is full: the oldest part goes, as long as there is an older one than that being written."""
        if len(self._parts) < 2:
            return False
        self._drop()
        return True

    def _drop(self) -> None:
        part = self._parts.popleft()
        part.spool.give_up()
        self._orders.channel.send({"say": "dropped", "part": part.number})

    def numbers(self) -> list[int]:
        """Of the parts on disk."""
        return [part.number for part in self._parts]


def keep_the_last(keep: Keep, spool: SpoolWriter, room: int, session: Session, orders: Orders) -> dict[str, Any]:
    """Record windows until told to stop; what the last END says. A body for recorder.Half."""
    window = Window(session, orders, spool, keep, room)
    met: list[str] = []

    def watch(progress: Progress) -> None:
        progress.seconds = time.monotonic() - begin
        orders.channel.send({"say": "progress", "progress": asdict(progress)}, wait=False)
        why = keep.until.met(progress)
        if why is not None or orders.triggered:
            met.append(why or "signal")
            orders.triggered = False

    begin = time.monotonic()
    while not orders.heard():
        session.run(lambda: orders.heard() or bool(met) or window.is_due(), watch)
        if met and not orders.stop:
            kept = {"trigger": met[0], "at_ns": time.monotonic_ns()}
            orders.channel.send({"say": "met", "why": met[0]})
            window.go_on(keep.after, watch)
            if orders.stop:
                return _last(window, orders, kept)
            window.close(kept)
            met.clear()
        elif window.is_due() and not orders.stop:
            window.turn()
    return _last(window, orders, {"trigger": "stopped", "at_ns": time.monotonic_ns()})


def _last(window: Window, orders: Orders, kept: dict[str, Any]) -> dict[str, Any]:
    orders.channel.send({"say": "window", "parts": window.numbers(), "trigger": kept["trigger"]})
    return kept
