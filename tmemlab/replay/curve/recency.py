"""How many pages were used since a page was used last: LRU distances of a stream of accesses, fast.

The pages are bits in an array of slots in order of their last use. What is older than a bit is a sum of four
counts: of its word of 64 bits, of the words before it among 64, of the groups of 4096 before it among 64, and of
the blocks of 262144 before it. A page that is used again loses its bit, which lowers up to 63 neighbouring counts
on two levels (compilers make a few vector instructions of that), and takes the next slot. When the slots are used
up, the bits that are left move together.
"""

from typing import Any

import numpy as np

from ...compiled import inner, njit
from ...world.view import prefetch

NEVER_USED = -1
_BLOCK = 1 << 18
_FAR, _NEAR = 24, 12
"""Requests ahead at which a page's slot, and then the counts around it, are prefetched."""


def make_stream(pages: int) -> tuple[Any, ...]:
    """State for :func:`accesses`: about 4.6 bytes a page, and 4 more while bits move together."""
    slots = -(-max(2 * pages, _BLOCK) // _BLOCK) * _BLOCK
    return (
        np.full(pages, NEVER_USED, np.int32),  # slot of each page
        np.zeros(slots >> 6, np.uint64),  # bits
        np.zeros(slots >> 6, np.int16),  # bits of the words before this one in its group
        np.zeros(slots >> 12, np.int32),  # bits of the groups before this one in its block
        np.zeros(slots >> 18, np.int64),  # bits of the blocks before this one
        np.zeros(2, np.int64),  # first unused slot, bits set
    )


@inner
def _ones(word: Any) -> Any:
    """Bits set in a word of 64 (the form that compilers know)."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@inner
def _lower_words(words: Any, word: int) -> None:
    base, at = word & ~63, np.int16(word & 63)
    part = words[base : base + 64]
    for i in range(64):
        part[i] -= np.int16(np.int16(i) > at)


@inner
def _lower_groups(groups: Any, group: int) -> None:
    base, at = group & ~63, np.int32(group & 63)
    part = groups[base : base + 64]
    for i in range(64):
        part[i] -= np.int32(np.int32(i) > at)


@inner
def _begin_word(words: Any, groups: Any, blocks: Any, slot: int, before: int) -> None:
    """What is older than a word is known when it is begun."""
    if slot & (_BLOCK - 1) == 0:
        blocks[slot >> 18] = before
    before -= blocks[slot >> 18]
    if slot & 4095 == 0:
        groups[slot >> 12] = before
    words[slot >> 6] = before - groups[slot >> 12]


@inner
def _move_together(slot_of: Any, bits: Any, words: Any, groups: Any, blocks: Any, state: Any) -> None:
    """Use the slots from the beginning again."""
    rank = np.empty(bits.shape[0], np.int32)  # bits before each word
    total = 0
    for word in range(bits.shape[0]):
        rank[word] = total
        total += _ones(bits[word])
    for page in range(slot_of.shape[0]):
        slot = slot_of[page]
        if slot >= 0:
            below = bits[slot >> 6] & ((np.uint64(1) << np.uint64(slot & 63)) - np.uint64(1))
            slot_of[page] = rank[slot >> 6] + _ones(below)
    bits[:] = 0
    for word in range(total >> 6):
        bits[word] = ~np.uint64(0)
    if total & 63:
        bits[total >> 6] = (np.uint64(1) << np.uint64(total & 63)) - np.uint64(1)
    for slot in range(0, total, 64):
        _begin_word(words, groups, blocks, slot, slot)
    state[0] = state[1] = total


@njit(cache=True, nogil=True)
def accesses(page: Any, stream: Any, bins: Any) -> None:
    """Requests to one LRU cache: ``bins[group, distance - 1]`` counts them; the last bin, those never held.

    bins: int64 (groups, distances + 1), groups a power of two that page ids are dealt into. The distance is the
    smallest cache, in pages, in which the request is a hit. Can be called again with the requests that follow.
    """
    slot_of, bits, words, groups, blocks, state = stream
    last = bins.shape[1] - 1
    mask = bins.shape[0] - 1
    count = page.shape[0]
    slots_at, bits_at, words_at = slot_of.ctypes.data, bits.ctypes.data, words.ctypes.data
    head, total = state[0], state[1]
    for i in range(count):
        if i + _FAR < count:
            prefetch(slots_at + np.int64(page[i + _FAR]) * 4)
            near = np.int64(slot_of[page[i + _NEAR]])
            prefetch(bits_at + (near >> 6) * 8)
            prefetch(words_at + (near >> 12) * 128)
            prefetch(words_at + (near >> 12) * 128 + 64)
        p = page[i]
        slot = np.int64(slot_of[p])
        if slot < 0:
            bins[p & mask, last] += 1
        else:
            word, group, block = slot >> 6, slot >> 12, slot >> 18
            bit = np.uint64(1) << np.uint64(slot & 63)
            held = bits[word]
            older = _ones(held & (bit - np.uint64(1))) + words[word] + groups[group] + blocks[block]
            bins[p & mask, min(total - older - 1, last)] += 1
            bits[word] = held & ~bit
            _lower_words(words, word)
            _lower_groups(groups, group)
            for at in range(block + 1, blocks.shape[0]):
                blocks[at] -= 1
            total -= 1
        if head == bits.shape[0] << 6:
            _move_together(slot_of, bits, words, groups, blocks, state)
            head = total
        if head & 63 == 0:
            _begin_word(words, groups, blocks, head, total)
        bits[head >> 6] |= np.uint64(1) << np.uint64(head & 63)
        slot_of[p] = head
        head += 1
        total += 1
    state[0], state[1] = head, total
