"""zcache2: pages of zbud in LRU order, with the writeback that was designed."""

from dataclasses import dataclass
from typing import Any, ClassVar

from ...compiled import inner
from .. import frames
from ..frames import added, evict_frame, settle
from ..interface import (
    ACCEPT,
    DROP,
    KEEP,
    NO_ALLOCATION,
    ORDINARY,
    REFUSED,
    REJECT,
    Allocator,
    Policy,
    has_more_than,
    hook,
    param,
    push_tail,
    register,
)

TMEM_HANDLE = 32
"""Bytes of struct tmem_handle stored with each object, by its fields: not measured."""


@inner
def is_too_long(w: Any, page: int) -> bool:
    """Whether the page compresses to more than a put may have, or to more than the mean while that is too high."""
    h, clen, mean = w.host, w.pages[page].clen, w.p.zbud_max_mean_zsize
    if clen > w.p.zbud_max_zsize or w.class_of[clen] == REFUSED:
        return True
    return bool(clen > mean and h.pool_count > 0 and h.pool_bytes // h.pool_count > mean)


@hook
def store(w: Any, page: int) -> int:
    """zcache_pampd_pers_create: length, mean, then a page without waiting and without reserves."""
    h = w.host
    settle(w)
    if is_too_long(w, page):
        return REJECT
    if not has_more_than(w, h.watermark_min):
        h.limit_hits += 1
        return REJECT
    push_tail(w, 0, page)
    added(w, page)
    return ACCEPT


@hook
def load(w: Any, page: int) -> int:
    """Exclusive gets, the default, free the copy."""
    return DROP if w.p.exclusive_gets else KEEP


@hook
def pressure(w: Any, need: int) -> int:
    """shrink_zcache_memory as designed: page frames, oldest first, until there are no more than of anon memory."""
    h = w.host
    if not w.p.writeback:
        return 0
    before = h.pool_pages
    while h.pool_pages > h.ram - h.base_free - h.file:
        if evict_frame(w) == 0:
            break
    return int(before - h.pool_pages)


@register("tmem.zcache2")
@dataclass(frozen=True)
class Zcache2(Policy):
    """zcache of 3.9 to 3.11: a zbud of its own, whose pages are in LRU order, with writeback as designed.

    A put is refused when the page compresses to more than 3584 bytes, or to more than 2560 while the mean
    compressed length is above that, or when free memory is at the min watermark and no stored page has room
    beside it; there is no limit on the pool. Loads free the copy unless exclusive gets are switched off.

    No kernel as shipped writes anything back: the configuration option depended on BROKEN. With
    ``writeback=on`` pressure does what was designed: pages of zbud, least recently filled first, with both
    objects, while the pool has more pages than the LRU lists have anonymous memory, whatever reclaim asked
    for. Anonymous memory is taken to be what is neither free nor page cache. That a page with room beside
    one is still used below the min watermark is left out. Cleancache's pages are not in the trace.
    """

    exclusive_gets: str = param(
        "on", "a load frees the copy", choices=("on", "off"), kernel="nofrontswapexclusivegets"
    )
    writeback: str = param(
        "off", "the shrinker writes back", choices=("off", "on"), kernel="CONFIG_ZCACHE_WRITEBACK"
    )
    zero_filled: str = param("on", "pages of zero bytes take no memory, as in 3.11", choices=("on", "off"))
    zbud_max_zsize: int = param(
        3584, "refuse pages that compress to more", unit="bytes", low=0, high=4000, kernel="zbud_max_zsize"
    )
    zbud_max_mean_zsize: int = param(
        2560, "and those above this while the mean is", unit="bytes", low=0, high=4096,
        kernel="zbud_max_mean_zsize",
    )  # fmt: skip

    sources = (
        "Linux 3.9 drivers/staging/zcache/zcache-main.c:zcache_pampd_pers_create, shrink_zcache_memory",
        "Linux 3.9 drivers/staging/zcache/zcache-main.c:zcache_frontswap_writeback (depends on BROKEN)",
        "Linux 3.9 drivers/staging/zcache/zbud.c:zbud_match_prep, zbud_create_prep",
        "Linux 3.11 drivers/staging/zcache/zcache-main.c (zero-filled pages)",
    )
    inert: ClassVar[dict[str, str]] = {
        "writeback": "acts where the pool has more pages than there is anonymous memory: tested by hand instead"
    }
    own = frames.Own
    store = store
    load = load
    pressure = pressure

    def allocator(self) -> Allocator:
        """64 chunks without a header, a handle with each object."""
        return Allocator("zbud2", header=TMEM_HANDLE)

    def zeros(self) -> int:
        """Marked in 3.11, ordinary pages in 3.9."""
        return NO_ALLOCATION if self.zero_filled == "on" else ORDINARY
