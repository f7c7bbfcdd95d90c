"""Sampling page contents: how well what is being stored compresses.

No tracepoint carries a compressed length. The program copies the contents of a random share of the stores into
a ring of their own, at the moment of the store; here they are compressed with the twin of the kernel's compressor
and forgotten. Reading the page through its process instead would mark it as used and disturb the very reclaim that
is being recorded [mm/gup.c: FOLL_TOUCH], and would never see pages that do not come back.
"""

import time

import numpy as np

from ..kernel.compressors import Twin
from ..records import RECORD, Kind, Records
from .cuts import Counters
from .ring import ContentRing

_ADJUST_SECONDS = 0.25


class ContentSampler:
    """Compresses contents within a budget: ``share`` of one CPU, by asking for fewer or more of them.

    ``sampled`` and ``spent`` (CPU seconds) say what it came to.
    """

    def __init__(self, ring: ContentRing, twin: Twin, counters: Counters, share: float) -> None:
        self.twin = twin
        self.sampled = 0
        self.spent = 0.0
        self._ring = ring
        self._counters = counters
        self._share = share
        self._cost = 2e-5
        self._stores = counters.stores()
        self._adjusted = time.monotonic()
        counters.look_at(1.0)

    def take(self) -> Records:
        """CONTENT records of the contents that wait."""
        begin = time.thread_time()
        length = self.twin.length
        taken = [(t, entry, length(content)) for t, entry, content in self._ring]
        records = np.zeros(len(taken), RECORD)
        if taken:
            columns = np.array(taken, np.uint64)
            records["t"], records["entry"], records["tail"] = columns.T
            records["kind"], records["pages"] = Kind.CONTENT, 1
            cost = time.thread_time() - begin
            self.spent += cost
            self.sampled += len(taken)
            self._cost = 0.8 * self._cost + 0.2 * cost / len(taken)
        self._adjust()
        return records

    def _adjust(self) -> None:
        """Ask for as large a share of the stores as the budget pays for at their present rate."""
        now = time.monotonic()
        if now - self._adjusted < _ADJUST_SECONDS:
            return
        stores = self._counters.stores()
        rate = (stores - self._stores) / (now - self._adjusted)
        self._stores, self._adjusted = stores, now
        self._counters.look_at(self._share / (self._cost * rate) if rate else 1.0)
