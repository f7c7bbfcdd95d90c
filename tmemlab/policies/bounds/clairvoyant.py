"""Belady's choice for a pool of limited size."""

from dataclasses import dataclass
from typing import Any

from ...compiled import inner
from ..interface import (
    ACCEPT,
    DROP,
    KEEP,
    POOL,
    REJECT,
    Allocator,
    LimitedPool,
    Registers,
    Table,
    hook,
    param,
    push_tail,
    register,
    write_back,
)

# A heap element packs (event number of the next load, page) into one int64: 31 and 32 bits.
_PAGE_BITS = 32
_PAGE_MASK = (1 << _PAGE_BITS) - 1
_LAST_EVENT = (1 << 31) - 1  # "not loaded again"


class Own(Registers):
    """Registers."""

    heap_size: int
    keys = Table(per_page=1)  # the next load of a page
    heap = Table(per_page=2)  # elements that are out of date among them, dropped when it is full


@inner
def _sift_down(heap: Any, size: int, at: int) -> None:
    item = heap[at]
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and heap[child + 1] > heap[child]:
            child += 1
        if heap[child] <= item:
            break
        heap[at] = heap[child]
        at = child
    heap[at] = item


@inner
def _pop(heap: Any, size: int) -> int:
    top = heap[0]
    heap[0] = heap[size - 1]
    _sift_down(heap, size - 1, 0)
    return int(top)


@inner
def _push(heap: Any, size: int, item: int) -> None:
    at = size
    while at > 0:
        parent = (at - 1) // 2
        if heap[parent] >= item:
            break
        heap[at] = heap[parent]
        at = parent
    heap[at] = item


@inner
def _is_current(w: Any, keys: Any, item: int) -> bool:
    page = item & _PAGE_MASK
    return w.pages[page].place == POOL and keys[page] == item >> _PAGE_BITS


@inner
def _drop_stale(w: Any, keys: Any, heap: Any, size: int) -> int:
    kept = 0
    for i in range(size):
        if _is_current(w, keys, heap[i]):
            heap[kept] = heap[i]
            kept += 1
    for at in range(kept // 2 - 1, -1, -1):
        _sift_down(heap, kept, at)
    return kept


@inner
def _remember(w: Any, keys: Any, heap: Any, page: int, upcoming: int) -> None:
    size = w.own.heap_size
    keys[page] = upcoming
    if size == heap.shape[0]:
        size = _drop_stale(w, keys, heap, size)
    _push(heap, size, (upcoming << _PAGE_BITS) | page)
    w.own.heap_size = size + 1


@hook
def store(w: Any, page: int) -> int:
    """Keep the page if it is loaded sooner than something that is in the pool."""
    own = w.own
    keys, heap = own.keys, own.heap
    bypass, packed = w.p.bypass == 1, w.host.accesses == 0  # RAM itself holds whole pages
    upcoming = min(w.host.next_load, _LAST_EVENT)
    if bypass and upcoming == _LAST_EVENT:
        return REJECT
    size = own.heap_size
    room = min(w.p.limit, 1 << 40) << 12
    while w.host.pool_bytes + w.pages[page].clen > room if packed else w.host.pool_pages >= w.p.limit:
        while size > 0 and not _is_current(w, keys, heap[0]):
            _pop(heap, size)
            size -= 1
        if size == 0 or (bypass and heap[0] >> _PAGE_BITS <= upcoming):
            own.heap_size = size
            return REJECT
        victim = _pop(heap, size) & _PAGE_MASK
        size -= 1
        write_back(w, victim, False)
    own.heap_size = size
    _remember(w, keys, heap, page, upcoming)
    push_tail(w, 0, page)
    return ACCEPT


@hook
def load(w: Any, page: int) -> int:
    """Where the copy stays valid, keep it if it is loaded again before the next store."""
    upcoming = min(w.host.next_load, _LAST_EVENT)
    if w.p.bypass and upcoming == _LAST_EVENT:
        return DROP
    _remember(w, w.own.keys, w.own.heap, page, upcoming)
    return KEEP


@register("bounds.clairvoyant")
@dataclass(frozen=True)
class Clairvoyant(LimitedPool):
    """The best that a pool of limited size can do: Belady's choice, made with knowledge of the future.

    At the limit, the page whose next load is furthest away is written back; a page that is loaded later
    than all of those, or never, is not taken at all (``bypass=off`` takes it regardless, as a cache that
    must hold what is touched does). Its pool is packed: compressed bytes lie side by side, without size classes or
    holes, as no allocator has them. Optimal in loads served when all pages compress alike; where lengths vary,
    finding the optimum is NP-hard and this is a very good policy rather than a proven bound.
    """

    bypass: str = param("on", "may refuse pages that are needed last", choices=("on", "off"))

    sources = (
        "L. A. Belady, A study of replacement algorithms for a virtual-storage computer, IBM Syst. J. 5(2), 1966",
    )
    own = Own
    needs_future = True
    takes_accesses = True
    store = store
    load = load

    def allocator(self) -> Allocator:
        """No holes: a bound on what any allocator makes of the limit."""
        return Allocator("packed")
