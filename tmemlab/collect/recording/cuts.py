"""Cuts: instants at which the recorder's counts and the kernel's are known to agree.

A recording is compared with /proc/vmstat over an interval, to the last event, with the host's traffic going on.
The two ends of that interval are cuts. At a cut the recorder reads vmstat, changes the phase that every record is
stamped with, and reads vmstat again. Where both readings are the same no page was swapped in between, so the
records of the older phase are exactly those that the reading counts; else it tries again, swapping being bursty.
The phase is stamped where the kernel's counter moves, not where the record is finished, so a store that is half
done belongs to the side on which the kernel counted it. Function probes stamp it where an operation begins, and a
cut is exact only when none is under way. Records outside of the two cuts stay out of the trace.

A cut that never meets a quiet instant takes the narrowest one and says how many pages it is unsure about.
"""

import mmap
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..host.samples import Vmstat
from ..records import NAMES

ATTEMPTS = 120
"""A cut may take this many phases; a record has a byte for its phase, and a recording makes two cuts."""

PATIENCE_SECONDS = 3.0
"""How long a cut looks for a quiet instant."""


@dataclass(frozen=True)
class Cut:
    """One end of the compared interval: records with a phase of at least ``phase`` come after it.

    Phases are counted on beyond the byte that records carry of them.
    """

    phase: int
    vmstat: dict[str, int]
    dropped: dict[str, int]
    outside: dict[str, int]
    unsure: int
    """Pages swapped between the two readings: 0 where the cut is exact."""


class Counters:
    """The counter and control maps of the programs, mapped."""

    def __init__(self, counters_fd: int, control_fd: int, cpus: int) -> None:
        rows = 4 * len(NAMES)
        length = -(-cpus * rows * 8 // mmap.PAGESIZE) * mmap.PAGESIZE
        self._map = mmap.mmap(counters_fd, length, mmap.MAP_SHARED, mmap.PROT_READ)
        self._cells: npt.NDArray[Any] = np.frombuffer(self._map, np.uint64, cpus * rows)
        self._cells = self._cells.reshape(cpus, 4, len(NAMES))
        self._control_map = mmap.mmap(control_fd, mmap.PAGESIZE, mmap.MAP_SHARED)
        self._control = np.frombuffer(self._control_map, np.uint64, 2)
        self.phase = 0
        """How often a phase has begun; records carry its low byte."""

    def read(self) -> npt.NDArray[Any]:
        """Pages by (seen, dropped, outside, under way) and name, summed over CPUs."""
        total: npt.NDArray[Any] = self._cells.sum(axis=0)
        return total

    def dropped(self) -> int:
        """Records lost so far for want of room, in pages."""
        return int(self._cells[:, 1].sum())

    def seen(self) -> int:
        """Pages swapped in or out so far."""
        return int(self._cells[:, 0].sum())

    def begun(self) -> int:
        """Operations whose beginning was seen by function probes."""
        return int(self._cells[:, 3, 0].sum())

    def ended(self) -> int:
        """Those of them whose end was seen as well."""
        return int(self._cells[:, 3, 1].sum())

    def look_at(self, share: float) -> None:
        """Sample the contents of this share of stores."""
        self._control[1] = int(min(max(share, 0.0), 1.0) * 2**32)

    def stores(self) -> int:
        """Pages swapped out by reclaim so far, about."""
        seen = self._cells[:, 0].sum(axis=0)
        return int(seen[NAMES.index("pswpout")] + seen[NAMES.index("zswpout")] + seen[NAMES.index("other")])

    def next_phase(self) -> int:
        """Begin the next phase and return its number."""
        self.phase += 1
        self._control[0] = self.phase & 0xFF
        return self.phase


def cut(
    counters: Counters,
    vmstat: Vmstat,
    attempts: int = ATTEMPTS,
    patience: float = PATIENCE_SECONDS,
    *,
    frugal: bool = False,
) -> Cut:
    """Make a cut, trying so often, for at most ``patience`` seconds, to find an exact one.

    frugal: take a phase only when two readings in a row were the same: swapping comes in bursts, so does quiet.
    """
    best: Cut | None = None
    deadline = time.monotonic() + patience
    for attempt in range(attempts):
        while frugal and time.monotonic() < deadline and _moves(vmstat):
            time.sleep(0.0002)
        ended = counters.ended()
        before = vmstat.read()
        cells = counters.read()
        phase = counters.next_phase()
        begun = counters.begun()
        after = vmstat.read()
        first, second = vmstat.parse(before), vmstat.parse(after)
        # An operation that began before the phase did and had not ended may have been counted on either side.
        unsure = sum(second[name] - first[name] for name in first) + max(begun - ended, 0)
        if best is None or unsure < best.unsure:
            by_name = [dict(zip(NAMES, map(int, row), strict=True)) for row in cells]
            best = Cut(phase, first, by_name[1], by_name[2], unsure)
        if unsure == 0 or time.monotonic() > deadline:
            break
        # Reclaim works in bursts of 32 pages and faults wait for devices: step off the beat.
        time.sleep(0.0002 * (1 + attempt % 7))
    assert best is not None
    return best


def _moves(vmstat: Vmstat) -> bool:
    return vmstat.parse(vmstat.read()) != vmstat.parse(vmstat.read())
