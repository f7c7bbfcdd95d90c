"""Patterns of access that a synthetic trace is mixed from. Each is a stream of page numbers, endless and seeded.

>>> parse_pattern("zipf:pages=100000,alpha=0.9,weight=3")
Zipf(pages=100000, weight=3.0, alpha=0.9)
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from math import gcd
from typing import Any

import numpy as np

from ...compiled import njit
from ...errors import InvalidInputError

Source = Callable[[int], np.ndarray]
"""Gives the next n page numbers (int64, below ``pages``)."""

MAX_PAGES = 1 << 28
_GUIDES = 1 << 22
"""The most parts of the range of a distribution for which the place to search is known; a power of two."""


@dataclass(frozen=True)
class Pattern:
    """What every pattern has: its footprint in ``pages`` and its ``weight`` among the touches of a mixture."""

    pages: int = 65536
    weight: float = 1.0

    def source(self, rng: np.random.Generator) -> Source:
        """A stream of page numbers that draws from ``rng``."""
        raise NotImplementedError

    def check(self) -> None:
        """InvalidInputError where a parameter is out of its range."""
        _within("pages", self.pages, 1, MAX_PAGES)
        _within("weight", self.weight, 1e-9, 1e9)


@dataclass(frozen=True)
class Uniform(Pattern):
    """Every page is as likely as any other."""

    def source(self, rng: np.random.Generator) -> Source:
        """Independent draws."""
        return lambda n: rng.integers(0, self.pages, n)


@dataclass(frozen=True)
class Zipf(Pattern):
    """The page of rank r is touched in proportion to r ** -``alpha``; ranks are scattered over the footprint."""

    alpha: float = 0.9

    def source(self, rng: np.random.Generator) -> Source:
        """Independent draws by the inverse of the cumulative distribution."""
        ranks, scatter = _ranks(rng, self.pages, self.alpha), _scatter(self.pages)
        return lambda n: scatter(ranks(n))

    def check(self) -> None:
        """alpha from 0 (uniform) to 5."""
        super().check()
        _within("alpha", self.alpha, 0, 5)


@dataclass(frozen=True)
class Loop(Pattern):
    """Page after page to the end of the footprint and again from its beginning: what defeats LRU."""

    def source(self, rng: np.random.Generator) -> Source:
        """The same for every seed."""
        at = 0

        def take(n: int) -> np.ndarray:
            nonlocal at
            pages = (np.arange(n, dtype=np.int64) + at) % self.pages
            at = (at + n) % self.pages
            return pages

        return take


@dataclass(frozen=True)
class Scan(Pattern):
    """From a random page on, ``run`` pages in sequence, then from another: files read and forgotten."""

    run: int = 1024

    def source(self, rng: np.random.Generator) -> Source:
        """A run that is cut by the end of a piece goes on in the next."""
        start, done = int(rng.integers(0, self.pages)), 0

        def take(n: int) -> np.ndarray:
            nonlocal start, done
            steps = np.arange(n, dtype=np.int64) + done
            starts = np.concatenate([[start], rng.integers(0, self.pages, (n + done) // self.run)])
            pages: np.ndarray = (starts[steps // self.run] + steps % self.run) % self.pages
            start, done = int(starts[-1]), (done + n) % self.run
            return pages

        return take

    def check(self) -> None:
        """A run of at least one page."""
        super().check()
        _within("run", self.run, 1, MAX_PAGES)


@dataclass(frozen=True)
class Phase(Pattern):
    """Zipf whose ranks move on by a ``shift`` share of the footprint every ``period`` touches."""

    alpha: float = 0.9
    period: int = 100_000
    shift: float = 0.1

    def source(self, rng: np.random.Generator) -> Source:
        """The phase counts this pattern's own touches."""
        ranks, scatter = _ranks(rng, self.pages, self.alpha), _scatter(self.pages)
        step = max(1, round(self.shift * self.pages))
        done = 0

        def take(n: int) -> np.ndarray:
            nonlocal done
            phase = (np.arange(n, dtype=np.int64) + done) // self.period
            done += n
            return scatter((ranks(n) + phase * step) % self.pages)

        return take

    def check(self) -> None:
        """A period of at least one touch, a shift of 0 to 1."""
        super().check()
        _within("alpha", self.alpha, 0, 5)
        _within("period", self.period, 1, 1 << 40)
        _within("shift", self.shift, 0, 1)


PATTERNS: dict[str, type[Pattern]] = {
    "uniform": Uniform, "zipf": Zipf, "loop": Loop, "scan": Scan, "phase": Phase,
}  # fmt: skip


def parse_pattern(text: str) -> Pattern:
    """A pattern from ``NAME:key=value,...``; InvalidInputError where there is no such name, key or value."""
    name, _, settings = text.partition(":")
    if name not in PATTERNS:
        raise InvalidInputError(f"{name!r} is not a pattern: use {', '.join(PATTERNS)}")
    known = {field.name: field.type for field in fields(PATTERNS[name])}
    values: dict[str, Any] = {}
    for setting in filter(None, settings.split(",")):
        key, _, value = setting.partition("=")
        if key not in known:
            raise InvalidInputError(f"{name} has no parameter {key!r}: it has {', '.join(known)}")
        try:
            values[key] = int(value) if known[key] in (int, "int") else float(value)
        except ValueError:
            raise InvalidInputError(f"{name}: {key}={value} is not a number") from None
    pattern = PATTERNS[name](**values)
    pattern.check()
    return pattern


def _ranks(rng: np.random.Generator, pages: int, alpha: float) -> Source:
    cumulative = np.cumsum(np.arange(1, pages + 1, dtype=np.float64) ** -alpha)
    cumulative /= cumulative[-1]
    # Where a binary search of the whole would begin to end: the answers are those of searchsorted.
    parts = min(_GUIDES, 1 << pages.bit_length())
    guide = np.searchsorted(cumulative, np.arange(parts + 1) / parts, side="right").astype(np.int32)
    guided: Any = _guided
    return lambda n: guided(cumulative, guide, rng.random(n))


@njit(cache=True, nogil=True)
def _guided(cumulative: Any, guide: Any, draws: Any) -> Any:
    """searchsorted(cumulative, draws, "right") by an index [J. H. Ahrens, K. D. Kohrt, Computer methods for
    efficient sampling from largely arbitrary statistical distributions, Computing 26, 1981].
    """
    found = np.empty(draws.shape[0], np.int64)
    for i in range(draws.shape[0]):
        part = int(draws[i] * (guide.shape[0] - 1))
        low, high = guide[part], guide[part + 1]
        while low < high:
            middle = (low + high) >> 1
            if cumulative[middle] > draws[i]:
                high = middle
            else:
                low = middle + 1
        found[i] = low
    return found


def _scatter(pages: int) -> Callable[[np.ndarray], np.ndarray]:
    """A bijection of the page numbers: popular pages are not neighbours."""
    factor = int(pages * 0.6180339887) | 1
    while gcd(factor, pages) != 1:
        factor += 2
    return lambda ranks: ranks * factor % pages


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InvalidInputError(f"{name}={value:g} is outside {low:g} to {high:g}")
