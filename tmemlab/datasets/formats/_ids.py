"""Dense ids in order of first appearance: what turns addresses, slots and hashes into array indices."""

from typing import Any

import numpy as np

from ...compiled import njit
from ...errors import InvalidInputError

MAX_IDS = (1 << 32) - 1
_START = 1 << 16


class DenseIds:
    """Numbers distinct ``(space, key)`` pairs from 0 in order of first appearance.

    An open-addressing table of 4 bytes a slot, at most half full, over the pairs themselves: about 20 bytes a
    distinct pair.
    """

    def __init__(self) -> None:
        self._table = np.zeros(_START, np.uint32)  # id + 1; 0 is free
        self._keys = np.zeros(_START // 2, np.uint64)
        self._spaces = np.zeros(_START // 2, np.uint32)
        self._count = 0

    def __len__(self) -> int:
        """Number of distinct pairs so far."""
        return self._count

    @property
    def keys(self) -> np.ndarray:
        """The key of every id (uint64)."""
        return self._keys[: self._count]

    @property
    def spaces(self) -> np.ndarray:
        """The space of every id (uint32)."""
        return self._spaces[: self._count]

    def number(self, keys: np.ndarray, spaces: np.ndarray | None = None) -> np.ndarray:
        """The ids (uint32) of ``keys`` (uint64), each in the space beside it (uint32), or all in space 0."""
        keys = np.ascontiguousarray(keys, np.uint64)
        spaces = np.zeros(len(keys), np.uint32) if spaces is None else np.ascontiguousarray(spaces, np.uint32)
        out = np.empty(len(keys), np.uint32)
        number: Any = _number
        done = 0
        while done < len(keys):
            room = len(self._keys) - self._count
            step = min(len(keys) - done, max(room, 1))
            if room == 0:
                self._grow()
                continue
            part = slice(done, done + step)
            self._count = number(
                keys[part], spaces[part], out[part], self._table, self._keys, self._spaces, self._count
            )
            done += step
        return out

    def _grow(self) -> None:
        if self._count >= MAX_IDS // 2:
            raise InvalidInputError(f"there are more than {self._count} distinct pages: slice the input first")
        self._table = np.zeros(2 * len(self._table), np.uint32)
        self._keys = np.concatenate([self._keys, np.zeros_like(self._keys)])
        self._spaces = np.concatenate([self._spaces, np.zeros_like(self._spaces)])
        fill: Any = _fill
        fill(self._table, self._keys, self._spaces, self._count)


@njit(cache=True, nogil=True)
def _slot(key: Any, space: Any, mask: Any) -> Any:
    # the finaliser of MurmurHash3, 64 bits: neighbours in memory must not be neighbours in the table
    h = key ^ (np.uint64(space) * np.uint64(0x9E3779B97F4A7C15))
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xFF51AFD7ED558CCD)
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xC4CEB9FE1A85EC53)
    h ^= h >> np.uint64(33)
    return h & mask


@njit(cache=True, nogil=True)
def _number(keys: Any, spaces: Any, out: Any, table: Any, known: Any, known_spaces: Any, count: Any) -> Any:
    mask = np.uint64(len(table) - 1)
    for i in range(len(keys)):
        at = _slot(keys[i], spaces[i], mask)
        while True:
            entry = np.int64(table[at])
            if entry == 0:
                known[count] = keys[i]
                known_spaces[count] = spaces[i]
                out[i] = count
                count += 1
                table[at] = count
                break
            if known[entry - 1] == keys[i] and known_spaces[entry - 1] == spaces[i]:
                out[i] = entry - 1
                break
            at = (at + np.uint64(1)) & mask
    return count


@njit(cache=True, nogil=True)
def _fill(table: Any, keys: Any, spaces: Any, count: Any) -> None:
    mask = np.uint64(len(table) - 1)
    for i in range(count):
        at = _slot(keys[i], spaces[i], mask)
        while table[at] != 0:
            at = (at + np.uint64(1)) & mask
        table[at] = i + 1
