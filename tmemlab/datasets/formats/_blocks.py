"""Requests of a swap device, as text of several formats has them.

A write is a store, a read a load, a discard an invalidate; the page is the swap slot, for nothing else is known
of it.
"""

from collections.abc import Iterator

from ..trace.schema import NO_CLEN, Op
from ._textlines import Event

SECTORS = 8  # of a page
_MAX_PAGES = {Op.STORE: 1 << 16, Op.LOAD: 1 << 16, Op.INVALIDATE: 1 << 24}  # of a request


def operation(rwbs: str) -> Op | None:
    """The op for the kernel's letters of a request; None where it moves no page (a flush, a barrier)."""
    for letter, op in (("D", Op.INVALIDATE), ("W", Op.STORE), ("R", Op.LOAD)):
        if letter in rwbs:
            return op
    return None


def requests_of(t: int, rwbs: str, sector: int, sectors: int, space: int, task: int) -> Iterator[Event]:
    """One event for each page of a request; ValueError where it is larger than any request is."""
    op = operation(rwbs)
    if op is None or not sectors:
        return
    first, end = sector // SECTORS, -(-(sector + sectors) // SECTORS)
    if end - first > _MAX_PAGES[op]:
        raise ValueError(f"a request of {sectors} sectors is not one of a swap device")
    for slot in range(first, end):
        yield t, op, slot, space, task, NO_CLEN


class Device:
    """The one device that events are taken of: the given one, or the only one there is."""

    def __init__(self, given: str | None) -> None:
        self._given = given
        self._seen: str | None = None

    def wanted(self, device: str) -> bool:
        """Whether an event of ``device`` counts; ValueError where there are several and none was given."""
        if self._given is not None:
            return device == self._given
        if self._seen not in (None, device):
            raise ValueError(f"there are requests of {self._seen} and of {device}: choose the swap device")
        self._seen = device
        return True
