"""Tables for the allocator that a policy's pool uses."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ..records import REFUSED, SIZE_CLASS
from .buddies import CHUNK
from .zsmalloc import HANDLE, PAGE, SMALLEST, STEP, class_tables, tenth

_HEADS = 8
"""Records that make room for the list heads of 64 chunk counts."""
ZBUD_CHUNKS = 63


@dataclass(frozen=True)
class Allocator:
    """What holds the compressed objects, as a model of its density."""

    kind: str = "zsmalloc"
    """zsmalloc, zbud, zbud2 (that of zcache2), z3fold; or packed, bytes side by side, as no allocator has them."""
    header: int = 0
    """Bytes that the pool stores with each object, besides what the allocator itself adds."""
    chain: int = 8
    """zsmalloc: pages a zspage spans at most."""
    by_use: bool = False
    """zsmalloc: the chain is chosen by the share of the zspage that is used, as up to Linux 6.1."""
    chunks: int = 62
    """z3fold: chunks of 64 bytes that the objects of a page share."""


def chain_by_use(size: int, longest: int = 4) -> int:
    """Pages a zspage of this class spans: the fewest with the largest whole percentage in use.

    Linux 5.10 to 6.1 [mm/zsmalloc.c:get_pages_per_zspage], with at most four pages.
    """
    return max(range(1, longest + 1), key=lambda n: ((n * PAGE - n * PAGE % size) * 100 // (n * PAGE), -n))


@cache
def classes_by_use(longest: int = 4) -> tuple[tuple[int, int, int], ...]:
    """(size, pages a zspage, objects a zspage), largest first, merged as in :func:`.zsmalloc.size_classes`."""
    classes: list[tuple[int, int, int]] = []
    for size in range(PAGE, SMALLEST - 1, -STEP):
        pages = chain_by_use(size, longest)
        objects = pages * PAGE // size
        if not classes or classes[-1][1:] != (pages, objects):
            classes.append((size, pages, objects))
    return tuple(classes)


def _by_use_tables(longest: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]:
    known = classes_by_use(longest)[::-1]
    sizes = np.array([size for size, _, _ in known])
    lengths = np.minimum(np.arange(PAGE + 1) + HANDLE, PAGE)
    steps = SMALLEST + -(-np.maximum(lengths - SMALLEST, 0) // STEP) * STEP
    classes = np.array([(0, 0, objects, pages, 0, tenth(objects)) for _, pages, objects in known], SIZE_CLASS)
    return np.searchsorted(sizes, steps).astype(np.uint8), classes


def _buddy_table(chunks: int, largest: int, alone: bool) -> npt.NDArray[np.uint8]:
    """Chunks of every stored length; larger objects have a page of their own, or are refused."""
    table = -(-np.arange(PAGE + 1) // CHUNK)
    table[0] = 1
    table[largest + 1 :] = chunks if alone else REFUSED
    return table.astype(np.uint8)


def tables(allocator: Allocator) -> tuple[npt.NDArray[np.uint8], npt.NDArray[Any], int, int]:
    """What the engine needs of an allocator.

    class_of: uint8 (4097,), size class or chunks of a compressed length, or REFUSED; records of SIZE_CLASS;
    objects a page at most (-1 for packed) and chunks a page, both 0 for zsmalloc.
    """
    classes = np.zeros(_HEADS, SIZE_CLASS)
    buddies = chunks = 0
    if allocator.kind == "zbud":
        buddies, chunks = 2, ZBUD_CHUNKS
        # One chunk is the header, and an object may not fill the rest [mm/zbud.c:zbud_alloc].
        class_of = _buddy_table(chunks, PAGE - 2 * CHUNK, alone=False)
    elif allocator.kind == "zbud2":
        buddies, chunks = 2, PAGE // CHUNK  # no header in the page [drivers/staging/zcache/zbud.c]
        class_of = _buddy_table(chunks, PAGE - CHUNK, alone=False)
    elif allocator.kind == "z3fold":
        buddies, chunks = 3, allocator.chunks
        header = PAGE // CHUNK - chunks
        class_of = _buddy_table(chunks, PAGE - (header + 1) * CHUNK, alone=True)
    elif allocator.kind == "packed":
        buddies = -1
        class_of, classes = class_tables(allocator.chain)
    elif allocator.by_use:
        class_of, classes = _by_use_tables(allocator.chain)
    else:
        class_of, classes = class_tables(allocator.chain)
    if allocator.header:
        moved = np.full(PAGE + 1, REFUSED, np.uint8)
        moved[: PAGE + 1 - allocator.header] = class_of[allocator.header :]
        class_of = moved
    return class_of, classes, buddies, chunks
