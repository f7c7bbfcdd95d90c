"""The pool's size and what is left of RAM."""

import numpy as np

from ....units import PAGE_SIZE
from ..declare import Outcome, measure


def _headroom(o: Outcome) -> float:
    seen = o.run.series[o.run.series[:, 2] >= 0]
    room = (seen[:, 0] + seen[:, 1] - o.run.host.watermark_min) * PAGE_SIZE if len(seen) else np.zeros(1)
    return float(np.percentile(room, 1))


def _limit(o: Outcome) -> int | None:
    pages = o.run.policy.numbers(o.run.host.ram).get("limit", -1)
    return int(pages) * PAGE_SIZE if pages >= 0 else None


measure(
    "pool_bytes.mean", "bytes", "Memory of the pool, in allocator pages, over time.",
    lambda o: float(o.h.pool_area) / max(o.duration_ns, 1) * PAGE_SIZE, column="pool mean", place=50,
)  # fmt: skip
measure(
    "pool_bytes.peak", "bytes", "The most that it was.", lambda o: int(o.h.peak_pool_pages) * PAGE_SIZE,
    column="pool peak", place=60,
)  # fmt: skip
measure(
    "pool_bytes.limit", "bytes", "What the pool was limited to; null where nothing limits it.", _limit,
)  # fmt: skip
measure(
    "ram_saved_bytes.mean", "bytes", "What the pages in the pool would take uncompressed, less the pool.",
    lambda o: float(o.h.saved_area) / max(o.duration_ns, 1) * PAGE_SIZE, column="RAM saved", place=70,
)  # fmt: skip
measure(
    "headroom_bytes.p1", "bytes",
    "Free memory and page cache above the min watermark, at the worst 1 % of the samples, without any storm.",
    _headroom,
)  # fmt: skip
measure("limit_hits", "count", "Stores that found the pool at its limit.", lambda o: int(o.h.limit_hits))
measure("pressure.calls", "count", "Times that the core VM asked the policy for memory.",
        lambda o: int(o.h.pressure_calls))  # fmt: skip
measure("pressure.pages", "pages", "Pages that the policy gave back when asked.",
        lambda o: int(o.h.pressure_pages))  # fmt: skip
measure("pressure.below_min_ms", "number", "Milliseconds with less free memory than the min watermark.",
        lambda o: int(o.h.below_min_ns) // 10**6)  # fmt: skip
