"""A pool that is as large as it is needed, and gives back when it is asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...compiled import inner
from ..interface import (
    ACCEPT,
    DROP,
    REJECT,
    LimitedPool,
    Registers,
    Table,
    free_pages,
    hook,
    oldest,
    param,
    push_tail,
    register,
    write_back,
)

SLOTS = 4096
"""Pages in the sample at most; a power of two."""
SILENT = 8
"""Intervals of need after which a sampled page that nobody hears of makes room for another."""
FINE = 4
"""Bins of the histogram to a doubling of the interval: it is known to a fifth of itself."""
BINS = 61 * FINE
"""The last one has whatever is longer than 2^62 ns, 146 years."""
ENOUGH = 64
"""Intervals that must have been measured before any page is given up."""
ALIKE = 8
"""Generations that pages stored within one interval of need belong to, at most."""
GENERATIONS = 256
"""A byte of each page says to which it belongs."""
DOUBT = 256
"""Pages that have to stay away unmissed before a page that is given up counts as half a miss."""


class Own(Registers):
    """Registers: 68 KiB, whatever the size of the pool."""

    sampled = Table(SLOTS)  # page + 1; 0: the slot is empty
    stamps = Table(SLOTS)  # when that page was stored, ns; when it was loaded, negative
    seen = Table(BINS)  # intervals from store to load, the older the less
    total: int  # the sum of seen
    interval: int  # of need, ns; 0: not known yet
    young: int  # the generation of the pages that are stored now
    began = Table(GENERATIONS)  # when each did, ns
    loads: float  # from here on counts of pages, the older the less
    missed: float  # reads of pages that were given up
    given_up: float
    tried: float  # of those, what has been away for long
    loads_pool: int  # of the host, until the last look
    loads_disk: int


@inner
def scramble(page: int) -> int:
    """32 bits that look random, for each page the same ones: two rounds of multiply and fold."""
    mixed = int(page) + 1
    mixed = ((mixed >> 16) ^ mixed) * 0x45D9F3B & 0xFFFFFFFF
    mixed = ((mixed >> 16) ^ mixed) * 0x45D9F3B & 0xFFFFFFFF
    return (mixed >> 16) ^ mixed


@inner
def bin_of(interval: int) -> int:
    """Where an interval (ns) is counted."""
    octave = 0
    while interval >= 2 * FINE:
        interval >>= 1
        octave += 1
    return min(octave * FINE + interval, BINS - 1)


@inner
def end_of(number: int) -> int:
    """All intervals in bin ``number`` are shorter than this, ns."""
    octave = max(number // FINE - 1, 0)
    return (number - octave * FINE + 1) << octave


@inner
def _note_store(w: Any, page: int) -> None:
    """In each slot stays, of the pages that fall into it, the one with the smallest hash: a sample by place."""
    own, now = w.own, w.host.now
    mixed = scramble(page)
    slot = mixed & (SLOTS - 1)
    other = own.sampled[slot] - 1
    heard_of = own.interval == 0 or now - abs(own.stamps[slot]) < SILENT * own.interval
    if other >= 0 and other != page and scramble(other) < mixed and heard_of:
        return
    own.sampled[slot] = page + 1
    own.stamps[slot] = now


@inner
def _note_load(w: Any, page: int) -> None:
    """Count the interval that a load ends, if the page is in the sample."""
    own, now = w.own, w.host.now
    slot = scramble(page) & (SLOTS - 1)
    stored = own.stamps[slot]
    if own.sampled[slot] == page + 1 and stored >= 0:
        own.seen[bin_of(now - stored)] += 1
        own.total += 1
        own.stamps[slot] = -now


@inner
def _measure_need(w: Any) -> None:
    """The interval within which all loads come but those that may miss."""
    own = w.own
    if own.total < ENOUGH:
        return
    beyond, number = 0, BINS - 1
    while number > 0 and beyond + own.seen[number] <= w.p.may_miss * own.total:
        beyond += own.seen[number]
        number -= 1
    own.interval = end_of(number)


@inner
def _count_misses(w: Any) -> None:
    """Reads from the disk are of pages that were given up, as far as they can be."""
    own, h = w.own, w.host
    read = h.loads_disk - own.loads_disk
    own.loads += read + h.loads_pool - own.loads_pool
    own.loads_pool, own.loads_disk = h.loads_pool, h.loads_disk
    own.missed += min(read, own.given_up)
    if own.interval > 0:
        own.tried += (own.given_up - own.tried) * min(w.p.period_ns / (w.p.trial * own.interval), 1.0)


@inner
def _forget(w: Any) -> None:
    """All that was counted until now counts half."""
    own = w.own
    own.loads /= 2
    own.missed /= 2
    own.given_up /= 2
    own.tried /= 2
    own.total = 0
    for number in range(BINS):
        own.seen[number] >>= 1
        own.total += own.seen[number]


@inner
def _may_give_up(w: Any) -> bool:
    """Whether, if as many of those that are away come back as came until now, no more miss than may."""
    own = w.own
    risk = (own.missed + DOUBT) / (own.tried + DOUBT)
    still_away = max(own.given_up - own.missed, 0.0)
    return bool(own.missed + (still_away + 1) * risk <= w.p.may_miss * own.loads)


@inner
def _is_idle(w: Any, page: int) -> bool:
    """Whether even the youngest page of this one's generation was stored longer ago than need reaches."""
    own, generation = w.own, w.pages[page].mark
    since = own.began[(generation + 1) & (GENERATIONS - 1)]
    return bool(generation != own.young and w.host.now - since >= own.interval)


@hook
def store(w: Any, page: int) -> int:
    """Take everything; what does not compress too, because on disk it would miss load after load."""
    h = w.host
    if h.pool_pages >= w.p.limit:
        h.limit_hits += 1
        return REJECT
    _note_store(w, page)
    w.pages[page].mark = w.own.young
    push_tail(w, 0, page)
    return ACCEPT


@hook
def load(w: Any, page: int) -> int:
    """Exclusive: the page is in RAM now."""
    _note_load(w, page)
    return DROP


@hook
def wake(w: Any, page: int) -> int:
    """Measure need; while the disk is idle, give up a batch of what lies beyond it."""
    own, h = w.own, w.host
    period = w.p.period_ns
    h.wake += (h.now - h.wake) // period * period + period
    _measure_need(w)
    _count_misses(w)
    if own.loads >= w.p.memory:
        _forget(w)
    if h.now - own.began[own.young] >= own.interval // ALIKE:
        own.young = (own.young + 1) & (GENERATIONS - 1)
        own.began[own.young] = h.now
    if own.interval == 0 or h.disk_busy > h.now:
        return 0
    for _ in range(w.p.batch):
        victim = oldest(w, 0)
        if victim < 0 or not _is_idle(w, victim) or not _may_give_up(w):
            break
        write_back(w, victim, w.p.compressed_writeback == 1)
        own.given_up += 1
    return 0


@hook
def pressure(w: Any, need: int) -> int:
    """Give back the oldest pages until that is enough.

    What waits for a slow disk frees nothing yet, so a full queue ends a call while there is memory above the min
    watermark. Below it the kernel is about to kill, and does not if all that is left is on its way to the disk.
    """
    h = w.host
    before = h.pool_pages
    while before - h.pool_pages < need:
        for _ in range(w.p.batch):
            victim = oldest(w, 0)
            if victim < 0:
                return int(before - h.pool_pages)
            write_back(w, victim, w.p.compressed_writeback == 1)
        if h.disk_busy - h.now > h.disk_queue_ns and free_pages(w) > h.watermark_min:
            break
    return int(before - h.pool_pages)


@register("vm.need")
@dataclass(frozen=True)
class Need(LimitedPool):
    """A pool as large as needed: it measures how soon pages are read again, and gives up what is idle longer.

    It holds whatever is stored, in order of arrival. How long a page must stay so that ``hits`` percent of the
    loads find it is measured: of up to 4096 pages, chosen by a hash of their number, the time from store to
    load goes into a histogram of 244 bins, in which old ones fade. Because the pool's list is in order of
    arrival, the place in it of a page that was stored one such interval ago is the stack distance of that
    share of loads: all that is older lies beyond the need. Every ``period``, if the disk is idle, up to
    ``batch`` of those pages are written back.

    What was not seen yet is not known: pages that nobody has read for a while may all be read at once. So no
    more are away than may miss, until such pages have been away for ``trial`` intervals without being missed.
    Every load earns what may miss, every read from the disk costs one, and so does every page that is away,
    less as far as others were not missed.

    When free memory falls below the low watermark the pool gives back at once, oldest first; it is as large as
    memory allows, never larger, so nothing is killed that would live without a pool.

    In mm/ the parts would be these. zswap_store() and zswap_load() note the sampled pages (64 KiB, one hash,
    one cache line); struct zswap_entry has a spare byte for the generation. A deferrable work item measures
    and calls zswap_writeback_entry() while the swap device has nothing in flight. The core VM decides when
    memory is short and how much is wanted: shrink_slab() asks, with a count of the whole pool;
    should_reclaim_retry() must know that it can all be had. Reads of pages that were given up are counted by
    their swap entries, as workingset_refault() does; here all reads from the disk are taken for such, as far
    as pages were given up. Time is O(1) an event: a look costs a constant, and a page is written back once for
    each time it is stored.
    """

    max_pool_percent: float = param(100.0, "pool limit", unit="percent of RAM", low=0, high=100)
    hits: float = param(98.5, "loads that shall find their page", unit="percent", low=50, high=100)
    trial: float = param(
        4.0, "after so much a page that is away was not missed", unit="intervals of need", low=0.1, high=1000
    )
    memory: int = param(100_000, "after so many, all older ones count half", unit="loads", low=64, high=1 << 40)
    period: float = param(0.1, "between two looks", unit="s", low=0.001, high=60)
    batch: int = param(32, "pages a call, SWAP_CLUSTER_MAX in the kernel", unit="pages", low=1, high=4096)
    compressed_writeback: str = param("on", "write compressed bytes as they are", choices=("on", "off"))

    sources = (
        "C. A. Waldspurger et al., Efficient MRC construction with SHARDS, FAST 2015 (sampling by a hash of the"
        " place, in constant memory)",
        "X. Hu et al., Kinetic modeling of data eviction in cache, ATC 2016 (stack distances from reuse"
        " intervals, in O(1))",
        "P. J. Denning, The working set model for program behavior, CACM 11(5), 1968 (what was used within an"
        " interval is what is needed)",
        "the frontswap merge debate on the linux-kernel list, October and November 2011",
        "Linux 7.1 mm/zswap.c (zswap_shrinker_count, zswap_writeback_entry), mm/vmscan.c, mm/workingset.c",
    )
    own = Own
    store = store
    load = load
    wake = wake
    pressure = pressure

    def derived(self, ram_pages: int) -> Mapping[str, float]:
        """The limit; the period in ns; the share of loads that may miss."""
        own = {"period_ns": round(self.period * 1e9), "may_miss": 1 - self.hits / 100}
        return {**super().derived(ram_pages), **own}

    def first_wake(self) -> int:
        """The end of the first period."""
        return round(self.period * 1e9)
