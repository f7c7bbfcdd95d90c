"""room(f): the largest pool that gives nothing back with which a storm of f of RAM is survived.

The pool is full: as large as its limit, it rejects what it is asked to store, and pages go to the disk. A limit
that the pool does not reach, in the storm either, hurts nobody; room is what is safe whatever the pool holds.
It depends on the host at that moment alone, and the host changes with each sample of its memory.

To first order room is free memory without the pool, page cache and what anonymous memory can be swapped out,
less the min watermark and f x RAM. That tells in which sample of a window a storm comes at the worst moment.
There the storm itself (scores/storm.py) is run, with pools of different sizes, until room is known to
:data:`TOLERANCE` pages; the other samples of the window have the first order's difference from it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ...datasets.trace.schema import Where
from ...policies.bounds.none import NoPool
from ...world.host import Host
from ...world.reclaim import follow_sample
from ..inputs.columns import Columns
from ..loops.choose import Run
from ..loops.state import State
from ..scores.row import StormPlan
from ..scores.storm import BATCH, DEMAND
from ..scores.storming import Storms, most_anonymous

TOLERANCE = 4
"""Pages: with room itself the storm is survived, with so many more it is not."""
NO_ROOM = -1
"""Without any pool the storm is not survived either."""


def first_order(host: Host, fraction: float) -> npt.NDArray[np.int64]:
    """(samples,): room in pages, to first order; below 0 where there is none."""
    _, free, file, slots = host.balance.T
    swappable = np.minimum(host.anonymous, slots)
    return np.asarray(free + file + swappable - host.watermark_min - int(fraction * host.ram), np.int64)


class FullPool:
    """Storms of one size against a pool that is full and gives nothing back; not to be shared by threads."""

    def __init__(self, columns: Columns, host: Host, fraction: float) -> None:
        unknown = np.full(1, int(Where.UNKNOWN), np.uint8)
        alone = replace(columns, pages=1, cgroup_of_page=np.zeros(1, np.uint16), first_seen_in=unknown)
        most = most_anonymous(columns, host, None)
        policy, future = NoPool(), np.zeros(0, np.int64)
        state = State.at_start(alone, host, policy, most)
        self._run = Run(alone, host, policy, state, future, keep_found=False)
        self._storms = Storms(self._run, host.balance[:, 0], most, StormPlan(1, fraction), None, None)
        self._host, self._wanted = host, int(fraction * host.ram)

    def strike(self, sample: int, pool_pages: int) -> tuple[int, int]:
        """A storm that begins with this sample of the host's memory: pages that it is given, and how many ns it
        takes, until that is all of RAM or the kernel kills.
        """
        world = self._run.state.world
        follow_sample(world, *self._host.balance[sample, 1:].tolist())
        world.host.pool_pages = pool_pages
        self._storms.strike(sample, None)
        lasted = int(self._storms.world.host.now - self._host.balance[sample, 0])
        return int(self._storms.outcomes[sample, DEMAND]), lasted

    def survives(self, sample: int, pool_pages: int) -> bool:
        """Whether f of RAM is given before the kernel kills."""
        return self.strike(sample, pool_pages)[0] >= self._wanted

    def room(self, sample: int, guess: int) -> int:
        """Pages, or NO_ROOM; ``guess`` is where to look first."""
        if not self.survives(sample, 0):
            return NO_ROOM
        return largest_with(lambda pages: self.survives(sample, pages), guess, TOLERANCE)


def survivable(columns: Columns, host: Host, fraction: float) -> float:
    """The share of RAM that a storm is given at the worst moment for one of ``fraction``, if there is no pool."""
    met = host.balance[:, 0] <= int(columns.t[-1])
    met[0] = True
    worst = int(np.where(met, first_order(host, fraction), np.iinfo(np.int64).max).argmin())
    return min(FullPool(columns, host, fraction).strike(worst, 0)[0] / host.ram, 1.0)


def largest_with(holds: Callable[[int], bool], guess: int, tolerance: int) -> int:
    """The largest number, to ``tolerance``, for which ``holds``, which does for 0 and for all below that one."""
    low, step = 0, BATCH
    high = max(guess, 1)
    while holds(high):  # upwards from the guess
        low, high, step = high, high + step, 2 * step
    while high - low > step and not holds(high - step):  # downwards from it
        high, step = high - step, 2 * step
    low = max(low, high - step)
    while high - low > tolerance:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


@dataclass(frozen=True)
class Room:
    """How much may stay in the pool, by sample of the host's memory."""

    t: npt.NDArray[np.int64]
    """(samples,): ns; the first one holds before its time as well."""
    pages: npt.NDArray[np.int64]
    """(samples,): NO_ROOM where not even no pool survives."""

    def sample_at(self, moments: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The sample that is in force at each moment (ns)."""
        return sample_at(self.t, moments)

    def at(self, moments: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Pages at each moment."""
        return self.pages[self.sample_at(moments)]


def sample_at(t: npt.NDArray[np.int64], moments: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The number of the last of the samples at ``t`` that is not after each moment; else of the first one."""
    return np.maximum(np.searchsorted(t, moments, "right") - 1, 0)


def samples_of(t: npt.NDArray[np.int64], edges: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """For each window between two edges the samples that are in force in it."""
    first, last = sample_at(t, edges[:-1]), sample_at(t, edges[1:] - 1)
    return [np.arange(a, b + 1) for a, b in zip(first, last, strict=True)]


Work = Callable[[list[int]], list[int]]
"""What gives a number for each of some samples."""


def measure_room(
    columns: Columns,
    host: Host,
    fraction: float,
    edges: npt.NDArray[np.int64],
    each: Callable[[Work, list[int]], list[int]] = lambda work, items: work(items),
) -> Room:
    """Room over a trace, exact at the worst moment of each window between two ``edges`` (ns).

    each: runs a function that takes samples over parts of them, in threads for instance, and joins what it
    gives.
    """
    t, guess = host.balance[:, 0], first_order(host, fraction)
    windows = samples_of(t, edges)
    worst = [int(samples[guess[samples].argmin()]) for samples in windows]

    def bisect(samples: list[int]) -> list[int]:
        pool = FullPool(columns, host, fraction)
        return [pool.room(sample, int(guess[sample])) for sample in samples]

    asked = sorted(set(worst))
    found = dict(zip(asked, each(bisect, asked), strict=True))
    pages = np.full(len(t), np.iinfo(np.int64).max, np.int64)
    for samples, at in zip(windows, worst, strict=True):
        off = 0 if found[at] == NO_ROOM else found[at] - guess[at]
        shifted = np.where(guess[samples] + off < 0, NO_ROOM, guess[samples] + off)
        # A sample in force on both sides of an edge has the smaller of the two, unless it was asked.
        pages[samples] = np.minimum(pages[samples], shifted)
    pages[asked] = [found[sample] for sample in asked]
    pages[pages == np.iinfo(np.int64).max] = NO_ROOM  # before the first edge or after the last one
    return Room(t, pages)
