"""Fixed sizes, to stand beside the band: the smallest with the hits, by policy, and the largest that survives.

For an ideal LRU the stack distances of the curve (replay/curve/) tell where to look, and replays add what the
holes of a real allocator take. Any other policy is replayed alone.
"""

from dataclasses import dataclass, field
from threading import Event

import numpy as np
import numpy.typing as npt

from ...policies.interface import Policy
from ...units import PAGE_SIZE
from ...world.host import Host
from ...world.stack import parse_stack
from ..inputs.columns import Columns
from ..scores.row import Score
from ..scores.score import StormPlan, score

LRU = "order.lru:exclusive_loads=on"
"""A pool of fixed size that gives up its oldest store, and whose loads take the copy."""
PRECISION = 256
"""A smallest size is known to this part of itself, or to a page."""


@dataclass(frozen=True)
class Fixed:
    """An LRU pool of one size for the whole trace."""

    pages: int
    hit_rate: float | None
    oom_p: float | None
    """P(OOM) in storms of the fraction that was asked for; None where none was run."""

    def as_json(self) -> dict[str, float | None]:
        """The object in ``tmemlab.size/1``."""
        return {"pool_bytes": self.pages * PAGE_SIZE, "hit_rate": self.hit_rate, "oom_p": self.oom_p}


@dataclass(frozen=True)
class Replays:
    """Replays of one policy, with pools of different sizes, over one trace on one host."""

    columns: Columns
    host: Host
    policy: Policy
    next_load: npt.NDArray[np.int64] | None = None
    cancelled: Event = field(default_factory=Event)
    """When set, a replay ends with TmemlabError."""

    @property
    def largest(self) -> int:
        """The largest limit that is tried, in pages: RAM; of page accesses, all that are touched."""
        return self.columns.pages if self.columns.kind == "access" else self.host.ram

    @property
    def has_limit(self) -> bool:
        """Whether the policy has a limit to set."""
        return self.limited(self.largest) is not self.policy

    def limited(self, pages: int) -> Policy:
        """The policy with a pool of so many pages."""
        return self.policy.with_pool(pages * PAGE_SIZE, self.largest * PAGE_SIZE)

    def run(self, policy: Policy, plan: StormPlan | None = None) -> Score:
        """One replay, without storms where no ``plan`` has them."""
        text, host = policy.stack(), self.host
        stack = parse_stack(text, host.ram * PAGE_SIZE, host.disk.name, host.disk_unit) if text else None
        return score(
            self.columns, host, policy, plan or StormPlan(0), self.next_load, stack=stack,
            cancelled=self.cancelled,
        )  # fmt: skip

    def smallest(self, wanted: float, guess: int = 0) -> int | None:
        """The smallest limit, in pages, with which a share ``wanted`` of all loads are hits; None: none is.

        By bisection: of a policy whose hits do not rise steadily with its size, a size with the hits next to
        one without them. guess: no smaller one is enough.
        """

        def reaches(pages: int) -> bool:
            return (self.run(self.limited(pages)).hit_rate or 0.0) >= wanted - 1e-12

        most = self.run(self.limited(self.largest))
        if (most.hit_rate or 0.0) < wanted - 1e-12:
            return None
        peak = int(most.pool_bytes["peak"]) // PAGE_SIZE
        low, high = min(guess, peak) - 1, min(peak + 1, self.largest)
        while high < self.largest and not reaches(high):  # at its limit a pool gives up more than it takes
            low, high = high, min(high + max(high >> 4, 1), self.largest)
        while high - low > max(high // PRECISION, 1):
            middle = (low + high) // 2
            low, high = (low, middle) if reaches(middle) else (middle, high)
        return high
