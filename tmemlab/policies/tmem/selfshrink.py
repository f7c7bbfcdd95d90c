"""frontswap_selfshrink: a timer pulls a part of the pool back into RAM while the pool does not grow.

Linux 3.8 drivers/xen/xen-selfballoon.c:frontswap_selfshrink, and its copy in RAMster. What came back is on a
list of its own, from which the VM swaps it out again when memory is short.
"""

from typing import Any

from ...compiled import inner
from ..interface import RESIDENT, Registers, free_pages, oldest, pull_back, push_tail, swap_to_store, unlink

STORED, BACK = 0, 1
"""Lists: pages in the pool, pages that were pulled back into RAM."""


class Own(Registers):
    """Registers."""

    last_count: int  # pages in the pool two ticks ago
    count: int  # and at the last one
    counter: int  # ticks of inertia that are left


@inner
def shrink(w: Any, resets: bool) -> None:
    """One period, by the policy's ``frontswap_hysteresis`` and ``frontswap_inertia``.

    ``resets``: after a shrink the inertia counts again, as from 3.16 on.
    """
    h, own = w.host, w.own
    hysteresis, inertia = w.p.frontswap_hysteresis, w.p.frontswap_inertia
    own.last_count = own.count
    own.count = h.pool_count
    if own.count == 0 or own.count > own.last_count:
        own.counter = inertia
        return
    if own.counter:
        own.counter -= 1
        if own.counter:
            return
    if resets:
        own.counter = inertia
    wanted = own.count if own.count <= hysteresis else own.count // hysteresis
    if free_pages(w) + h.file < wanted:
        return  # security_vm_enough_memory() fails: nothing is pulled back
    for _ in range(wanted):
        page = oldest(w, STORED)
        if page < 0:
            return
        pull_back(w, page)
        push_tail(w, BACK, page)


@inner
def swap_out_again(w: Any, need: int, level: int) -> int:
    """The VM swaps out what was pulled back, longest ago first, to its slots; pages of RAM given back."""
    h = w.host
    freed = 0
    while freed < need:
        page = oldest(w, BACK)
        if page < 0:
            break
        unlink(w, page)
        if w.pages[page].place != RESIDENT:
            continue  # it was loaded or freed since
        h.resident -= 1
        h.base_free += 1
        swap_to_store(w, page, level)
        freed += 1
    return freed
