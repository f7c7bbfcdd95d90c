"""The hit rate of an LRU-ordered pool at every size, from one pass over a trace.

For a trace of page accesses the pool is RAM and its order that of ``order.lru``. For swap traffic it is a pool
that gives up its oldest store and whose loads take the copy, which is ``order.lru:exclusive_loads=on`` and, apart
from second chances and limits that take time, zswap since Linux 6.9. Sizes are those of the pool: zsmalloc's
pages, with its size classes and its holes (:mod:`.fill`); or pages of which each stored page takes one; or
compressed bytes, which no allocator packs so densely.

With a sample only pages chosen by a hash of their id are followed and distances are scaled up: C. A. Waldspurger
et al., Efficient MRC construction with SHARDS, FAST 2015. Requests of pages not followed are counted, and the
difference from what the sample should hold is taken as hits (SHARDS-adj), so that the misses are divided by the
number expected.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...datasets.trace.read import Trace
from ...datasets.trace.schema import Op, Where
from ...errors import InvalidInputError, TraceError
from ...units import PAGE_SIZE
from ...world.allocators.tables import Allocator
from ...world.host import build_host
from ..inputs.columns import Columns, columns_of
from ..inputs.kept import columns_for
from . import distances, recency
from .fill import REPLAYS, Fill, class_weights, measure_fill

UNITS = ("pool", "pages", "bytes")
GROUPS = 16
"""Parts of the sample whose differences tell its error."""


@dataclass(frozen=True)
class Curve:
    """Hit rates of LRU pools of every size."""

    trace: Trace
    unit: str
    """pool: pages of the allocator; pages: one for each stored page; bytes: compressed lengths."""
    sample: float
    """Share of the pages that were followed; 1 for all."""
    pages: int
    """Pages followed."""
    loads: int
    """Loads of the trace, of pages followed or not."""
    bins: npt.NDArray[np.int64]
    """(groups, distances + 1): loads by distance, in pages of 4096 bytes of the sample; the last: never."""
    fill: Fill | None = None
    """What holes leave of a pool, for the unit pool; None: not measured."""
    compressed: npt.NDArray[np.int64] | None = None
    """The same bins with compressed lengths as weights, for the unit pool."""

    @property
    def largest(self) -> int:
        """The smallest pool, in bytes, beyond which nothing more is a hit."""
        if self.fill:
            return self.fill.largest * PAGE_SIZE
        used = np.flatnonzero(self.bins[:, :-1].sum(axis=0))
        return round((int(used[-1]) + 1) / self.sample) * PAGE_SIZE if len(used) else PAGE_SIZE

    def hit_rate(self, pool_bytes: int) -> tuple[float, float]:
        """(hit rate, its standard error) of a pool of so many bytes; the error is 0 without sampling.

        The error is the jackknife's over the groups that the followed pages were dealt into.
        """
        if self.fill:
            held = np.interp(pool_bytes // PAGE_SIZE, self.fill.pages, self.fill.effective)
            return float(np.interp(held, np.arange(len(self._rates)), self._rates)), 0.0
        size = min(int(pool_bytes // PAGE_SIZE * self.sample), self.bins.shape[1] - 1)
        misses = self.bins[:, size:].sum(axis=1)
        expected = self.loads * self.sample
        rate = (expected - float(misses.sum())) / expected if expected else 0.0
        groups = len(misses)
        if groups == 1:
            return rate, 0.0
        spread = float(((misses - misses.mean()) ** 2).sum()) * groups / (groups - 1)
        return min(max(rate, 0.0), 1.0), spread**0.5 / expected

    def sizes(self, count: int) -> list[int]:
        """``count`` sizes in equal steps up to :attr:`largest`, in bytes, whole pages."""
        pages = self.largest // PAGE_SIZE
        return sorted({-(-pages * step // count) * PAGE_SIZE for step in range(1, count + 1)})

    def smallest(self, rate: float) -> int | None:
        """The smallest size, in bytes, with at least this hit rate; None where no size has it.

        Without holes: those that replays measured are left out.
        """
        reached = self._rates >= rate - 1e-12
        return round(int(reached.argmax()) / self.sample) * PAGE_SIZE if reached.any() else None

    def compressed_bytes(self, rate: float) -> int | None:
        """Compressed bytes that a pool with this hit rate has to hold; None where that was not measured."""
        if self.compressed is None:
            return None
        return int(np.searchsorted(self._compressed_rates, rate - 1e-9)) * PAGE_SIZE

    @cached_property
    def _rates(self) -> npt.NDArray[np.float64]:
        return rates_by_size(self.bins, self.loads)

    @cached_property
    def _compressed_rates(self) -> npt.NDArray[np.float64]:
        assert self.compressed is not None
        return rates_by_size(self.compressed, self.loads)

    def as_json(self, sizes: list[int]) -> dict[str, Any]:
        """The document ``tmemlab.curve/1``."""
        points = [(size, *self.hit_rate(size)) for size in sizes]
        return {
            "schema": "tmemlab.curve/1",
            "trace": {"path": str(self.trace.path), "events": len(self.trace), "loads": self.loads},
            "config": {
                "unit": self.unit, "sample": self.sample, "pages_followed": self.pages,
                "replays": self.fill.replays if self.fill else 0,
                "held_share": self.fill.share if self.fill else None,
            },
            "points": [
                {
                    "pool_bytes": size, "hit_rate": rate, "standard_error": error,
                    "compressed_bytes": self.compressed_bytes(rate),
                }
                for size, rate, error in points
            ],
        }  # fmt: skip


def rates_by_size(bins: npt.NDArray[np.int64], loads: int) -> npt.NDArray[np.float64]:
    """Hit rates of pools of 0, 1, 2 ... pages, to the size beyond which nothing is gained."""
    counts = bins.sum(axis=0)
    used = np.flatnonzero(counts[:-1])
    largest = int(used[-1]) + 1 if len(used) else 1
    missed = counts[::-1].cumsum()[::-1][: largest + 1]
    return 1.0 - missed / max(loads, 1)


def curve(
    path: Path | str,
    *,
    unit: str = "pool",
    sample: float = 1.0,
    replays: int = REPLAYS,
    allow_lossy: bool = False,
    on_done: Callable[[int], object] = lambda _: None,
) -> Curve:
    """Read the trace once and measure every size.

    unit: "pool" (pages of zsmalloc), "pages" (a page takes a page) or "bytes" (as compressed); an access trace
    has pages only. sample: the share of the pages to follow; with less than 1 the trace is read in batches and
    only what is followed is kept. replays: at most so many of single pools tell what holes take of a pool;
    on_done is called with their number. With none, or of a sample, a pool has no holes. Raises TraceError for an
    incomplete trace unless allowed, InvalidInputError for a sample without pages.
    """
    trace = Trace.open(path)
    if not trace.manifest.certificate.complete and not allow_lossy:
        raise TraceError(f"{trace.path} is incomplete: record again, or pass --allow-lossy")
    if unit not in UNITS:
        raise InvalidInputError(f"{unit!r} is not a unit of a curve: choose {', '.join(UNITS)}")
    if not 0 < sample <= 1:
        raise InvalidInputError("a sample is more than nothing and at most all pages")
    if trace.manifest.kind == "access":
        return _of_accesses(trace, sample)
    loads = None
    if sample < 1:
        chosen = Sampler(trace.pages, sample)
        sample = chosen.share
        columns, loads = _sampled_swaps(trace, chosen)
    else:
        columns = columns_for(trace)
    groups, loads = 1 if sample == 1 else GROUPS, columns.loads if loads is None else loads
    if unit != "pool":
        bins = _of_swaps(columns, groups, None, unit == "bytes")
        return Curve(trace, unit, sample, columns.pages, loads, bins)
    bins = _of_swaps(columns, groups, class_weights(Allocator()), True)
    fill, compressed = None, _of_swaps(columns, groups, None, True) if sample == 1 else None
    if sample == 1 and replays and loads:
        fill = measure_fill(columns, build_host(trace), rates_by_size(bins, loads), replays, on_done)
    return Curve(trace, unit, sample, columns.pages, loads, bins, fill, compressed)


def _of_swaps(
    columns: Columns, groups: int, weights: npt.NDArray[np.uint16] | None, in_bytes: bool
) -> npt.NDArray[np.int64]:
    """Bins of the distances; weights: bytes by compressed length, None: the length itself."""
    lst = distances.make_list(columns.pages)
    lst[distances.SLOT_OF][columns.first_seen_in == Where.ZERO] = distances.ZERO
    bins = np.zeros((groups, columns.pages + 2), np.int64)
    inside = np.flatnonzero(columns.first_seen_in == Where.POOL)
    lengths = columns.lengths[np.arange(len(inside)) * len(columns.lengths) // max(len(inside), 1)]
    clen = columns.clen
    if weights is not None:
        lengths, clen = weights[lengths], weights[clen]
    distances.preload(inside, lengths, in_bytes, lst)
    distances.swaps(columns.op, columns.page, columns.flags, clen, in_bytes, lst, bins, 12 if in_bytes else 0)
    return bins


def _of_accesses(trace: Trace, sample: float) -> Curve:
    """Batch by batch: only state is kept, nothing of the trace."""
    chosen = Sampler(trace.pages, sample)
    stream = recency.make_stream(chosen.pages)
    bins = np.zeros((1 if sample == 1 else GROUPS, chosen.pages + 1), np.int64)
    for batch in trace.batches("page"):
        recency.accesses(chosen.ids(batch["page"])[0], stream, bins)
    return Curve(trace, "pages", chosen.share, chosen.pages, len(trace), bins)


class Sampler:
    """Chooses pages by a hash of their id and gives the chosen ones dense ids, without a table.

    The hash is a permutation of the numbers below a power of two, so that the chosen pages, those below a
    threshold, are numbered by their hash itself.
    """

    def __init__(self, pages: int, share: float) -> None:
        self.bits = max(int(pages - 1).bit_length(), 1)
        self.pages = pages if share == 1 else max(round(share * (1 << self.bits)), 1)
        self.share = 1.0 if share == 1 else self.pages / (1 << self.bits)

    def ids(self, page: npt.NDArray[np.uint32]) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.bool_] | None]:
        """The new ids of the events that are followed, and which those are (None: all)."""
        if self.share == 1:
            return page, None
        mask = np.uint64((1 << self.bits) - 1)
        mixed = (page.astype(np.uint64) + np.uint64(0x632BE59B)) & mask  # or page 0 would always be followed
        for odd in (0x9E3779B97F4A7C15, 0xD1B54A32D192ED03, 0x94D049BB133111EB):
            mixed = (mixed * np.uint64(odd)) & mask
            mixed ^= mixed >> np.uint64(max(self.bits // 2, 1))
        followed = mixed < self.pages
        return mixed[followed].astype(np.uint32), followed


def _sampled_swaps(trace: Trace, chosen: "Sampler") -> tuple[Columns, int]:
    """The events of the followed pages, as if they were the trace; and how many loads there are of all pages."""
    loads = 0

    def parts() -> Iterator[dict[str, npt.NDArray[Any]]]:
        nonlocal loads
        for batch in trace.batches("t", "op", "page", "flags", "where", "clen", "cgroup"):
            loads += int((batch["op"] == Op.LOAD).sum())
            ids, followed = chosen.ids(batch["page"])
            yield {name: array[followed] for name, array in batch.items()} | {"page": ids}

    kept = list(parts())
    read = {name: np.concatenate([part[name] for part in kept]) for name in kept[0]}
    if not len(read["page"]):
        share = f"{100 * chosen.share:.3g}%"
        raise InvalidInputError(f"a sample of {share} follows none of {trace.pages} pages: take more")
    return columns_of(trace, read), loads
