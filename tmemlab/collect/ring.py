"""Draining the BPF ring buffer without a call per record.

The ring is three mappings of one map: the consumer's position, the producer's position, and the data mapped
twice in a row, so that a run of records is contiguous however it wraps. Records here all have the same size,
so the data is one structured array and a drain is one comparison, one copy and one store.
"""

import mmap

import numpy as np

from .records import RECORD, Records

_SLOT = np.dtype([("length", "<u4"), ("page_offset", "<u4"), ("record", RECORD)])
_BUSY = np.uint32(1 << 31)
_DISCARDED = np.uint32(1 << 30)
_PAGE = mmap.PAGESIZE


class Ring:
    """The user side of a BPF_MAP_TYPE_RINGBUF of ``size`` bytes (a power of two) whose records are all RECORD.

    Layout: kernel/bpf/ringbuf.c, which maps the consumer page at 0, the producer page after it, then the data.
    """

    def __init__(self, map_fd: int, size: int) -> None:
        if size & (size - 1) or size % _SLOT.itemsize:
            raise ValueError(f"a ring of {size} bytes is not a power of two")
        self._consumer_map = mmap.mmap(map_fd, _PAGE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        self._producer_map = mmap.mmap(map_fd, _PAGE + 2 * size, mmap.MAP_SHARED, mmap.PROT_READ, offset=_PAGE)
        self._consumer = np.frombuffer(self._consumer_map, np.uint64, 1)
        self._producer = np.frombuffer(self._producer_map, np.uint64, 1)
        self._slots = np.frombuffer(self._producer_map, _SLOT, 2 * size // _SLOT.itemsize, _PAGE)
        self._mask = size - 1
        self.size = size

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
