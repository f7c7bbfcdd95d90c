"""Draining the BPF ring buffer without a call per record.

The ring is three mappings of one map: the consumer's position, the producer's position, and the data mapped
twice in a row, so that a run of records is contiguous however it wraps. Records here all have the same size,
so the data is one structured array and a drain is one comparison, one copy and one store.
"""

import mmap
import struct
from collections.abc import Iterator

import numpy as np

from ..records import RECORD, Records

_PAGE_BYTES = 4096
_CONTENT_STRIDE = 8 + 16 + _PAGE_BYTES

_SLOT = np.dtype([("length", "<u4"), ("page_offset", "<u4"), ("record", RECORD)])
_LENGTH = struct.Struct("<I")
_CONTENT = struct.Struct("<QQ")
_BUSY = np.uint32(1 << 31)
_DISCARDED = np.uint32(1 << 30)
_PAGE = mmap.PAGESIZE


class _Mapped:
    """The three mappings of a BPF_MAP_TYPE_RINGBUF of ``size`` bytes, a power of two.

    Layout: kernel/bpf/ringbuf.c, which maps the consumer page at 0, the producer page after it, then the data.
    """

    def __init__(self, map_fd: int, size: int) -> None:
        if size & (size - 1) or size < _PAGE:
            raise ValueError(f"a ring of {size} bytes is not a power of two")
        self._consumer_map = mmap.mmap(map_fd, _PAGE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        self._data_map = mmap.mmap(map_fd, _PAGE + 2 * size, mmap.MAP_SHARED, mmap.PROT_READ, offset=_PAGE)
        self._consumer = np.frombuffer(self._consumer_map, np.uint64, 1)
        self._producer = np.frombuffer(self._data_map, np.uint64, 1)
        self._mask = size - 1
        self.size = size


class Ring(_Mapped):
    """The user side of a ring whose records are all RECORD."""

    def __init__(self, map_fd: int, size: int) -> None:
        super().__init__(map_fd, size)
        self._slots = np.frombuffer(self._data_map, _SLOT, 2 * size // _SLOT.itemsize, _PAGE)

    def backlog(self) -> int:
        """Records that wait."""
        return (int(self._producer[0]) - int(self._consumer[0])) // _SLOT.itemsize

    def drain(self) -> Records:
        """Every finished record, in order, copied out; the room is the kernel's again on return."""
        begin = int(self._consumer[0])
        count = (int(self._producer[0]) - begin) // _SLOT.itemsize
        first = (begin & self._mask) // _SLOT.itemsize
        slots = self._slots[first : first + count]
        busy = slots["length"] & _BUSY != 0
        if busy.any():
            # Being written: it and all behind it wait for the next drain, which keeps the order.
            slots = slots[: int(busy.argmax())]
        records = slots["record"].copy()
        discarded = slots["length"] & _DISCARDED != 0
        self._consumer[0] = begin + len(slots) * _SLOT.itemsize
        return records[~discarded] if discarded.any() else records


class ContentRing(_Mapped):
    """The user side of a ring of page contents: struct content of bpf/common.h."""

    def __iter__(self) -> Iterator[tuple[int, int, bytes]]:
        """(time of the store, swap entry, content) of each that waits; its room is free when the next is taken."""
        view = memoryview(self._data_map)
        while (at := int(self._consumer[0])) < int(self._producer[0]):
            first = _PAGE + (at & self._mask)
            (header,) = _LENGTH.unpack_from(view, first)
            if header & int(_BUSY):
                return
            if not header & int(_DISCARDED):
                t, entry = _CONTENT.unpack_from(view, first + 8)
                yield t, entry, bytes(view[first + 24 : first + 24 + _PAGE_BYTES])
            self._consumer[0] = at + _CONTENT_STRIDE
