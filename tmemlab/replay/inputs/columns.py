"""A trace as the engine wants it: flat columns, every compressed length filled in."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...compiled import njit
from ...datasets.trace.read import Trace
from ...datasets.trace.schema import NO_CLEN, Flag, Op, Where
from ...errors import TraceError
from ...policies.interface import NEVER
from ...units import PAGE_SIZE
from ...world.records import SAME_FILLED_LENGTH
from ...world.view import prefetch
from .recorded_settings import keeps_copies, rejects_poor
from .spill import read_columns
from .unwritten import DROPPED, RETRIED, UNWRITTEN, habits, not_written

_STORE, _LOAD, _INVALIDATE = int(Op.STORE), int(Op.LOAD), int(Op.INVALIDATE)
_COPY_STAYS = int(Flag.COPY_STAYS)
_ZERO, _POOL, _DISK, _FAILED = int(Where.ZERO), int(Where.POOL), int(Where.DISK), int(Where.FAILED)
_NO_CLEN = NO_CLEN
_KNUTH = 2654435761
_NEARBY = 16
_ENOUGH = 100
"""Lengths to draw from, for their distribution to be worth more than that of all."""


@dataclass(frozen=True)
class Columns:
    """One trace in memory, shared read-only by all replays."""

    path: Path
    kind: str
    t: npt.NDArray[np.int64]
    op: npt.NDArray[np.uint8]
    page: npt.NDArray[np.uint32]
    flags: npt.NDArray[np.uint8]
    where: npt.NDArray[np.uint8]
    clen: npt.NDArray[np.uint16]
    """Every store has a length: its own, its page's, or one drawn from those that were measured. Like ``op``,
    ``flags`` and ``where`` it is empty for an access trace."""
    cgroup_of_page: npt.NDArray[np.uint16]
    first_seen_in: npt.NDArray[np.uint8]
    """A page: where the kernel found it if its first event is a load, else Where.UNKNOWN."""
    pages: int
    stores: int
    loads: int
    invalidates: int
    clen_source: str
    lengths: npt.NDArray[np.uint16]
    """A sorted sample of compressed lengths, for pages that are not in the trace."""
    residence: int = 0
    """Events for which a page stays in RAM once read (unwritten.py); 0: not known, and ``flags`` do not tell."""

    @property
    def events(self) -> int:
        """Rows of the trace."""
        return len(self.page)


_SURVEYED = np.dtype(
    [("last", "i8"), ("group", "u2"), ("first", "u1"), ("seen", "u1"), ("failed", "u1")], align=True
)
"""What is known of a page, together: a page is one place in memory, not five. last: 0, or event << 2, plus 1,
and 2: the copy of that load went, so that it was stored, written or not; 1: its copy stayed."""

_RECORD = _SURVEYED.itemsize
_AHEAD = 16
"""Events ahead at which a page's record is asked for: the table is larger than the caches."""


@njit(cache=True, nogil=True)
def _survey(events: Any, pages: Any, counts: Any, residence: int, threshold: int, keeps: bool) -> None:
    """One pass: what each page's first event was, counts by op, COPY_STAYS where a load follows a load, and what
    unwritten.py tells of reads. events: op, page, where, cgroup, flags. pages: records of _SURVEYED, zeros. keeps:
    the recorded pool kept what it gave back, so that a page from it was as clean as one from disk.
    """
    op, page, where, cgroup, flags = events
    table, ahead = pages.ctypes.data, op.shape[0] - _AHEAD
    for i in range(op.shape[0]):
        if i < ahead:
            prefetch(table + page[i + _AHEAD] * _RECORD)
        p = pages[page[i]]
        kind = op[i]
        counts[kind] += 1
        if not p.seen:
            p.seen = 1
            p.group = cgroup[i]
            p.first = where[i] if kind == _LOAD else 4
        if p.failed and kind == _STORE:
            flags[i] |= RETRIED
        p.failed = kind == _STORE and where[i] == _FAILED
        last = p.last - 1
        if last >= 0:
            before = last >> 2
            late = residence > 0 and i - before > residence
            if kind == _LOAD:
                flags[before] |= _COPY_STAYS | (DROPPED if late else 0)
            elif kind == _STORE:
                # A page that was not zero bytes when it was read and is now was written.
                if residence > 0 and last & 2 and where[i] != _ZERO and not_written(page[i], i, threshold):
                    flags[i] |= UNWRITTEN
            elif late and last & 1:
                flags[before] |= DROPPED
        taken = where[i] == _POOL and not keeps
        stayed = where[i] == _DISK or (where[i] == _POOL and keeps)
        p.last = (i << 2 | taken << 1 | stayed) + 1 if kind == _LOAD else 0
    if residence == 0:
        return
    for i in range(pages.shape[0]):
        last = pages[i].last - 1
        if last >= 0 and last & 1 and last >> 2 < op.shape[0] - residence:
            flags[last >> 2] |= DROPPED


@njit(cache=True, nogil=True)
def _fill_lengths(op: Any, page: Any, where: Any, clen: Any, pages: int, known: Any, turned_away: Any) -> None:
    """Give every event a length.

    A measured length holds for the page from where it was measured, backwards to the store it belongs to
    and forwards until the next one; other pages draw from ``known`` (sorted) by a hash of their id, so
    that a page keeps its length and the distribution is kept. Pages that the kernel's pool did not take draw from
    ``turned_away``: before Linux 6.15 they are those that do not compress.
    """
    length_of = np.full(pages, _NO_CLEN, np.uint16)
    for i in range(op.shape[0] - 1, -1, -1):  # backwards: a load tells the length of the store before it
        p = page[i]
        if clen[i] != _NO_CLEN:
            length_of[p] = clen[i]
        elif length_of[p] != _NO_CLEN and op[i] == _STORE:
            clen[i] = length_of[p]
    length_of[:] = _NO_CLEN
    for i in range(op.shape[0]):
        p = page[i]
        if op[i] == _STORE and where[i] == _ZERO:
            clen[i] = 0
        elif clen[i] == _NO_CLEN:
            if length_of[p] == _NO_CLEN:
                drawn = turned_away if op[i] == _STORE and where[i] != _POOL else known
                length_of[p] = drawn[((p * _KNUTH) & 0xFFFFFFFF) * drawn.shape[0] >> 32]
            clen[i] = length_of[p]
        else:
            length_of[p] = clen[i]
        if clen[i] == 0 and where[i] != _ZERO:
            clen[i] = SAME_FILLED_LENGTH  # of one non-zero value: since Linux 6.12 an ordinary, tiny page


@njit(cache=True, nogil=True)
def _correct_special(op: Any, where: Any, clen: Any) -> None:
    """What _fill_lengths does to pages of one value, where every length was measured."""
    for i in range(op.shape[0]):
        if where[i] != _ZERO:
            if clen[i] == 0:
                clen[i] = SAME_FILLED_LENGTH
        elif op[i] == _STORE:
            clen[i] = 0


@njit(cache=True, nogil=True)
def _does_not_compress(op: Any, where: Any, clen: Any) -> None:
    """Before Linux 6.15 zswap rejects what does not compress: a page that it turned away while it took others.

    The store's own verdict is surer than a length sampled beside it, and known where no sample was taken. Others
    means one of the last sixteen stores, and one of the next: at its limit the pool takes none for a long time.
    """
    taken, stores = -_NEARBY, 0
    waiting = np.empty(_NEARBY, np.int64)  # rejected since the last store that was taken
    held = 0
    for i in range(op.shape[0]):
        if op[i] != _STORE:
            continue
        stores += 1
        if where[i] == _POOL:
            if stores - taken <= _NEARBY:
                clen[waiting[:held]] = PAGE_SIZE
            taken, held = stores, 0
        elif where[i] != _ZERO and held < _NEARBY:
            waiting[held] = i
            held += 1


@njit(cache=True, nogil=True)
def next_loads(op: Any, page: Any, pages: int) -> Any:
    """A event: the number of the next event that loads its page before the page is stored or freed again."""
    upcoming = np.full(pages, NEVER, np.int64)
    result = np.empty(page.shape[0], np.int64)
    only_loads = op.shape[0] == 0  # an access trace
    for i in range(page.shape[0] - 1, -1, -1):
        p = page[i]
        result[i] = upcoming[p]
        upcoming[p] = i if only_loads or op[i] == _LOAD else NEVER
    return result


def _sample(clen: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    """At most 65536 of the lengths that were measured, sorted."""
    known = clen[:: max(len(clen) >> 20, 1)]
    known = known[(known != NO_CLEN) & (known != 0)]
    if not len(known):
        known = clen[(clen != NO_CLEN) & (clen != 0)]
    if len(known) > 65536:
        known = known[np.linspace(0, len(known) - 1, 65536).astype(np.int64)]
    return np.sort(known)


def measured_lengths(trace: Trace, clen: npt.NDArray[np.uint16]) -> tuple[npt.NDArray[np.uint16], str]:
    """Sorted lengths to draw from, and how they were obtained.

    Raises TraceError where nothing in the trace tells how well its pages compress.
    """
    known = _sample(clen)
    if len(known):
        return known, trace.manifest.clen.method
    if (clen == 0).any():  # nothing but pages of one value
        return np.array([SAME_FILLED_LENGTH], np.uint16), trace.manifest.clen.method
    pool, stored = (trace.column("samples", name) for name in ("pool_bytes", "pool_stored_bytes"))
    pool, stored = pool[pool >= 0], stored[stored >= 0]
    if len(pool) == len(stored) and stored.sum() > 0:
        mean = int(np.clip(4096 * pool.sum() / stored.sum(), 32, 4096))
        return np.array([mean], np.uint16), "pool ratio: the recorded pool's bytes over the bytes stored in it"
    raise TraceError(
        f"{trace.path} has no compressed lengths (clen) and no recorded pool to infer them from: "
        "record with zswap on, or with length sampling"
    )


def neighbours(trace: Trace, pages: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """For each page the one before and the one after it in its address space, -1 for none.

    Both empty where the trace does not tell, as an imported one.
    """
    if trace.rows("pages") < pages:
        return np.zeros(0, np.int32), np.zeros(0, np.int32)
    space, vpn = (trace.column("pages", name)[:pages] for name in ("space", "vpn"))
    order = np.lexsort((vpn, space)).astype(np.int32)
    adjacent = (space[order[1:]] == space[order[:-1]]) & (vpn[order[1:]] == vpn[order[:-1]] + 1)
    left, right = np.full(pages, -1, np.int32), np.full(pages, -1, np.int32)
    left[order[1:][adjacent]] = order[:-1][adjacent]
    right[order[:-1][adjacent]] = order[1:][adjacent]
    return left, right


def prepare(trace: Trace) -> Columns:
    """Read what a replay needs; raises TraceError for an empty or unusable trace."""
    if not len(trace):
        raise TraceError(f"{trace.path} holds no events: there is nothing to replay")
    if trace.manifest.kind == "access":
        return _prepare_accesses(trace)
    return columns_of(trace, read_columns(trace, "t", "op", "page", "flags", "where", "clen", "cgroup"))


def columns_of(trace: Trace, read: dict[str, npt.NDArray[Any]]) -> Columns:
    """The same from columns that were read, all events of some pages at least; their arrays are changed."""
    op, page, where, flags, clen = (read[name] for name in ("op", "page", "where", "flags", "clen"))
    longest = int(np.max(clen, initial=0, where=clen != NO_CLEN))
    if longest > PAGE_SIZE:
        raise TraceError(
            f"{trace.path} has a compressed length of {longest} bytes, and a page has {PAGE_SIZE}: the trace is "
            "damaged, or its lengths are in another unit"
        )
    pages = int(page.max()) + 1
    surveyed = np.zeros(pages, _SURVEYED)
    counts = np.zeros(3, np.int64)
    residence, unwritten = habits(op, page, where, pages)
    events = op, page, where, read["cgroup"], flags
    _survey(events, surveyed, counts, residence, int(unwritten * 2**16), keeps_copies(trace.manifest))
    if rejects_poor(trace.manifest):
        _does_not_compress(op, where, clen)
    known, source = measured_lengths(trace, clen)
    if not (clen == NO_CLEN).any():
        _correct_special(op, where, clen)
    else:
        turned_away = _sample(clen[(op == _STORE) & ((where == Where.REJECTED) | (where == Where.DISK))])
        _fill_lengths(op, page, where, clen, pages, known, turned_away if len(turned_away) >= _ENOUGH else known)
    first = np.where(surveyed["seen"] != 0, surveyed["first"], np.uint8(Where.UNKNOWN))
    group = surveyed["group"].copy()
    return Columns(
        trace.path, trace.manifest.kind, read["t"], op, page, flags, where, clen, group, first, pages,
        int(counts[_STORE]), int(counts[_LOAD]), int(counts[_INVALIDATE]), source, known, residence,
    )  # fmt: skip


def _prepare_accesses(trace: Trace) -> Columns:
    """An access trace is its pages and times: every other column is the same in all rows, and not read."""
    read = read_columns(trace, "t", "page")
    pages = int(read["page"].max()) + 1
    bytes_, shorts = np.zeros(0, np.uint8), np.zeros(0, np.uint16)
    return Columns(
        trace.path, "access", read["t"], bytes_, read["page"], bytes_, bytes_, shorts,
        np.zeros(pages, np.uint16), np.full(pages, int(Where.UNKNOWN), np.uint8), pages,
        0, len(read["page"]), 0, "whole pages: an access trace", np.array([PAGE_SIZE], np.uint16),
    )  # fmt: skip
