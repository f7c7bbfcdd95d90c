"""What matching remembers: growable flat arrays and one hash table, sized to the pages that really swapped."""

from typing import Any, NamedTuple

import numpy as np

ROW = np.dtype(
    [
        ("t", "<i8"),
        ("page", "<u4"),
        ("slot", "<u4"),
        ("latency", "<u4"),
        ("cgroup", "<u2"),
        ("task", "<u2"),
        ("clen", "<u2"),
        ("op", "u1"),
        ("where", "u1"),
        ("flags", "u1"),
        ("origin", "u1"),
        ("spare", "<u2"),
    ]
)
"""A matched event before page ids are final; ``op`` is schema.Op or one of the codes below."""

OP_CONTENT = 3
"""Not an event: a page's content was compressed."""
OP_DROPPED = 4
"""An invalidate that a later load contradicted."""
OP_PRESSURE = 16
"""Not an event: 16 + schema.Pressure, pages in ``slot``."""

ORIGIN_KNOWN, ORIGIN_SLOT = 0, 1
"""How the page was recognised: by address, or by its slot alone."""


class State(NamedTuple):
    """Arrays of the matcher. ``numbers`` holds the scalars, by N_*."""

    key1: Any  # hash table: uint64
    key2: Any  # uint64
    value: Any  # int64
    space: Any  # by page: uint32
    vpn: Any  # uint64
    kind: Any  # uint8, schema.PageKind
    slot: Any  # uint64 entry, 0 for none
    life: Any  # uint8: LIFE_*
    where: Any  # uint8, of the last store
    next_page: Any  # int64, of the same space
    first_page: Any  # by space: int64
    live: Any  # int64, pages of the space with a copy
    parent: Any  # int64
    child: Any  # int64, first sub-space
    sibling: Any  # int64
    numbers: Any  # int64
    counts: Any  # int64 by records.NAMES: what the rows amount to


LIFE_NEW, LIFE_STORED, LIFE_LOADED, LIFE_GONE = 0, 1, 2, 3

N_PAGES, N_SPACES, N_USED, N_TASKS, N_CGROUPS, N_ZSWAP, N_ROOT, N_SLOT_ONLY, N_FIRST, N_LAST = range(10)
N_DEVICES = 10
"""numbers[N_DEVICES + type]: position of a swap type in the manifest."""

# First halves of the hash keys; a space's pages have 16 + its id.
K_SLOT, K_FOLIO, K_SPACE, K_TASK, K_CGROUP, K_FAULT = 1, 2, 3, 4, 5, 6
K_SUBSPACE, K_PAGES = 1 << 40, 16

_PAGE_ARRAYS = ("space", "vpn", "kind", "slot", "life", "where", "next_page")
_SPACE_ARRAYS = ("first_page", "live", "parent", "child", "sibling")


def new_state(first_phase: int, last_phase: int, root_cgroup: int) -> State:
    """An empty state; records of phases outside of first..last-1 change the state and make no rows."""
    numbers = np.zeros(N_DEVICES + 64, np.int64)
    numbers[N_FIRST], numbers[N_LAST], numbers[N_ROOT] = first_phase, last_phase, root_cgroup
    numbers[N_CGROUPS] = 1  # row 0 is the root
    return State(
        key1=np.zeros(1 << 12, np.uint64), key2=np.zeros(1 << 12, np.uint64), value=np.full(1 << 12, -1, np.int64),
        space=np.zeros(1 << 10, np.uint32), vpn=np.zeros(1 << 10, np.uint64), kind=np.zeros(1 << 10, np.uint8),
        slot=np.zeros(1 << 10, np.uint64), life=np.zeros(1 << 10, np.uint8), where=np.zeros(1 << 10, np.uint8),
        next_page=np.full(1 << 10, -1, np.int64),
        first_page=np.full(64, -1, np.int64), live=np.zeros(64, np.int64), parent=np.full(64, -1, np.int64),
        child=np.full(64, -1, np.int64), sibling=np.full(64, -1, np.int64),
        numbers=numbers, counts=np.zeros(8, np.int64),
    )  # fmt: skip


def reserve(state: State, records: int, pages: int) -> State:
    """The state with room for so many more records, that touch so many pages in all."""
    changes: dict[str, Any] = {}
    needed = int(state.numbers[N_PAGES]) + pages + 1
    if needed > len(state.space):
        for name in _PAGE_ARRAYS:
            changes[name] = _grown(getattr(state, name), needed, -1 if name == "next_page" else 0)
    needed = int(state.numbers[N_SPACES]) + 2 * records + 1
    if needed > len(state.live):
        for name in _SPACE_ARRAYS:
            changes[name] = _grown(getattr(state, name), needed, 0 if name == "live" else -1)
    # Every page may bring an identity, a slot and a folio; a record a space, a task and a cgroup.
    needed = int(state.numbers[N_USED]) + 3 * pages + 6 * records
    if 2 * needed > len(state.key1):
        changes |= _rehashed(state, 1 << int(2 * needed).bit_length())
    return state._replace(**changes) if changes else state


def _grown(array: Any, needed: int, fill: int) -> Any:
    grown = np.full(max(needed, 2 * len(array)), fill, array.dtype)
    grown[: len(array)] = array
    return grown


def _rehashed(state: State, size: int) -> dict[str, Any]:
    from .matchtable import rehash

    key1, key2, value = np.zeros(size, np.uint64), np.zeros(size, np.uint64), np.full(size, -1, np.int64)
    rehash(state.key1, state.key2, state.value, key1, key2, value)
    return {"key1": key1, "key2": key2, "value": value}
