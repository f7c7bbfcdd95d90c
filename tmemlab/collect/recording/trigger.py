"""What makes a flight recorder keep what it has: an OOM kill, memory pressure, a signal.

>>> Trigger.parse("oom,psi:some>40%/10s").conditions[1].share
0.4
"""

import re
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import InvalidInputError
from ...units import parse_duration, parse_share, shown
from ..host.samples import CounterFile
from .options import Progress

PRESSURE = Path("/proc/pressure/memory")
_HELP = "give oom, psi:some>40%/10s, psi:full>10%/5s, signal or never, or several with commas between"
_PSI = re.compile(r"psi:(some|full)>([^/]+)/(.+)")
_OOM_KILL = re.compile(rb"^oom_kill (\d+)$", re.MULTILINE)


@dataclass
class Pressure:
    """Tasks stalled for memory for more than ``share`` of the last ``seconds`` [/proc/pressure/memory]."""

    text: str
    kind: str
    share: float
    seconds: float
    _seen: deque[tuple[float, int]] = field(default_factory=deque)
    _armed: bool = True

    def __str__(self) -> str:
        return self.text

    def met(self, progress: Progress) -> bool:
        """Once for each time that it goes above: pressure that stays is the same event."""
        stalled = progress.sample.get(f"psi_{self.kind}_us")
        if stalled is None:
            return False
        now = progress.seconds
        self._seen.append((now, stalled))
        while len(self._seen) > 1 and now - self._seen[1][0] >= self.seconds:
            self._seen.popleft()
        begin, before = self._seen[0]
        above = now - begin >= self.seconds and (stalled - before) / 1e6 > self.share * (now - begin)
        met = above and self._armed
        self._armed = not above
        return met


class OomKill:
    """The kernel killed a process for want of memory, the host's or a memory cgroup's [vmstat's oom_kill]."""

    def __init__(self) -> None:
        self._vmstat: CounterFile | None = None
        self._kills = 0

    def __str__(self) -> str:
        return "oom"

    def met(self, progress: Progress) -> bool:
        """Whether there were more kills since the last look; the first look only counts."""
        del progress
        first = self._vmstat is None
        self._vmstat = self._vmstat or CounterFile("/proc/vmstat")
        found = _OOM_KILL.search(self._vmstat.read())
        before, self._kills = self._kills, int(found[1]) if found else 0
        return not first and self._kills > before


@dataclass(frozen=True)
class Trigger:
    """Any of ``conditions``, and SIGUSR1 where ``by_signal``; ``text`` is how it was asked for."""

    text: str
    conditions: tuple[Pressure | OomKill, ...]
    by_signal: bool

    @classmethod
    def parse(cls, text: str) -> "Trigger":
        """InvalidInputError where it is no trigger."""
        conditions: list[Pressure | OomKill] = []
        words = [word.strip() for word in text.split(",")]
        for word in words:
            if word == "oom":
                conditions.append(OomKill())
            elif matched := _PSI.fullmatch(word):
                share, seconds = parse_share(matched[2]), parse_duration(matched[3])
                if not 0 < share < 1 or not 0.5 <= seconds <= 3600:
                    raise InvalidInputError(
                        f"{shown(word)} asks for nothing that happens: give a share between 0 and 100 % "
                        "and a time between 0.5s and 1h"
                    )
                conditions.append(Pressure(word, matched[1], share, seconds))
            elif word not in ("signal", "never"):
                raise InvalidInputError(f"{shown(word)} is no trigger: {_HELP}")
        if "never" in words and len(words) > 1:
            raise InvalidInputError(f"never goes with nothing else: {_HELP}")
        return cls(text, tuple(conditions), "signal" in words)

    def met(self, progress: Progress) -> str | None:
        """The first condition that is met; all are looked at."""
        found = [str(condition) for condition in self.conditions if condition.met(progress)]
        return found[0] if found else None
