"""The band between need and room, window by window, and what must be given back where there is none.

Where need is at most room every size between the two is right. Where it is more no size is: a pool that keeps
the hits is too large to survive a storm. It is right only if it gives the difference back in the time that the
storm takes until the kernel would kill: the least release rate.

Need and room are compared in steps much finer than a window, so that a window is in conflict only where both
are true at once. A window's need is its peak, its room the smallest.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...datasets.trace.schema import Op
from ...errors import InvalidInputError
from ...units import format_count, format_duration
from ...world.host import Host
from ..inputs.columns import Columns
from .need import Need
from .room import NO_ROOM, FullPool, Room, sample_at

MOST_WINDOWS = 100_000
"""Of a trace."""
LOOKS = 2000
"""Steps at least, evenly spaced, besides the samples' times and the windows' edges."""


@dataclass(frozen=True)
class Grid:
    """The trace's time cut into windows, and those into steps; ns."""

    edges: npt.NDArray[np.int64]
    """(windows + 1,)"""
    steps: npt.NDArray[np.int64]
    """(steps + 1,): every edge is among them."""

    @property
    def lasted(self) -> npt.NDArray[np.int64]:
        """ns of each step."""
        return np.diff(self.steps)

    @property
    def looks(self) -> npt.NDArray[np.int64]:
        """The middle of each step: when a policy's pool is looked at."""
        return self.steps[:-1] + self.lasted // 2

    @property
    def window_of(self) -> npt.NDArray[np.int64]:
        """The window of each step."""
        return np.searchsorted(self.edges, self.steps[:-1], "right") - 1

    def over_windows(self, reduce: np.ufunc, values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """One number a window of one number a step."""
        first = np.searchsorted(self.steps, self.edges[:-1])
        return np.asarray(reduce.reduceat(values, first), np.int64)


def make_grid(columns: Columns, host: Host, window_ns: int) -> Grid:
    """Windows of ``window_ns``, the last as long as is left; steps between samples and :data:`LOOKS` more.

    InvalidInputError for more than :data:`MOST_WINDOWS`.
    """
    end = int(columns.t[-1]) + 1
    if end // window_ns >= MOST_WINDOWS:
        raise InvalidInputError(
            f"windows of {format_duration(window_ns / 1e9)} are {format_count(end / window_ns)} of "
            f"{columns.path}: {format_count(MOST_WINDOWS)} are the most"
        )
    edges = np.append(np.arange(0, end, window_ns, dtype=np.int64), end)
    even = np.linspace(0, end, LOOKS + 1).astype(np.int64)
    samples = host.balance[:, 0]
    return Grid(edges, np.unique(np.concatenate([edges, even, samples[(samples > 0) & (samples < end)]])))


@dataclass(frozen=True)
class Release:
    """What a pool as large as need must give back at the moment when most of it is too much."""

    pages: int
    ns: int
    """From the beginning of the storm until the kernel kills, if nothing is given back."""
    step: int

    @property
    def pages_per_s(self) -> float:
        """The least release rate."""
        return self.pages / max(self.ns, 1) * 1e9


@dataclass(frozen=True)
class Band:
    """Need and room, by step and by window; sizes in pages."""

    grid: Grid
    loads: npt.NDArray[np.int64]
    """(windows,)"""
    need: npt.NDArray[np.int64]
    """(steps,): the peak in each."""
    need_at: npt.NDArray[np.int64]
    """(steps,): at the look in each."""
    room: npt.NDArray[np.int64] | None
    """(steps,); None: not known. NO_ROOM where not even no pool survives."""
    releases: list[Release | None]
    """A window: what must be given back; None where nothing must, or where it would not help."""

    @property
    def excess(self) -> npt.NDArray[np.int64]:
        """(steps,): by how much need is more than room; 0 where not, and where no pool is small enough."""
        if self.room is None:
            return np.zeros(len(self.need), np.int64)
        return np.where(self.room == NO_ROOM, 0, np.maximum(self.need - self.room, 0))

    @property
    def conflict_share(self) -> float | None:
        """The share of the time in which no size is right."""
        return None if self.room is None else self.share(self.excess > 0)

    @property
    def lost_share(self) -> float | None:
        """The share of the time in which a storm is not survived without any pool either."""
        return None if self.room is None else self.share(self.room == NO_ROOM)

    def share(self, steps: npt.NDArray[np.bool_]) -> float:
        """The share of the time that these steps take."""
        lasted = self.grid.lasted
        return float(lasted[steps].sum() / lasted.sum())

    def seconds(self, steps: npt.NDArray[np.bool_]) -> float:
        """The time that these steps take."""
        return int(self.grid.lasted[steps].sum()) / 1e9

    @property
    def least_room(self) -> int | None:
        """What may stay at every moment at which any pool may; None: not known, or there is no such moment."""
        survived = np.zeros(0) if self.room is None else self.room[self.room != NO_ROOM]
        return int(survived.min()) if len(survived) else None

    @property
    def largest_release(self) -> Release | None:
        """That of the most pages."""
        return max((release for release in self.releases if release), key=lambda r: r.pages, default=None)

    @property
    def fastest_release(self) -> Release | None:
        """That of the highest rate."""
        return max((release for release in self.releases if release), key=lambda r: r.pages_per_s, default=None)

    def windows(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64] | None]:
        """(windows,): the peak of need, and the smallest room, 0 where there is none."""
        need = self.grid.over_windows(np.maximum, self.need)
        if self.room is None:
            return need, None
        return need, np.maximum(self.grid.over_windows(np.minimum, self.room), 0)


def measure_band(
    columns: Columns,
    need: Need,
    room: Room | None,
    grid: Grid,
    storm: Callable[[], FullPool] | None = None,
) -> Band:
    """Put need and room together. storm: makes the storms that tell how much time there is; None: not asked."""
    loads = np.ones(columns.events, np.int64) if columns.kind == "access" else columns.op == Op.LOAD
    by_window = np.histogram(columns.t[loads.astype(np.bool_)], grid.edges)[0].astype(np.int64)
    occupancy = need.occupancy
    band = Band(
        grid, by_window, occupancy.peaks(grid.steps), occupancy.at(grid.looks),
        None if room is None else room.at(grid.steps[:-1]), [None] * (len(grid.edges) - 1),
    )  # fmt: skip
    if room is None or storm is None or not band.excess.any():
        return band
    excess, window_of, pool = band.excess, grid.window_of, storm()
    for window in np.unique(window_of[excess > 0]).tolist():
        step = int(np.argmax(np.where(window_of == window, excess, 0)))
        sample = int(sample_at(room.t, grid.steps[step : step + 1])[0])
        _, ns = pool.strike(sample, int(band.need[step]))
        band.releases[window] = Release(int(excess[step]), ns, step)
    return band
