"""A policy beside the band: its pool over time, its hits and risk, and the size that it really needs."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...policies.interface import Policy
from ...units import PAGE_SIZE
from ..scores.row import Score
from ..scores.score import StormPlan
from .band import Band
from .fixed import Replays
from .regret import Regret, measure_regret, pool_over_time


@dataclass(frozen=True)
class Replayed:
    """What a policy does, whatever the band is."""

    policy: Policy
    score: Score
    has_limit: bool
    smallest: int | None
    """Pages: its smallest limit with the hits; None: it has no limit to set, or none is enough."""
    pool: npt.NDArray[np.int64]
    """(looks,): pages of its pool."""


@dataclass(frozen=True)
class Judged:
    """The same beside the band."""

    replayed: Replayed
    regret: Regret

    def as_json(self) -> dict[str, Any]:
        """One element of ``policies`` in ``tmemlab.size/1``."""
        done = self.replayed
        return {
            "name": done.policy.name,
            "params": asdict(done.policy),
            "hit_rate": done.score.hit_rate,
            "oom_p": done.score.oom.p,
            "pool_bytes": {name: done.score.pool_bytes[name] for name in ("mean", "peak")},
            "smallest_bytes": None if done.smallest is None else done.smallest * PAGE_SIZE,
            "regret": self.regret.as_json(),
        }


def replay_policy(replays: Replays, looks: npt.NDArray[np.int64], wanted: float, plan: StormPlan) -> Replayed:
    """Replay a policy as it is, with storms; look at its pool; search its smallest limit for ``wanted`` hits."""
    policy = replays.policy
    pool = pool_over_time(replays.columns, replays.host, policy, looks, replays.next_load)
    smallest = replays.smallest(wanted) if replays.has_limit else None
    return Replayed(policy, replays.run(policy, plan), replays.has_limit, smallest, pool)


def judge(replayed: Replayed, band: Band) -> Judged:
    """Hold what a policy did against the band."""
    return Judged(replayed, measure_regret(band, replayed.pool))
