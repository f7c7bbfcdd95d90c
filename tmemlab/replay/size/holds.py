"""Which copies a pool has to hold for which load to be a hit: a span of time with a size for each load.

A load is a hit if the pool held the page's copy from the moment the page left RAM to the load itself. When
pages leave is what the open loop replays (loops/open.py, inputs/unwritten.py): at a store, or, where the
recorded kernel dropped a clean page without a row of its own, as many rows later as pages usually stay in RAM.
A page that is in RAM needs no copy: loads take it, as zswap's do since Linux 6.5.

In a trace of page accesses the pool is RAM itself, and a page is held from one access to the next.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...compiled import inner, njit
from ...datasets.trace.schema import Flag, Op, Where
from ...units import PAGE_SIZE
from ..inputs.columns import Columns
from ..inputs.unwritten import DROPPED, RETRIED, UNWRITTEN

_STORE, _LOAD = int(Op.STORE), int(Op.LOAD)
_COPY_STAYS = int(Flag.COPY_STAYS)

_IN_RAM, _OUT, _ZEROS, _ON_DISK = range(4)
"""Where a page is. On disk: it was there before the trace began and no pool can have it."""

_DUE, _AT_LOAD, _AT_STORE, _TURNS = range(4)
"""What happens at one event, in this order: a page that is due leaves RAM, a copy is loaded, a page leaves."""


@dataclass(frozen=True)
class Holds:
    """Every load that a pool can serve, in the order of the loads."""

    began: npt.NDArray[np.int64]
    """A turn, 3 x event + 0 to 2: when the copy has to be there; below 0: when the trace begins."""
    ended: npt.NDArray[np.int64]
    """The turn of the load."""
    page: npt.NDArray[np.uint32]
    length: npt.NDArray[np.uint16]
    """Compressed bytes."""
    loads: int
    """All loads of the trace."""
    free: int
    """Loads that need no memory: pages of zero bytes."""

    def __len__(self) -> int:
        return len(self.page)

    @property
    def unservable(self) -> int:
        """Loads of pages that were out before the trace began, or touched for the first time: never a hit."""
        return self.loads - self.free - len(self)

    def times(self, t: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """When each began and ended, ns; ``t``: the time of each event."""
        return time_of(self.began, t), time_of(self.ended, t)


def time_of(turns: npt.NDArray[np.int64], t: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The time of turns, ns since the trace began."""
    return np.asarray(np.where(turns < 0, 0, t[np.maximum(turns, 0) // _TURNS]), np.int64)


@inner
def _leave(where: Any, since: Any, length: Any, page: int, turn: int, clen: int) -> None:
    """``page`` leaves RAM."""
    where[page] = _OUT if clen else _ZEROS
    since[page] = turn
    length[page] = clen


@njit(cache=True, nogil=True)
def _follow(columns: Any, residence: int, where: Any, since: Any, length: Any, out: Any) -> Any:
    """Go through swap traffic; (holds found, loads of zeros). out: began, ended, page, length, to be filled."""
    op, page, flags, clen = columns
    began, ended, held, lengths = out
    spares = residence > 0
    due = residence if spares else op.shape[0]
    count = free = 0
    for i in range(op.shape[0]):
        if i >= due and flags[i - due] & DROPPED and where[page[i - due]] == _IN_RAM:
            _leave(where, since, length, page[i - due], _TURNS * i + _DUE, clen[i - due])
        p = page[i]
        if op[i] == _STORE:
            spared = flags[i] & RETRIED or (spares and flags[i] & UNWRITTEN)
            if not (spared and where[p] in (_OUT, _ON_DISK)):
                _leave(where, since, length, p, _TURNS * i + _AT_STORE, clen[i])
            continue
        if op[i] != _LOAD:
            where[p] = _IN_RAM
            continue
        stays = flags[i] & _COPY_STAYS
        if where[p] == _OUT:
            began[count], ended[count] = since[p], _TURNS * i + _AT_LOAD
            held[count], lengths[count] = p, length[p]
            count += 1
            if stays and not spares:
                since[p] = _TURNS * i + _AT_STORE
            else:
                where[p] = _IN_RAM
        elif where[p] == _ZEROS:
            free += 1
            if not stays:
                where[p] = _IN_RAM
        else:
            where[p] = _ON_DISK if stays or spares else _IN_RAM
        if spares and stays and not flags[i] & DROPPED and where[p] == _IN_RAM:  # read again before it is due
            _leave(where, since, length, p, _TURNS * i + _AT_STORE, clen[i])
    return count, free


@njit(cache=True, nogil=True)
def _follow_accesses(page: Any, since: Any, out: Any) -> int:
    """The same for page accesses: all but the first of a page."""
    began, ended, held, lengths = out
    count = 0
    for i in range(page.shape[0]):
        p = page[i]
        if since[p] >= 0:
            began[count], ended[count] = since[p], _TURNS * i + _AT_LOAD
            held[count], lengths[count] = p, PAGE_SIZE
            count += 1
        since[p] = _TURNS * i + _AT_STORE
    return count


def find_holds(columns: Columns) -> Holds:
    """The holds of a trace; two passes over nothing but its columns, 22 bytes a load."""
    began, ended = np.empty(columns.loads, np.int64), np.empty(columns.loads, np.int64)
    held, lengths = np.empty(columns.loads, np.uint32), np.empty(columns.loads, np.uint16)
    out = began, ended, held, lengths
    since = np.full(columns.pages, -1, np.int64)
    free = 0
    if columns.kind == "access":
        count = _follow_accesses(columns.page, since, out)
    else:
        found_in = columns.first_seen_in
        where = np.full(columns.pages, _IN_RAM, np.uint8)
        where[found_in == Where.DISK], where[found_in == Where.ZERO] = _ON_DISK, _ZEROS
        inside = np.flatnonzero(found_in == Where.POOL)
        where[inside] = _OUT
        since[inside] = np.arange(len(inside)) - len(inside)  # in the order in which a replay begins with them
        length = np.zeros(columns.pages, np.uint16)
        length[inside] = columns.lengths[np.arange(len(inside)) * len(columns.lengths) // max(len(inside), 1)]
        read = columns.op, columns.page, columns.flags, columns.clen
        count, free = _follow(read, columns.residence, where, since, length, out)
    return Holds(began[:count], ended[:count], held[:count], lengths[:count], columns.loads, free)
