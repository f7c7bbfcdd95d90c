"""Where mappings lie in an address space, without what the kernel and its randomisation chose.

The distances between a program's heap, libraries and stack are some thirty bits that tell one process from all
others, and where its code is. Within a mapping the distances say how a program uses its memory, and a replay goes
by which pages are neighbours; between mappings they say nothing to a replay. So pages that are near each other
stay as they were, and each such run is put somewhere else: in another order, at a multiple of 2 MiB, with at least
2 MiB between.
"""

import numpy as np

APART = 512
"""Pages (2 MiB): what is further apart is of two mappings, or might as well be."""


def moved(space: np.ndarray, vpn: np.ndarray, seed: int) -> np.ndarray:
    """New page numbers (uint64), space by space. ``seed`` decides the order of the runs."""
    if not len(vpn):
        return vpn.astype(np.uint64)
    order = np.lexsort((vpn, space))
    at, where = vpn[order].astype(np.uint64), space[order]
    begins = np.r_[True, (where[1:] != where[:-1]) | (at[1:] - at[:-1] > np.uint64(APART))]
    run = np.cumsum(begins) - 1
    first = at[begins]
    inside = at - first[run]
    lengths = np.maximum.reduceat(inside, np.flatnonzero(begins)) + np.uint64(1)
    room = (lengths + np.uint64(2 * APART - 1)) // np.uint64(APART) * np.uint64(APART)
    # a random order of the runs of each space, and each where the last one ended
    shuffled = np.lexsort((np.random.default_rng(seed).random(len(first)), where[begins]))
    ends = np.cumsum(room[shuffled])
    spaces = where[begins][shuffled]
    starts = ends - room[shuffled]
    of_space = np.r_[True, spaces[1:] != spaces[:-1]]
    starts -= starts[of_space][np.cumsum(of_space) - 1]
    base = np.empty(len(first), np.uint64)
    base[shuffled] = starts
    result = np.empty(len(vpn), np.uint64)
    result[order] = base[run] + inside
    return result
