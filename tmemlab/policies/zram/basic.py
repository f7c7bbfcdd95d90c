"""zram without writeback."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...units import PAGE_SIZE
from ..interface import (
    ACCEPT,
    DROP,
    KEEP,
    REFUSE,
    REJECT,
    Policy,
    hook,
    pages_to_store,
    param,
    push_tail,
    register,
)

FALLBACKS = ("disk", "none")
DISK = 0


@hook
def store(w: Any, page: int) -> int:
    """Take the page while the device has slots and memory."""
    h = w.host
    if h.pool_count >= w.p.slots:
        h.limit_hits += 1
        return REJECT if w.p.fallback == DISK else REFUSE
    if w.pages[page].clen >= w.p.huge_class_size:
        w.pages[page].clen = 4096
    if w.p.limit >= 0:
        needed = h.pool_pages + pages_to_store(w, w.pages[page].clen)
        if needed > w.p.limit:  # tested once the object is allocated, and freed again
            h.limit_hits += 1
            h.peak_pool_pages = max(h.peak_pool_pages, needed)
            return REFUSE
    push_tail(w, 0, page)
    return ACCEPT


@hook
def load(w: Any, page: int) -> int:
    """The slot, and with it the copy, is freed at swap-in, or kept until it is freed otherwise."""
    return DROP if w.p.free_on_load else KEEP


@register("zram.basic")
@dataclass(frozen=True)
class ZramBasic(Policy):
    """zram as the swap device, nothing ever written back.

    The device has ``disksize`` slots; when they are taken the core goes on to the next swap device, a disk
    (``fallback=disk``), or the page stays where it is (``fallback=none``). A store after whose allocation the
    device has more than ``mem_limit`` fails with a write error: the core marks the page dirty again and it stays
    in RAM, so reclaim made no progress. The limit is rounded up to whole pages. An object that fits into a zspage
    which has room allocates nothing, and is taken at the limit. Pages that compress to the huge class are kept
    raw, one page each. There is no order and no reaction to pressure.
    """

    disksize_percent: float = param(
        50.0, "slots of the device", unit="percent of RAM", low=0, high=1000, kernel="disksize"
    )
    mem_limit_percent: float = param(
        0.0, "memory the device may use; 0 = no limit", unit="percent of RAM", low=0, high=100, kernel="mem_limit"
    )
    huge_class_size: int = param(
        3625, "from this length a page is kept raw", unit="bytes", low=1, high=4096, kernel="huge_class_size"
    )
    free_on_load: str = param("on", "a swap-in frees the slot and the copy", choices=("on", "off"))
    fallback: str = param("disk", "where pages go when the slots are taken", choices=FALLBACKS)

    since = (3, 14)
    sources = (
        "Linux 7.1 drivers/block/zram/zram_drv.c:zram_write_page (huge class, mem_limit)",
        "Linux 6.18 mm/page_io.c:end_swap_bio_write (a write error leaves the page dirty in RAM)",
        "Linux 6.18 mm/memory.c:do_swap_page (SWP_SYNCHRONOUS_IO: the slot is freed at swap-in)",
    )
    synchronous = True
    store = store
    load = load

    def derived(self, ram_pages: int) -> Mapping[str, float]:
        """Limit, -1 for none, and slots, in pages."""
        limit = -(-round(ram_pages * PAGE_SIZE * self.mem_limit_percent / 100) // PAGE_SIZE)
        return {
            "limit": limit if self.mem_limit_percent else -1,
            "slots": int(ram_pages * self.disksize_percent // 100),
        }

    def with_pool(self, pool_bytes: int, ram_bytes: int) -> "ZramBasic":
        """The same with ``mem_limit`` set to ``pool_bytes``."""
        return replace(self, mem_limit_percent=100 * max(pool_bytes, 1) / ram_bytes)
