"""What a loop reads and fills, as one tape of columns: a NamedTuple of flat arrays, taken whole by compiled code.

Each loop unpacks what it needs before its first event: a column costs a register there, and would cost a count of
references in a function called once an event.
"""

from typing import Any, NamedTuple

from numba import types

_I64, _I32, _U32 = types.int64[::1], types.int32[::1], types.uint32[::1]
_U16, _U8, _ROWS = types.uint16[::1], types.uint8[::1], types.int64[:, ::1]


class SwapTape(NamedTuple):
    """Swap traffic as it was recorded, an element an event where nothing else is said."""

    t: Any  # int64, ns
    op: Any  # uint8, schema.Op
    page: Any  # uint32
    flags: Any  # uint8
    clen: Any  # uint16, every event filled
    next_load: Any  # int64: event number of the page's next load; empty unless the policy wants it
    balance: Any  # int64 (samples, 4)
    series: Any  # int64 (samples, 4), out: free pages, page cache, pool pages, stored pages
    found: Any  # uint8, out: where each event's page went or was found; empty if not wanted


class AccessTape(NamedTuple):
    """Page accesses through a plain cache."""

    t: Any  # int64, ns
    page: Any  # uint32
    next_load: Any  # int64: event number of the page's next access; empty unless the policy wants it
    found: Any  # uint8, out: Where code of each access; empty if not wanted


class TouchTape(NamedTuple):
    """Page accesses through a resident set."""

    t: Any  # int64, ns
    page: Any  # uint32
    left: Any  # int32, a page: its left neighbour in the address space, -1 for none
    right: Any  # int32, and its right one; both empty: no readahead
    found: Any  # uint8, out: Where code of each access, UNKNOWN for a hit in RAM; empty if not wanted


class ExtendedTape(NamedTuple):
    """Swap traffic through the memory that this host has beyond the recorded one."""

    t: Any  # int64, ns
    op: Any  # uint8, schema.Op
    page: Any  # uint32
    flags: Any  # uint8
    clen: Any  # uint16, every event filled
    balance: Any  # int64 (samples, 4)
    recorded_free: Any  # int64, a sample: free pages that the recorded host had
    series: Any  # int64 (samples, 4), out, as in SwapTape
    found: Any  # uint8, out, as in SwapTape


SWAP_TAPE = types.NamedTuple((_I64, _U8, _U32, _U8, _U16, _I64, _ROWS, _ROWS, _U8), SwapTape)
ACCESS_TAPE = types.NamedTuple((_I64, _U32, _I64, _U8), AccessTape)
TOUCH_TAPE = types.NamedTuple((_I64, _U32, _I32, _I32, _U8), TouchTape)
EXTENDED_TAPE = types.NamedTuple((_I64, _U8, _U32, _U8, _U16, _ROWS, _I64, _ROWS, _U8), ExtendedTape)
"""Numba's types of them."""
