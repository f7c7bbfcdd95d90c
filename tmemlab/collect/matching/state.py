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
OP_LATENCY = 5
"""Not an event: a page's read from the disk ended, ``latency`` after its load began."""
OP_FAILED = 6
"""Not an event: the write of the page's last store failed."""
OP_PRESSURE = 16
"""Not an event: 16 + schema.Pressure, pages in ``slot``."""

ORIGIN_KNOWN, ORIGIN_SLOT = 0, 1
"""How the page was recognised: by address, or by its slot alone."""


ENTRY = np.dtype([("key1", "<u8"), ("key2", "<u8"), ("value", "<i8")])
"""A cell of the hash table; key1 is 0 where it is free."""
PAGE = np.dtype(
    [
        ("vpn", "<u8"),
        ("slot", "<u8"),  # swap entry, 0 for none
        ("next_page", "<i8"),  # of the same space
        ("space", "<u4"),
        ("kind", "u1"),  # schema.PageKind
        ("life", "u1"),  # LIFE_*
        ("where", "u1"),  # schema.Where of the last store
        ("spare", "u1"),
    ]
)
SPACE = np.dtype(
    [
        ("first_page", "<i8"),
        ("live", "<i8"),  # pages that have a copy
        ("parent", "<i8"),  # forked from
        ("child", "<i8"),  # first sub-space: a private mapping of a file
        ("sibling", "<i8"),
    ]
)


class State(NamedTuple):
    """Arrays of the matcher, few and structured: each function is compiled for every one of them."""

    table: Any  # ENTRY
    pages: Any  # PAGE
    spaces: Any  # SPACE
    numbers: Any  # int64 by N_*
    counts: Any  # int64 by records.NAMES: what the rows amount to


LIFE_NEW, LIFE_STORED, LIFE_LOADED, LIFE_GONE = 0, 1, 2, 3

N_PAGES, N_SPACES, N_USED, N_TASKS, N_CGROUPS = range(5)
N_ZSWAP, N_ROOT, N_SLOT_ONLY, N_FIRST, N_SPAN = range(5, 10)
N_FREES = 10
"""numbers[N_FREES]: whether slot frees are told, so that nothing is inferred."""
N_DEVICES = 11
"""numbers[N_DEVICES + type]: position of a swap type in the manifest, or NO_DEVICE."""
NO_DEVICE = -1

# First halves of the hash keys; a space's pages have 16 + its id.
K_SLOT, K_FOLIO, K_SPACE, K_TASK, K_CGROUP, K_FAULT = 1, 2, 3, 4, 5, 6
K_SUBSPACE, K_PAGES = 1 << 40, 16

NO_SPACE_YET = np.array((-1, 0, -1, -1, -1), SPACE)


def new_state(first_phase: int, last_phase: int, root_cgroup: int) -> State:
    """An empty state; records of phases outside of first..last-1 change the state and make no rows.

    A record has the low byte of its phase: within 256 of each other they are told apart.
    """
    numbers = np.zeros(N_DEVICES + 64, np.int64)
    numbers[N_FIRST], numbers[N_SPAN], numbers[N_ROOT] = first_phase & 0xFF, last_phase - first_phase, root_cgroup
    numbers[N_CGROUPS] = 1  # row 0 is the root
    table, pages, spaces = np.zeros(1 << 12, ENTRY), np.zeros(1 << 10, PAGE), np.full(64, NO_SPACE_YET)
    return State(table, pages, spaces, numbers, np.zeros(8, np.int64))
