"""LIRS: low inter-reference recency set."""

from dataclasses import dataclass
from typing import Any

from ...compiled import inner
from ..interface import (
    Registers,
    Table,
    enlist,
    entries_within,
    is_on,
    oldest,
    param,
    register,
    unlink,
    write_back,
)
from .shared import Order, load_of, store_of

QUEUE, LIR, GHOST = 0, 1, 2  # lists: HIR pages in the pool, LIR pages, HIR pages that left it


class Own(Registers):
    """The stack's links. A page can be in it and on one of the lists at once, so it has links of its own.

    They hold index + 1, and 0 means not in the stack; the last two are those of its head.
    """

    up = Table(1, per_page=1)  # towards the top
    down = Table(1, per_page=1)


@inner
def _links(w: Any) -> Any:
    """(towards the top, towards the bottom, index of the head)."""
    head = w.pages.shape[0]
    up, down = w.own.up, w.own.down
    if up[head] == 0:
        up[head] = down[head] = head + 1
    return up, down, head


@inner
def _leave_stack(w: Any, page: int) -> None:
    up, down, _ = _links(w)
    if up[page]:
        up[down[page] - 1] = up[page]
        down[up[page] - 1] = down[page]
        up[page] = down[page] = 0


@inner
def _to_top(w: Any, page: int) -> None:
    _leave_stack(w, page)
    up, down, head = _links(w)
    top = down[head] - 1
    up[page] = head + 1
    down[page] = top + 1
    up[top] = page + 1
    down[head] = page + 1


@inner
def _prune(w: Any) -> int:
    """Take pages off the bottom until a LIR page is there; that page, or -1."""
    up, _, head = _links(w)
    while True:
        bottom = up[head] - 1
        if bottom == head:
            return -1
        if is_on(w, LIR, bottom):
            return bottom
        if is_on(w, GHOST, bottom):
            unlink(w, bottom)
        _leave_stack(w, bottom)


@inner
def _demote_bottom(w: Any) -> None:
    """The LIR page that was not used for longest becomes a HIR page."""
    bottom = _prune(w)
    if bottom >= 0:
        _leave_stack(w, bottom)
        unlink(w, bottom)
        enlist(w, QUEUE, bottom)
        _prune(w)


@inner
def _forget_oldest_ghost(w: Any) -> None:
    ghost = oldest(w, GHOST)
    unlink(w, ghost)
    _leave_stack(w, ghost)


@inner
def arrive(w: Any, page: int, compressed: bool) -> int:
    """Whether the stack remembers the page."""
    remembered = int(is_on(w, GHOST, page))
    unlink(w, page)
    if not remembered:
        _leave_stack(w, page)  # it left the pool by itself
    return remembered


@inner
def evict(w: Any, met: int, compressed: bool) -> bool:
    """The oldest HIR page of the queue leaves the pool; while it is in the stack it is remembered."""
    whole = min(entries_within(w, w.p.limit), w.host.pool_count)
    if w.lengths[QUEUE] == 0:
        _demote_bottom(w)
    victim = oldest(w, QUEUE)
    if victim < 0:
        return False
    write_back(w, victim, compressed)
    if _links(w)[0][victim]:
        enlist(w, GHOST, victim)
        while w.lengths[GHOST] > int(whole * w.p.nonresident_ratio):
            _forget_oldest_ghost(w)
    return True


@inner
def insert(w: Any, page: int, met: int) -> None:
    """To the top of the stack: as LIR if it was remembered or there is room for more, else as HIR."""
    whole = entries_within(w, w.p.limit)
    lirs = whole - max(1, int(whole * w.p.hir_ratio))
    _to_top(w, page)
    if met:
        enlist(w, LIR, page)
        if w.lengths[LIR] > lirs:
            _demote_bottom(w)
    elif w.lengths[LIR] < lirs:
        enlist(w, LIR, page)
    else:
        enlist(w, QUEUE, page)


@inner
def touch(w: Any, page: int) -> None:
    """A LIR page goes to the top; a HIR page that is still in the stack becomes LIR."""
    if is_on(w, LIR, page):
        _to_top(w, page)
        _prune(w)
        return
    in_stack = _links(w)[0][page] != 0
    _to_top(w, page)
    unlink(w, page)
    if in_stack:
        enlist(w, LIR, page)
        _demote_bottom(w)
    else:
        enlist(w, QUEUE, page)


@register("order.lirs")
@dataclass(frozen=True)
class LIRS(Order):
    """Pages are ranked by the recency between their last two uses, not by that of the last one.

    Most of the pool holds LIR pages, whose uses come close together; a small queue holds HIR pages, and
    room is made from its oldest. A stack keeps all LIR pages and those HIR pages, in the pool or not, that
    were used more recently than the least recent LIR page. A HIR page used while it is in the stack
    becomes LIR, and the LIR page at the bottom takes its place in the queue.

    Of pages that left the pool at most ``nonresident_ratio`` times the number that fit are remembered; the
    paper leaves that bound open. libCacheSim's LIRS agrees on loops; elsewhere its results differ slightly,
    because a HIR page that re-entered the stack by a hit still counts there as held after it left the
    queue: it serves hits from more pages than its size.
    """

    hir_ratio: float = param(0.01, "share of the queue of HIR pages", unit="of the pool", low=0, high=1)
    nonresident_ratio: float = param(
        1.0, "pages remembered that left, as a share of those that fit", unit="of the pool", low=0, high=10
    )

    sources = (
        "S. Jiang and X. Zhang, LIRS: an efficient low inter-reference recency set replacement policy,"
        " SIGMETRICS 2002",
        "compared with libCacheSim's LIRS",
    )
    own = Own
    ghosts = (GHOST,)
    store = store_of(arrive, evict, insert)
    load = load_of(touch)
