"""zram without writeback."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..interface import ACCEPT, DROP, KEEP, REFUSE, REJECT, Policy, hook, param, push_tail, register

FALLBACKS = ("disk", "none")
DISK = 0


@hook
def store(w: Any, page: int) -> int:
    """Take the page while the device has slots and memory."""
    h = w.host
    if h.pool_count >= w.p.slots:
        h.limit_hits += 1
        return REJECT if w.p.fallback == DISK else REFUSE
    if w.p.limit > 0 and h.pool_pages >= w.p.limit:
        h.limit_hits += 1
        return REFUSE
    if w.pages[page].clen >= w.p.huge_class_size:
        w.pages[page].clen = 4096
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
    (``fallback=disk``), or the page stays where it is (``fallback=none``). A store that would exceed
    ``mem_limit`` fails with a write error: the core marks the page dirty again and it stays resident, so
    reclaim made no progress. Pages that compress to the huge class are kept raw, one page each. There is
    no order and no reaction to pressure.
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
        """Limit, 0 for none, and slots, in pages."""
        return {
            "limit": int(ram_pages * self.mem_limit_percent // 100),
            "slots": int(ram_pages * self.disksize_percent // 100),
        }

    def with_pool(self, pool_bytes: int, ram_bytes: int) -> "ZramBasic":
        """The same with ``mem_limit`` set to ``pool_bytes``."""
        return replace(self, mem_limit_percent=100 * pool_bytes / ram_bytes)
