"""What a pool of so many pages really holds: size classes exactly, the holes between objects by replays.

An object takes its size class's share of a zspage, and that is a weight like any other for stack distances. What
they cannot tell is fragmentation: zspages with free places, which depend on the order in which objects came and
went, and on the size. So a few pools are replayed with the allocator, at sizes chosen where neighbours differ
most, and a pool counts for as much as one without holes that has its hit rate.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ...policies.catalogue import parse_policy
from ...units import PAGE_SIZE
from ...world.allocators.tables import Allocator, tables
from ...world.host import Host
from ..inputs.columns import Columns
from ..scores.score import StormPlan, score

TOLERANCE = 0.02
"""Hit rates of neighbouring replays differ by no more, where there are replays enough."""
REPLAYS = 64
"""Replays at most."""
_FIRST = 16


def class_weights(allocator: Allocator) -> npt.NDArray[np.uint16]:
    """uint16 (4097,): bytes that an object of each compressed length takes of a zspage that is full."""
    class_of, classes, _, _ = tables(allocator)
    pages, objects = (classes[name][class_of].astype(np.int64) for name in ("pages", "objects"))
    weights = np.minimum(-(-pages * PAGE_SIZE // objects), PAGE_SIZE).astype(np.uint16)
    weights[0] = 0
    return weights


@dataclass(frozen=True)
class Fill:
    """Pools that were replayed."""

    pages: npt.NDArray[np.int64]
    """Their sizes, ascending from 0."""
    hit_rate: npt.NDArray[np.float64]
    effective: npt.NDArray[np.float64]
    """The pages of a pool without holes that would have had the same hit rate."""

    @property
    def replays(self) -> int:
        """How many they were."""
        return len(self.pages) - 1

    @property
    def largest(self) -> int:
        """The smallest size, in pages, beyond which nothing more is a hit."""
        return int(self.pages[-1])

    @property
    def share(self) -> float:
        """Of the largest pool, what is not holes."""
        return float(self.effective[-1] / max(self.pages[-1], 1))


def measure_fill(
    columns: Columns,
    host: Host,
    rates: npt.NDArray[np.float64],
    replays: int = REPLAYS,
    on_done: Callable[[int], object] = lambda _: None,
) -> Fill:
    """Replay pools of chosen sizes.

    rates: hit rates of pools of 0, 1, 2 ... pages without holes, to the size beyond which nothing is gained.
    on_done is called with the number of replays made.
    """
    known: dict[int, float] = {0: float(rates[0])}

    def replay(size: int) -> tuple[int, float, int]:
        policy = parse_policy(f"order.lru:exclusive_loads=on,max_pool_pages={size}")
        row = score(columns, host, policy, StormPlan(storms=0))
        return size, row.hit_rate or 0.0, int(row.pool_bytes["peak"]) // PAGE_SIZE

    _, best, peak = replay(2 * columns.pages + (1 << 20))
    largest = peak + 1  # at its limit a pool gives up a page before it takes one
    wanted = sorted({-(-largest * step // _FIRST) for step in range(1, _FIRST)} - {0, largest})
    known[largest] = best
    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        while wanted and len(known) <= replays:
            for size, rate, _ in threads.map(replay, wanted[: replays + 1 - len(known)]):
                known[size] = rate
                on_done(len(known) - 1)
            wanted = _between(known)
    pages = np.array(sorted(known), np.int64)
    measured = np.maximum.accumulate([known[int(size)] for size in pages])
    return Fill(pages, measured, _without_holes(measured, rates))


def _without_holes(measured: npt.NDArray[np.float64], rates: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Where on the curve of pools without holes each measured hit rate first is, in pages."""
    above = np.minimum(np.searchsorted(rates, measured), len(rates) - 1)
    below = np.maximum(above - 1, 0)
    step = rates[above] - rates[below]
    part = np.where(step > 0, (measured - rates[below]) / np.where(step > 0, step, 1), 1)
    return np.asarray(below + np.clip(part, 0, 1) * (above - below), np.float64)


def _between(known: dict[int, float]) -> list[int]:
    """The middles of neighbours whose hit rates are too far apart, the farthest first."""
    sizes = sorted(known)
    gaps = [(known[b] - known[a], a, b) for a, b in pairwise(sizes) if b - a > 1]
    return [(a + b) // 2 for gap, a, b in sorted(gaps, reverse=True) if gap > TOLERANCE]
