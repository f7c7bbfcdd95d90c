"""Orders in which the allocator's pages leave, each with all the objects in it.

zbud and z3fold keep their pages in an order of their own: an object that is added makes its page the newest,
and what is evicted is a page [Linux 6.1 mm/zbud.c:zbud_alloc, zbud_reclaim_page; mm/z3fold.c]. Here the
objects of a page are neighbours on list 0. A policy that uses this has the registers of :class:`Own`, calls
``added`` in its store and ``settle`` before its next decision.
"""

from typing import Any

from ..compiled import inner
from .interface import POOL, Registers, Table, oldest, push_tail, unlink, write_back

_MOST = 3
"""Objects in a page of the allocator at most."""


class Own(Registers):
    """Registers."""

    last_stored: int  # page + 1; 0: it has its place
    members = Table(per_page=_MOST)  # of each frame, page + 1


@inner
def added(w: Any, page: int) -> None:
    """The page was stored; which frame it gets is seen later."""
    w.own.last_stored = page + 1


@inner
def settle(w: Any) -> None:
    """Make the frame that got the last stored page the newest, with all that is in it.

    Where the engine has put a page is known only after the store, so this runs before the next decision. The page
    may have left by then: the frame that it joined was promoted all the same, with whoever is still in it.
    """
    page = w.own.last_stored - 1
    w.own.last_stored = 0
    if page < 0:
        return
    frame = w.frames[page]
    members = w.own.members
    first = _MOST * frame
    room = first
    for slot in range(first, first + _MOST):
        mate = members[slot] - 1
        if mate >= 0 and mate != page and w.pages[mate].place == POOL and w.frames[mate] == frame:
            unlink(w, mate)
            push_tail(w, 0, mate)
        else:
            members[slot] = 0
            room = slot
    if w.pages[page].place == POOL:
        members[room] = page + 1
        unlink(w, page)
        push_tail(w, 0, page)


@inner
def evict_frame(w: Any) -> int:
    """Write back everything in the oldest page of the allocator; how many objects that was."""
    settle(w)
    victim = oldest(w, 0)
    written = 0
    if victim >= 0:
        frame = w.frames[victim]
        while victim >= 0 and w.frames[victim] == frame:
            write_back(w, victim, False)
            written += 1
            victim = oldest(w, 0)
    return written
