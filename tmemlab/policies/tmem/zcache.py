"""zcache of 2011: frontswap over a pool that cannot shrink."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..interface import (
    ACCEPT,
    ORDINARY,
    REFUSED,
    REJECT,
    Allocator,
    Policy,
    has_more_than,
    hook,
    load_keeps,
    param,
    push_tail,
    register,
)

ZV_HEADER = 40
"""Bytes of struct zv_hdr in front of each object, by its fields: not measured."""


@hook
def store(w: Any, page: int) -> int:
    """zcache_pampd_create for a persistent page: the tests in its order."""
    h = w.host
    clen, mean = w.pages[page].clen, w.p.zv_max_mean_zsize
    if not has_more_than(w, h.watermark_min):
        return REJECT  # the page for it is asked for without waiting and without reserves
    if h.pool_count > w.p.most_stored:
        h.limit_hits += 1
        return REJECT
    if clen > w.p.zv_max_zsize or w.class_of[clen] == REFUSED:
        return REJECT
    if clen > mean and h.pool_count > 0 and h.pool_pages * 4096 // h.pool_count > mean:
        return REJECT
    push_tail(w, 0, page)
    return ACCEPT


@register("tmem.zcache")
@dataclass(frozen=True)
class Zcache(Policy):
    """zcache as it was in 2011 and 2012, persistent pages only: it can refuse, but never give back.

    A put is refused when the pool holds more than ``zv_page_count_policy_percent`` of RAM in pages stored
    (not in bytes), when the page compresses to more than ``zv_max_zsize``, or when it compresses to more
    than ``zv_max_mean_zsize`` while the mean page takes more than that in the allocator. It is also refused
    below the min watermark, because memory for it is asked for without waiting and without reserves: the
    pool stops taking pages when memory is tightest. An accepted page leaves only when its slot is freed or
    stored again; the shrinker drops page cache only, of which this model has none. Loads keep the copy.
    Pages of zero bytes are ordinary pages. The pool is zsmalloc with chains of four and without handles, as
    in 3.4 to 3.6; xvmalloc, which 3.1 and 3.2 had, is not modelled.
    """

    zv_page_count_policy_percent: int = param(
        75, "pages stored at most", unit="percent of RAM", low=1, high=150, kernel="zv_page_count_policy_percent"
    )
    zv_max_zsize: int = param(
        3584, "refuse pages that compress to more", unit="bytes", low=0, high=3584, kernel="zv_max_zsize"
    )
    zv_max_mean_zsize: int = param(
        2560, "and those above this while the mean is", unit="bytes", low=0, high=4096, kernel="zv_max_mean_zsize"
    )

    sources = (
        "Linux 3.6 drivers/staging/zcache/zcache-main.c:zcache_pampd_create, zcache_do_preload, zv_create",
        "Linux 3.6 drivers/staging/zcache/zcache-main.c:shrink_zcache_memory (ephemeral pages only)",
        "Linux 3.4 drivers/staging/zsmalloc (no handle in front of objects)",
    )
    store = store
    load = load_keeps

    def derived(self, ram_pages: int) -> Mapping[str, float]:
        """Pages stored at most."""
        return {"most_stored": ram_pages * self.zv_page_count_policy_percent // 100}

    def allocator(self) -> Allocator:
        """No handle, but zcache's own header."""
        return Allocator("zsmalloc", header=ZV_HEADER - 8, chain=4, by_use=True)

    def zeros(self) -> int:
        """Compressed like others."""
        return ORDINARY
