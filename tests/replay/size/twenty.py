"""Twenty events, a millisecond apart, of pages that do not compress: each takes a page of the pool."""

from tests.replay.build import I, L, S, columns

EVENTS = [
    (S, 0), (S, 1), (S, 2), (L, 0), (S, 3),
    (L, 1), (S, 0), (L, 2), (S, 4), (L, 0),
    (S, 1), (I, 3), (S, 2), (L, 1), (S, 0),
    (S, 1), (L, 2), (L, 0), (S, 5), (L, 1),
]  # fmt: skip
TRACE = columns(EVENTS)
MS = 1_000_000

# Eight loads; each holds its page from the store before it. Pages 3, 4 and 5 are never loaded.
#   page 0: 0-3 (3 ms), 6-9 (3), 14-17 (3)    page 1: 1-5 (4), 10-13 (3), 15-19 (4)    page 2: 2-7 (5), 12-16 (4)
HELD = [(0, 3), (1, 5), (2, 7), (6, 9), (10, 13), (12, 16), (14, 17), (15, 19)]
"""(store, load), in the order of the loads."""
ALL = [1, 2, 3, 2, 2, 1, 2, 1, 1, 0, 1, 1, 2, 1, 2, 3, 2, 1, 1, 0]
"""Pages that are needed after each event for every load to be a hit: 29 page-milliseconds."""
SIX_OF_EIGHT = [1, 2, 2, 1, 1, 0, 1, 1, 1, 0, 1, 1, 2, 1, 2, 2, 1, 0, 0, 0]
"""The same for three quarters: 2-7 is the dearest, of those of 4 ms the last, 15-19, goes as well."""
