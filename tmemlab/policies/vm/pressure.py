"""The pool as the 2011 critique wanted it: run by the core VM."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from .. import victims
from ..interface import (
    ACCEPT,
    DROP,
    KEEP,
    REJECT,
    Hook,
    LimitedPool,
    Registers,
    free_pages,
    hook,
    oldest,
    param,
    push_tail,
    register,
    write_back,
)


@hook
def store(w: Any, page: int) -> int:
    """Take what compresses; make room in batches."""
    h = w.host
    if w.pages[page].clen >= w.p.largest:
        return REJECT
    if h.pool_pages >= w.p.limit:
        h.limit_hits += 1
        for _ in range(w.p.batch):
            victim = oldest(w, 0)
            if victim < 0:
                break
            write_back(w, victim, w.p.compressed_writeback == 1)
        if h.pool_pages >= w.p.limit:
            return REJECT
    push_tail(w, 0, page)
    return ACCEPT


@hook
def pressure(w: Any, need: int) -> int:
    """Reclaim took too little: give back the oldest pages, in batches, until that is enough."""
    compressed = w.p.compressed_writeback == 1
    before = w.host.pool_pages
    while before - w.host.pool_pages < need:
        for _ in range(w.p.batch):
            victim = oldest(w, 0)
            if victim < 0:
                return int(before - w.host.pool_pages)
            write_back(w, victim, compressed)
        # Handing over pages faster than the disk takes them frees nothing: they wait in its queue.
        if w.host.disk_busy - w.host.now > w.host.disk_queue_ns and free_pages(w) > 0:
            break
    return int(before - w.host.pool_pages)


@hook
def ordered_store(w: Any, page: int) -> int:
    """The same with another victim order."""
    h = w.host
    if w.pages[page].clen >= w.p.largest:
        return REJECT
    compressed = w.p.compressed_writeback == 1
    met = victims.arrive(w, page, compressed)
    if h.pool_pages >= w.p.limit:
        h.limit_hits += 1
        for _ in range(w.p.batch):
            if not victims.evict(w, met, compressed):
                break
        if h.pool_pages >= w.p.limit:
            return REJECT
    victims.insert(w, page, met)
    return ACCEPT


@hook
def ordered_load(w: Any, page: int) -> int:
    """A use, where the copy stays."""
    if w.p.exclusive_loads:
        return DROP
    victims.touch(w, page)
    return KEEP


@hook
def ordered_pressure(w: Any, need: int) -> int:
    """Give back what the order gives up, in batches, until that is enough."""
    compressed = w.p.compressed_writeback == 1
    before = w.host.pool_pages
    while before - w.host.pool_pages < need:
        for _ in range(w.p.batch):
            if not victims.evict(w, 0, compressed):
                return int(before - w.host.pool_pages)
        if w.host.disk_busy - w.host.now > w.host.disk_queue_ns and free_pages(w) > 0:
            break
    return int(before - w.host.pool_pages)


@register("vm.pressure")
@dataclass(frozen=True)
class Pressure(LimitedPool):
    """Every decision by the core VM: the pool is one more list that reclaim can take from.

    No fixed size: the pool may grow as long as memory is above the low watermark. When free memory falls
    below it, reclaim asks for the pages it is short of and the pool gives back its oldest, in batches of
    ``batch`` (one call each), written to disk as the compressed bytes they are. What does not compress is
    not taken: it would hold RAM without saving any. Because the pool is reclaimable, pressure cannot run
    into it as into mlocked memory.

    ``order`` chooses whom a batch takes, ``fifo`` being the pages stored longest ago. With
    ``exclusive_loads=off`` a page that was read back stays in the pool as well until it is stored again or
    freed, as in frontswap; only then do loads move anything, so LRU, CLOCK, SIEVE and LFU differ from FIFO only
    then. Shares of an order's lists are of what the pool holds when it gives up a page.
    """

    max_pool_percent: float = param(100.0, "pool limit", unit="percent of RAM", low=0, high=100)
    batch: int = param(32, "pages a call, SWAP_CLUSTER_MAX in the kernel", unit="pages", low=1, high=4096)
    compressed_writeback: str = param("on", "write compressed bytes as they are", choices=("on", "off"))
    largest: int = param(
        3625, "refuse pages that compress to as much: they would take a page each", unit="bytes", low=1, high=4097
    )

    order: str = victims.order_param()
    exclusive_loads: str = param("on", "a load takes the copy", choices=("on", "off"), kernel="exclusive_loads")

    awake: ClassVar[dict[str, dict[str, Any]]] = {
        "order": {"exclusive_loads": "off", "max_pool_percent": 1.0},
        "exclusive_loads": {"order": "lru", "max_pool_percent": 1.0},
    }
    sources = (
        "the frontswap merge debate on the linux-kernel list, October and November 2011",
        "Linux 7.1 mm/vmscan.c (SWAP_CLUSTER_MAX, watermarks: what reclaim asks for, and when)",
    )
    store = store
    pressure = pressure

    def derived(self, ram_pages: int) -> Mapping[str, float]:
        """The limit; what the orders read, where they are asked."""
        limit = super().derived(ram_pages)
        return limit if self._is_queue() else {**limit, **victims.numbers()}

    def _is_queue(self) -> bool:
        return self.order == "fifo" and self.exclusive_loads == "on"

    def chosen_hooks(self) -> tuple[Hook, Hook, Hook, Hook]:
        """Those of the queue compile in a third of the time of those that know all orders."""
        if self._is_queue():
            return super().chosen_hooks()
        return ordered_store, ordered_load, type(self).wake, ordered_pressure

    def ghost_lists(self) -> tuple[int, ...]:
        """Those of the order."""
        return victims.ghosts(self.order)

    def registers(self) -> type[Registers]:
        """Those of the order, where it is asked."""
        return Registers if self._is_queue() else victims.registers(self.order)
