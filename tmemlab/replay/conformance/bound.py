"""No pool is better than the best: what a policy serves beside what clairvoyance would have, with as much memory.

All pages take a page here, so that Belady's choice is optimal [L. A. Belady, IBM Syst. J. 5(2), 1966], not only
good.
"""

from dataclasses import replace

from ...policies.bounds.clairvoyant import Clairvoyant
from ...policies.interface import Policy
from ...units import PAGE_SIZE
from ..inputs.columns import next_loads
from ..scores.score import score
from .cases import RAM, raw_pages, stack_of
from .findings import Finding

LIMITS = (4, 20, 60)
"""Pages that the pool may have, where it can be told."""


def beyond(policy: Policy, events: int) -> tuple[list[Finding], int]:
    """Findings where more loads came from the pool than could have, and replays made."""
    case = raw_pages(events)
    c = case.columns
    future = next_loads(c.op, c.page, c.pages)
    variants = dict.fromkeys(policy.with_pool(pages * PAGE_SIZE, RAM * PAGE_SIZE) for pages in LIMITS)
    for variant in variants:
        row = score(c, case.host, variant, case.plan, future, stack=stack_of(variant))
        peak = row.pool_bytes["peak"] // PAGE_SIZE
        best = score(c, case.host, replace(Clairvoyant(), max_pool_pages=peak), case.plan, future)
        if row.loads["pool"] > best.loads["pool"]:
            detail = (
                f"{row.loads['pool']} loads from a pool of {peak} pages, where at most {best.loads['pool']} can be"
            )
            return [Finding("bound", detail)], 2 * len(variants)
    return [], 2 * len(variants)
