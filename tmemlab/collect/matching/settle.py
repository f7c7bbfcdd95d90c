"""Settling matched rows: what only the future of a page decides, and the dense ids.

Backwards over the rows: an inferred invalidate that a later load contradicts goes, a load that another load
follows keeps its copy, and a sampled content, a failed write or the end of a disk read belongs to the store or
load before it. Forwards: pages get their ids in order of first appearance, those that were stored before the
recording a mark, a load has the length of the store it reads, and a store that was not sampled takes its page's
last.
"""

from typing import Any

import numpy as np

from ...compiled import njit
from .codes import EVENT_BEFORE, FAILED
from .state import OP_CONTENT, OP_DROPPED, OP_FAILED, OP_LATENCY, OP_PRESSURE

_STORE, _LOAD, _INVALIDATE = 0, 1, 2
_NO_CLEN = np.uint16(0xFFFF)
_NO_LATENCY = np.uint32(0xFFFFFFFF)
_COPY_STAYS = 8
_ZERO = 2

C_MEASURED, C_CARRIED, C_UNKNOWN, C_SLOT_ONLY, C_DROPPED, C_KERNEL, C_FAILED, TALLIES = range(8)


@njit(cache=True, nogil=True)
def settle_backward(rows: Any, next_op: Any, clen: Any, latency: Any, failed: Any, tally: Any) -> None:
    """One chunk, last row first. By page: ``next_op`` begins as 255, ``clen`` and ``latency`` as null, ``failed``
    as 0.
    """
    for i in range(len(rows) - 1, -1, -1):
        row = rows[i]
        op, page = row.op, row.page
        if op == OP_CONTENT:
            clen[page] = row.clen
            tally[C_KERNEL] += row.origin != 0
        elif op == OP_LATENCY:
            latency[page] = row.latency
        elif op == OP_FAILED:
            failed[page] = 1
        elif op == _INVALIDATE:
            if next_op[page] == _LOAD or next_op[page] == _INVALIDATE:
                row.op = OP_DROPPED
                tally[C_DROPPED] += 1
            else:
                next_op[page] = _INVALIDATE
                clen[page] = _NO_CLEN
        elif op == _LOAD:
            if next_op[page] == _LOAD:
                row.flags |= _COPY_STAYS
            if row.clen == _NO_CLEN and row.where == _ZERO:
                row.clen = 0
            if row.latency == _NO_LATENCY:
                row.latency = latency[page]
            latency[page] = _NO_LATENCY
            next_op[page] = _LOAD
        elif op == _STORE:
            if row.clen == _NO_CLEN:
                row.clen = 0 if row.where == _ZERO else clen[page]
            else:
                tally[C_KERNEL] += 1
            if failed[page]:
                row.where = FAILED
                failed[page] = 0
                tally[C_FAILED] += 1
            clen[page] = _NO_CLEN
            next_op[page] = _STORE


@njit(cache=True, nogil=True)
def settle_forward(rows: Any, dense: Any, order: Any, clen: Any, exact: Any, count: int, tally: Any) -> int:
    """One chunk, first row first: fills ``order`` (dense id -> page), rewrites page ids, carries lengths.

    ``dense`` begins as -1, ``clen`` as null, ``exact`` (the page's last store was sampled) as 0. Returns how many
    ids are given.
    """
    for i in range(len(rows)):
        row = rows[i]
        page = np.int64(row.page)
        if row.op > _INVALIDATE:
            continue
        if dense[page] < 0 and row.op == _INVALIDATE:
            row.op = OP_DROPPED  # stored before the first cut, and never loaded since: no page of this recording
            continue
        if dense[page] < 0:
            if row.op == _LOAD:
                row.flags |= EVENT_BEFORE
            dense[page] = count
            order[count] = page
            count += 1
        if row.op != _INVALIDATE:
            if row.clen != _NO_CLEN:
                tally[C_MEASURED] += 1
                clen[page], exact[page] = row.clen, 1
            elif clen[page] != _NO_CLEN:
                row.clen = clen[page]
                if row.op == _STORE:
                    exact[page] = 0
                tally[C_MEASURED if exact[page] else C_CARRIED] += 1
            else:
                tally[C_UNKNOWN] += 1
            tally[C_SLOT_ONLY] += row.origin
        row.page = np.uint32(dense[page])
    return count


def is_pressure(op: Any) -> Any:
    """Mask of the rows that belong in the pressure table."""
    return op >= OP_PRESSURE


def rounded(latency: Any) -> Any:
    """Latencies to six significant bits, at most 3.1 % below what was measured: the rest would be bytes of noise.

    Up to 63 ns they stay as they are, and so does null.
    """
    shift = np.maximum(np.frexp(latency.astype(np.float64))[1] - 6, 0).astype(np.uint32)
    return np.where(latency == _NO_LATENCY, latency, latency >> shift << shift)
