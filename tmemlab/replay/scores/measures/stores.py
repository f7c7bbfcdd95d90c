"""Stores by what became of them, and writeback."""

from ....units import format_count
from ..declare import measure

measure("stores.accepted", "count", "Stores that the pool took.", lambda o: int(o.h.accepted))
measure(
    "stores.rejected", "count", "Stores that went past the pool to the next backing store.",
    lambda o: int(o.h.rejected), column="rejected", place=30,
    cell=lambda row: format_count(row["stores"]["rejected"] + row["stores"]["refused"]),
)  # fmt: skip
measure("stores.zero", "count", "Stores of pages of zero bytes.", lambda o: int(o.h.zero_stores))
measure("stores.refused", "count", "Stores that failed: the page stayed in RAM.", lambda o: int(o.h.refused))
measure(
    "stores.again", "count", "Pages that left RAM here by a store and while recording by being dropped.",
    lambda o: int(o.h.stored_again),
)  # fmt: skip
measure(
    "stores.unwritten", "count", "Stores while recording that are none here: the copy on disk was still good.",
    lambda o: int(o.h.unwritten),
)  # fmt: skip
measure(
    "writeback.pages", "pages", "Pages moved from the pool to the store below it.",
    lambda o: int(o.h.writeback_pages), column="written back", place=40,
)  # fmt: skip
measure("writeback.bytes", "bytes", "Bytes written by that.", lambda o: int(o.h.writeback_bytes))
measure(
    "writeback.pulled_back", "pages", "Pages moved from the pool back into RAM.", lambda o: int(o.h.pulled_back)
)
