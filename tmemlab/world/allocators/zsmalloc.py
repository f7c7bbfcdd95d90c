"""zsmalloc's size classes: which compressed length occupies how much of which zspage.

Rules of Linux 6.4 and later [mm/zsmalloc.c:calculate_zspage_chain_size, zs_create_pool, zs_malloc].
"""

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ..records import SIZE_CLASS

PAGE = 4096
HANDLE = 8
SMALLEST, STEP = 32, 16


def chain_size(size: int, longest: int = 8) -> int:
    """Pages a zspage of this class spans: the fewest that waste least; 1 for powers of two."""
    if size & (size - 1) == 0:
        return 1
    return min(range(1, longest + 1), key=lambda pages: (pages * PAGE) % size)


@cache
def size_classes(longest: int = 8) -> tuple[tuple[int, int, int], ...]:
    """(size, pages a zspage, objects a zspage), largest first, after merging.

    A class with the geometry of the next larger distinct one is merged into it, so its objects occupy the
    larger size.
    """
    classes: list[tuple[int, int, int]] = []
    for size in range(PAGE, SMALLEST - 1, -STEP):
        pages = chain_size(size, longest)
        objects = pages * PAGE // size
        if not classes or classes[-1][1:] != (pages, objects):
            classes.append((size, pages, objects))
    return tuple(classes)


def tenth(objects: int) -> int:
    """``inuse * tenth >> 20`` is ``inuse * 10 // objects`` for every inuse below ``objects``, up to 1024."""
    return (10 << 20) // objects + 1


def class_tables(longest: int = 8) -> tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]:
    """Lookup tables for the engine.

    class_of: uint8 (4097,), the class of a compressed length (a handle of 8 bytes is stored with it,
    except in the class of whole pages). classes: records of SIZE_CLASS, smallest first, all empty.
    """
    known = size_classes(longest)[::-1]  # smallest first
    sizes = np.array([size for size, _, _ in known])
    lengths = np.minimum(np.arange(PAGE + 1) + HANDLE, PAGE)
    # The object's own 16-byte step first, then the merged class that holds that step.
    steps = SMALLEST + -(-np.maximum(lengths - SMALLEST, 0) // STEP) * STEP
    class_of = np.searchsorted(sizes, steps).astype(np.uint8)
    classes = np.array([(0, 0, objects, pages, 0, tenth(objects)) for _, pages, objects in known], SIZE_CLASS)
    return class_of, classes
