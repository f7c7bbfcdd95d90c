"""Xen: selfballooning and frontswap-selfshrink."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ...compiled import inner
from ..interface import ACCEPT, KEEP, ORDINARY, REJECT, PercentPool, hook, param, push_tail, register, unlink
from . import selfshrink
from .selfshrink import BACK, STORED, shrink, swap_out_again

RHYTHMS = ("3.8", "3.16")
RESETS = 1  # 3.16


class Own(selfshrink.Own):
    """Registers, after those of selfshrink."""

    guest: int  # pages of RAM that the guest has


@inner
def _floor(w: Any) -> int:
    """The least memory the guest keeps, by its size [selfballoon_process]; megabytes in pages."""
    reserve = w.p.reserve
    useful = w.host.ram - reserve
    if useful < 16 << 8:
        return int(w.host.ram)
    if useful < 64 << 8:
        return reserve + (16 << 8) + (useful - (16 << 8) >> 1)
    if useful < 512 << 8:
        return reserve + (40 << 8) + (useful - (40 << 8) >> 3)
    return reserve + (99 << 8) + (useful - (99 << 8) >> 5)


@inner
def _goal(w: Any) -> int:
    h = w.host
    goal = h.ram - h.base_free - h.file + w.p.reserve + w.p.reserved
    if w.p.frontswap_selfshrinking:
        goal += h.pool_count
    return int(goal)


@inner
def _limit(w: Any) -> float:
    """What ballooning has left to the hypervisor, but no more than its limit."""
    h, own = w.host, w.own
    if not w.p.selfballooning:
        return float(w.p.limit)
    if own.guest == 0:  # the guest has run for long: it begins where ballooning would have led it
        own.guest = min(max(_goal(w), _floor(w)), h.ram)
    return min(float(w.p.limit), float(h.ram - own.guest))


@inner
def _balloon(w: Any) -> None:
    h, own = w.host, w.own
    _limit(w)
    goal, guest = _goal(w), own.guest
    if guest > goal:
        guest -= (guest - goal) // w.p.selfballoon_downhysteresis
    elif guest < goal:
        guest += (goal - guest) // w.p.selfballoon_uphysteresis
    # What the pool holds cannot be given to the guest.
    own.guest = min(max(guest, _floor(w)), h.ram - h.pool_pages)


@hook
def store(w: Any, page: int) -> int:
    """Take the page while the hypervisor has memory that the guest was ballooned out of."""
    h = w.host
    unlink(w, page)
    if h.pool_pages >= _limit(w):
        h.limit_hits += 1
        return REJECT
    if not w.p.tmem_compress:
        w.pages[page].clen = 4096
    push_tail(w, STORED, page)
    return ACCEPT


@hook
def load(w: Any, page: int) -> int:
    """Non-destructive."""
    return KEEP


@hook
def wake(w: Any, page: int) -> int:
    """The worker: balloon, then shrink."""
    h = w.host
    while h.wake <= h.now:
        if w.p.selfballooning:
            _balloon(w)
        if w.p.frontswap_selfshrinking:
            shrink(w, w.p.rhythm == RESETS)
        h.wake += w.p.interval_ns
    return 0


@hook
def pressure(w: Any, need: int) -> int:
    """The pool gives nothing; the VM swaps out again what was pulled back, longest ago first, to its slots."""
    return swap_out_again(w, need, w.host.above)


@register("tmem.xen_selfshrink")
@dataclass(frozen=True)
class XenSelfshrink(PercentPool):
    """A Xen guest's frontswap pool, which a timer drains by pulling pages back into the guest's RAM.

    Every ``selfballoon_interval`` the guest gives memory to the hypervisor, or takes it back, on its way to
    a goal of committed memory and reserves; what it has given bounds the pool. On the same tick
    frontswap_selfshrink looks at the number of pages in the pool: when it grew, or is zero, it waits
    ``frontswap_inertia`` ticks of no growth; then it pulls ``1/frontswap_hysteresis`` of the pages back
    into RAM, on every tick in the rhythm of 3.8, once in so many ticks in that of 3.16. Nothing reacts to
    memory pressure, and nothing of the pool goes to disk.

    A page that was pulled back is in the guest's RAM: it takes a page of free memory, and its next load is
    no fault at all. Under pressure the VM swaps such pages out again, longest ago first, to the slots they
    still have. Pulling back needs as much free memory and page cache as there are pages. Pages come back
    in the order in which they were stored, where the kernel goes by swap offset. Committed memory is what is
    in use without page cache. Memory that the hypervisor got and the pool does not use counts as free.
    Without ``tmem_compress``, which is off in Xen, a page takes a page.
    """

    max_pool_percent: float = param(
        100.0, "memory the hypervisor grants to the pool at most", unit="percent of RAM", low=0, high=100
    )
    rhythm: str = param("3.8", "whether a shrink restarts the inertia (3.16) or not", choices=RHYTHMS)
    selfballooning: str = param("on", "the pool is bounded by what the balloon took", choices=("on", "off"))
    frontswap_selfshrinking: str = param(
        "on", "pages are pulled back", choices=("on", "off"), kernel="frontswap_selfshrinking"
    )
    selfballoon_interval: int = param(5, "period", unit="s", low=1, high=3600, kernel="selfballoon_interval")
    selfballoon_downhysteresis: int = param(
        8, "share of the excess given up a tick, as a divisor", low=1, high=1000,
        kernel="selfballoon_downhysteresis",
    )  # fmt: skip
    selfballoon_uphysteresis: int = param(
        1, "share of the deficit taken back a tick, as a divisor", low=1, high=1000,
        kernel="selfballoon_uphysteresis",
    )  # fmt: skip
    selfballoon_reserved_mb: int = param(
        0, "headroom; from 3.16 on, 0 means a tenth of RAM", unit="MB", low=0, high=1 << 20,
        kernel="selfballoon_reserved_mb",
    )  # fmt: skip
    totalreserve_percent: float = param(
        1.0, "totalreserve_pages of the guest", unit="percent of RAM", low=0, high=50, kernel="totalreserve_pages"
    )
    frontswap_hysteresis: int = param(
        20, "share pulled back, as a divisor", low=1, high=1000, kernel="frontswap_hysteresis"
    )
    frontswap_inertia: int = param(
        3, "ticks to wait after growth", unit="ticks", low=0, high=1000, kernel="frontswap_inertia"
    )
    tmem_compress: str = param(
        "off", "the hypervisor compresses", choices=("off", "on"), kernel="tmem_compress (Xen)"
    )

    inert: ClassVar[dict[str, str]] = dict.fromkeys(
        (
            "selfballoon_downhysteresis", "selfballoon_uphysteresis", "selfballoon_reserved_mb",
            "totalreserve_percent", "frontswap_hysteresis",
        ),
        "a host with less than 16 MB, as those of the check are, has no ballooning and a pool that hardly shrinks",
    )  # fmt: skip
    sources = (
        "Linux 3.8 drivers/xen/xen-selfballoon.c:selfballoon_process, frontswap_selfshrink (3.8 to 3.11)",
        "Linux 3.16 drivers/xen/xen-selfballoon.c:frontswap_selfshrink (3.16 to 4.10)",
        "Linux 3.8 mm/frontswap.c:frontswap_shrink, __frontswap_unuse_pages; mm/swapfile.c:try_to_unuse",
        "xen-project/xen tmem_xen.h:_tmh_alloc_page_thispool",
    )
    own = Own
    ghosts = (BACK,)
    store = store
    load = load
    wake = wake
    pressure = pressure

    def derived(self, ram_pages: int) -> Mapping[str, float]:
        """Sizes in pages; the period in ns."""
        reserved = self.selfballoon_reserved_mb * 256
        if self.rhythm == "3.16" and reserved == 0:
            reserved = ram_pages // 10
        return {
            **super().derived(ram_pages),
            "reserve": int(ram_pages * self.totalreserve_percent // 100),
            "reserved": reserved,
            "interval_ns": self.selfballoon_interval * 10**9,
        }

    def first_wake(self) -> int:
        """The first tick."""
        return self.selfballoon_interval * 10**9

    def zeros(self) -> int:
        """Nothing knows pages of zero bytes."""
        return ORDINARY
