"""What ``tmemlab advise`` tells, and its document."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..scores.row import StormPlan
from .cases import Case
from .confidence import Confidence
from .limits import Limits, in_the_way
from .reasons import Reasons
from .settings import Setting, settings_of
from .space import Space
from .trials import Trial, front
from .words import changes, needs, recommendation, risks, sureness


@dataclass(frozen=True)
class Advice:
    """The answer; ``recommended`` is None where nothing that was tried is within the limits."""

    cases: Sequence[Case]
    plan: StormPlan
    goal: str
    limits: Limits
    """As asked for; where no risk was, that of swap without a pool and a point more."""
    space: Space
    trials: list[Trial]
    """What may be recommended of what was tried, in the order tried."""
    now: Trial | None
    """How the hosts ran while the traces were recorded; None: not known."""
    now_unknown: str
    none: Trial | None
    """Swap without a pool."""
    recommended: Trial | None
    reasons: list[Reasons]
    confidence: Confidence
    stopped: str
    """Why the search ended before it was done: ``time``, ``trials``, ``interrupted``; empty: it was done."""

    @cached_property
    def front(self) -> list[Trial]:
        """What no other trial beats, within the limits or not; the most hits first."""
        return front(self.trials)

    @property
    def compressor(self) -> str:
        """Whose lengths the replays had."""
        manifest = self.cases[0].trace.manifest
        start = manifest.zswap.start if manifest.zswap else {}
        return str(manifest.clen.algorithm or start.get("compressor") or "")

    @property
    def settings(self) -> list[Setting]:
        """What has to be set."""
        return settings_of(self.recommended.policy, self.compressor) if self.recommended else []

    @property
    def in_the_way(self) -> list[str]:
        """Where nothing is recommended: a sentence a limit, with what it costs."""
        return [] if self.recommended else list(in_the_way(self.trials, self.limits))

    @property
    def sentences(self) -> list[str]:
        """The advice in words: what to do, why, what changes, what it risks, how sure it is."""
        best = self.recommended
        if best is None:
            return [
                "Nothing that was tried is within the limits.",
                *self.in_the_way,
                *needs(self.reasons, self.plan),
            ]
        return [
            recommendation(best, self.now, self.cases[0].ram_bytes, self.plan),
            " ".join(needs(self.reasons, self.plan)),
            *changes(best, self.now, self.now_unknown),
            *risks(best, self.none, self.plan),
            " ".join(sureness(self.confidence, best, self.stopped)),
        ]

    def as_json(self) -> dict[str, Any]:
        """The document ``tmemlab.advise/1``."""
        best, again = self.recommended, self.confidence
        return {
            "schema": "tmemlab.advise/1",
            "traces": [
                {
                    "path": str(case.trace.path), "weight": case.weight, "events": case.columns.events,
                    "loads": case.columns.loads, "duration_s": case.seconds, "ram_bytes": case.ram_bytes,
                    "kernel": case.trace.manifest.kernel.release,
                }
                for case in self.cases
            ],
            "config": {
                "goal": self.goal, "max_oom": self.limits.max_oom, "max_pool_bytes": self.limits.max_pool,
                "max_writes_bytes_per_day": self.limits.max_writes, "max_cpu": self.limits.max_cpu,
                "storms": self.plan.storms, "storm_fraction": self.plan.fraction, "seed": self.plan.seed,
                "disk": self.cases[0].host.disk.name,
                "mechanisms": list(dict.fromkeys(m.name for m in self.space.mechanisms)),
            },
            "now": None if self.now is None else self.now.as_json([t for t in [again.now_again] if t]),
            "recommended": None
            if best is None
            else {
                **best.as_json([t for t in [again.recommended_again] if t]),
                "settings": [setting.as_json() for setting in self.settings],
                "why": self.sentences,
            },
            "reasons": [reasons.as_json() for reasons in self.reasons],
            "front": [trial.as_json() for trial in self.front],
            "trials": len(self.trials),
            "stopped": self.stopped or None,
            "in_the_way": self.in_the_way,
            "confidence": again.as_json(best.policy if best else None),
            "left_out": self.space.left_out,
        }  # fmt: skip
