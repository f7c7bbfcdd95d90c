"""Stack distances: from one pass, the smallest LRU pool in which each load would have been a hit.

R. L. Mattson et al., Evaluation techniques for storage hierarchies, IBM Systems Journal 9, 1970: an LRU pool of a
size holds what the pool one smaller holds, so one ordered list stands for the pools of all sizes, and a page's
distance is the weight of everything above it. A pool whose pages are removed (a load that takes the copy, an
invalidated slot) keeps that property when the gap stays in the list: a *hole*, which the next store fills before
it pushes anything out. A store fills the topmost hole, because the pools that end above it have no room there.

The list is an array of slots in order of time. What is older than a slot is a sum of four numbers, one for each
of the levels of 1, 64, 4096 and 262144 slots; taking a weight out changes up to 63 neighbouring numbers on each,
which compilers turn into a few vector instructions. When the array is used up, what is left in it moves together.
"""

from typing import Any

import numpy as np

from ...compiled import inner, njit
from ...datasets.trace.schema import Flag, Op
from ...world.view import prefetch

_STORE, _LOAD = int(Op.STORE), int(Op.LOAD)
_COPY_STAYS = int(Flag.COPY_STAYS)
_BLOCK = 1 << 18
NOWHERE, ZERO = -1, -2
"""In the slots of pages: not in any pool; a page of zero bytes, which no pool needs to hold."""
_HOLE = -1
SLOT_OF = 2
"""Where :func:`make_list` has the slot of each page."""


def make_list(pages: int) -> tuple[Any, ...]:
    """An empty list with room for ``pages``: about 29 bytes a page.

    Weights and owners of slots; the slot of each page; what is older than each 64, 4096 and 262144 slots, within
    the next larger one; the holes in each; and a few numbers.
    """
    slots = -(-max(4 * pages, _BLOCK) // _BLOCK) * _BLOCK
    return (
        np.zeros(slots, np.uint16), np.full(slots, _HOLE, np.int32), np.full(pages, NOWHERE, np.int32),
        np.zeros(slots >> 6, np.int32), np.zeros(slots >> 12, np.int32), np.zeros(slots >> 18, np.int64),
        np.zeros(slots >> 6, np.int32), np.zeros(slots >> 12, np.int64), np.zeros(slots >> 18, np.int64),
        np.zeros(3, np.int64),
    )  # fmt: skip


HEAD, TOP, TOTAL = range(3)
"""The first unused slot; no hole is newer than this slot; all weights together."""


@inner
def _sum_to(part: Any, last: int) -> Any:
    """The sum of the first ``last`` + 1 of 64 numbers."""
    total = np.int32(0)
    limit = np.int32(last)
    for i in range(64):
        total = np.int32(total + np.int32(part[i]) * np.int32(np.int32(i) <= limit))
    return np.int64(total)


@inner
def _lower_after(part: Any, at: int, weight: int) -> None:
    """Take ``weight`` off the numbers of 64 that follow number ``at``."""
    limit, less = np.int32(at), np.int32(weight)
    for i in range(64):
        part[i] = np.int32(part[i] - less * np.int32(np.int32(i) > limit))


@inner
def _older(weights: Any, words: Any, groups: Any, blocks: Any, slot: int) -> int:
    """The weight of ``slot`` and of everything older."""
    base = slot >> 6 << 6
    inside = _sum_to(weights[base : base + 64], slot & 63)
    return inside + words[slot >> 6] + groups[slot >> 12] + blocks[slot >> 18]


@inner
def _lighten(weights: Any, words: Any, groups: Any, blocks: Any, state: Any, slot: int, weight: int) -> None:
    """Take ``weight`` off a slot."""
    weights[slot] -= np.uint16(weight)
    state[TOTAL] -= weight
    word, group, block = slot >> 6, slot >> 12, slot >> 18
    base = word >> 6 << 6
    _lower_after(words[base : base + 64], word & 63, weight)
    base = group >> 6 << 6
    _lower_after(groups[base : base + 64], group & 63, weight)
    for i in range(block + 1, blocks.shape[0]):
        blocks[i] -= weight


@inner
def _append(
    weights: Any, owners: Any, slot_of: Any, words: Any, groups: Any, blocks: Any, state: Any,
    owner: int, weight: int,
) -> None:  # fmt: skip
    """Use the next slot."""
    slot = state[HEAD]
    if slot & 63 == 0:  # what is older than a word is known when it is begun
        before = state[TOTAL]
        block, group, word = slot >> 18, slot >> 12, slot >> 6
        if slot & (_BLOCK - 1) == 0:
            blocks[block] = before
        if slot & 4095 == 0:
            groups[group] = before - blocks[block]
        words[word] = before - blocks[block] - groups[group]
    weights[slot] = weight
    owners[slot] = owner
    if owner >= 0:
        slot_of[owner] = slot
    state[HEAD] = slot + 1
    state[TOTAL] += weight


@inner
def _count_hole(words: Any, groups: Any, blocks: Any, slot: int, weight: int) -> None:
    words[slot >> 6] += weight
    groups[slot >> 12] += weight
    blocks[slot >> 18] += weight


@inner
def _topmost_hole(weights: Any, owners: Any, words: Any, groups: Any, blocks: Any, top: int) -> int:
    """The newest hole at or below slot ``top``, or -1."""
    slot = top
    while slot >= 0:
        if blocks[slot >> 18] == 0:
            slot = ((slot >> 18) << 18) - 1
        elif groups[slot >> 12] == 0:
            slot = ((slot >> 12) << 12) - 1
        elif words[slot >> 6] == 0:
            slot = ((slot >> 6) << 6) - 1
        elif owners[slot] == _HOLE and weights[slot] > 0:
            return slot
        else:
            slot -= 1
    return -1


@inner
def _move_together(lst: Any) -> None:
    """Use the slots from the beginning again, neighbouring holes as one."""
    weights, owners, slot_of, words, groups, blocks, hole_words, hole_groups, hole_blocks, state = lst
    used = state[HEAD]
    state[:] = 0
    state[TOP] = -1
    hole_words[:] = 0
    hole_groups[:] = 0
    hole_blocks[:] = 0
    # Holes are put together up to a page, which keeps sums in 32 bits; two that follow each other hold more than
    # one page then, so that there are at most twice as many as pages.
    waiting: Any = 0
    for slot in range(used):
        weight, owner = np.int64(weights[slot]), owners[slot]
        weights[slot] = 0
        owners[slot] = _HOLE
        if weight == 0 or (owner == _HOLE and waiting + weight <= 4096):
            waiting += weight
            continue
        if waiting > 0:
            state[TOP] = state[HEAD]
            _count_hole(hole_words, hole_groups, hole_blocks, state[HEAD], waiting)
            _append(weights, owners, slot_of, words, groups, blocks, state, _HOLE, waiting)
            waiting = 0
        if owner == _HOLE:
            waiting = weight
        else:
            _append(weights, owners, slot_of, words, groups, blocks, state, owner, weight)
    if waiting > 0:
        state[TOP] = state[HEAD]
        _count_hole(hole_words, hole_groups, hole_blocks, state[HEAD], waiting)
        _append(weights, owners, slot_of, words, groups, blocks, state, _HOLE, waiting)


@inner
def _enter(lst: Any, page: int, weight: int) -> None:
    """``page`` becomes the newest; as much weight of holes is filled, from the topmost down."""
    weights, owners, slot_of, words, groups, blocks, hole_words, hole_groups, hole_blocks, state = lst
    left = weight
    while left > 0:
        slot = _topmost_hole(weights, owners, hole_words, hole_groups, hole_blocks, state[TOP])
        state[TOP] = slot
        if slot < 0:
            break
        there: Any = np.int64(weights[slot])
        filled = min(left, there)
        _lighten(weights, words, groups, blocks, state, slot, filled)
        _count_hole(hole_words, hole_groups, hole_blocks, slot, -filled)
        left -= filled
    if state[HEAD] == weights.shape[0]:
        _move_together(lst)
    _append(weights, owners, slot_of, words, groups, blocks, state, page, weight)


@inner
def _leave(lst: Any, page: int) -> None:
    """``page`` leaves a hole."""
    weights, owners, slot_of, _, _, _, hole_words, hole_groups, hole_blocks, state = lst
    slot = slot_of[page]
    slot_of[page] = NOWHERE
    if slot < 0:
        return
    owners[slot] = _HOLE
    _count_hole(hole_words, hole_groups, hole_blocks, slot, np.int64(weights[slot]))
    state[TOP] = max(state[TOP], slot)


_FAR, _NEAR = 24, 12
"""Events ahead at which a page's slot, and then what stands there, is prefetched."""


@njit(cache=True, nogil=True)
def preload(pages: Any, lengths: Any, in_bytes: bool, lst: Any) -> None:
    """Pages that the pool holds when the trace begins, oldest first."""
    for i in range(pages.shape[0]):
        _enter(lst, pages[i], np.int64(lengths[i]) if in_bytes else 1)


@njit(cache=True, nogil=True)
def swaps(op: Any, page: Any, flags: Any, clen: Any, in_bytes: bool, lst: Any, bins: Any, shift: int) -> None:
    """Swap traffic through a pool whose oldest stores leave and whose loads take the copy.

    A page of weight w is a hit in a pool of at least its distance, the weight above it and w itself:
    ``bins[group, (distance - 1) >> shift]`` counts them; the last bin, loads that no pool can serve. Pages of
    zero bytes are in no pool and are not counted: every pool serves them.
    """
    weights, owners, slot_of, words, groups, blocks, _, _, _, state = lst
    last = bins.shape[1] - 1
    mask = bins.shape[0] - 1
    slots_at, weights_at, owners_at = slot_of.ctypes.data, weights.ctypes.data, owners.ctypes.data
    for i in range(page.shape[0]):
        if i + _FAR < page.shape[0]:
            prefetch(slots_at + np.int64(page[i + _FAR]) * 4)
            near = np.int64(slot_of[page[i + _NEAR]])
            prefetch(weights_at + (near >> 6) * 128)
            prefetch(weights_at + (near >> 6) * 128 + 64)
            prefetch(owners_at + near * 4)
        p = page[i]
        kind = op[i]
        if kind == _LOAD:
            slot = slot_of[p]
            if slot == ZERO:
                if not flags[i] & _COPY_STAYS:
                    slot_of[p] = NOWHERE
            elif slot < 0:
                bins[p & mask, last] += 1
            else:
                distance = state[TOTAL] - _older(weights, words, groups, blocks, slot) + np.int64(weights[slot])
                bins[p & mask, min((distance - 1) >> shift, last)] += 1
                if not flags[i] & _COPY_STAYS:
                    _leave(lst, p)
        else:
            _leave(lst, p)
            if kind == _STORE:
                if clen[i] == 0:
                    slot_of[p] = ZERO
                else:
                    _enter(lst, p, np.int64(clen[i]) if in_bytes else 1)
