"""One setting replayed over every trace is a trial; the trials that no other beats are the front."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, NamedTuple

from ...policies.interface import Policy
from ..scores.row import Score
from .cases import Case

DAY = 86400
_MEASURED = {
    "worker_visit_us", "worker_page_us", "worker_start_us", "worker_late_share", "worker_late_us",
    "worker_again_us", "inactive_pages", "reclaimed_share", "huge_class_size",
}  # fmt: skip
"""Parameters that describe a host: nobody sets them."""


class Spread(NamedTuple):
    """A number over several replays: their mean, the smallest and the largest."""

    mean: float
    low: float
    high: float

    def as_json(self) -> dict[str, float]:
        """The object in ``tmemlab.advise/1``."""
        return self._asdict()


@dataclass(frozen=True)
class Trial:
    """A policy over every trace; rates are shares of one."""

    policy: Policy
    scores: tuple[Score, ...]
    """One a trace."""
    cases: tuple[Case, ...]

    def _mean(self, values: Iterable[float]) -> float:
        weights = [case.weight for case in self.cases]
        return sum(v * w for v, w in zip(values, weights, strict=True)) / sum(weights)

    def _written(self) -> list[float]:
        return [
            score.device_bytes["written"] * DAY / case.seconds
            for score, case in zip(self.scores, self.cases, strict=True)
        ]

    def _cpu(self) -> list[float]:
        return [
            sum(score.cpu_s.values()) / case.seconds for score, case in zip(self.scores, self.cases, strict=True)
        ]

    def _risks(self) -> list[float]:
        return [score.oom.p for score in self.scores if score.oom.p is not None]

    @cached_property
    def hit_rate(self) -> float:
        """Loads that are hits; the traces' mean."""
        return self._mean(score.hit_rate or 0.0 for score in self.scores)

    @cached_property
    def oom_p(self) -> float | None:
        """P(OOM) of the trace where it is highest: a limit has to hold on every host. None: not known."""
        return max(self._risks(), default=None)

    @cached_property
    def pool_bytes(self) -> float:
        """Memory of the pool over time; the traces' mean."""
        return self._mean(score.pool_bytes["mean"] for score in self.scores)

    @cached_property
    def written_per_day(self) -> float:
        """Bytes written to disks in a day as busy as the trace; the traces' mean."""
        return self._mean(self._written())

    @cached_property
    def cpu_share(self) -> float:
        """Of one CPU, compressing and decompressing; the traces' mean."""
        return self._mean(self._cpu())

    @property
    def failed(self) -> int:
        """Stores that failed: the page stayed in RAM, where nothing else was left."""
        return sum(score.stores["refused"] for score in self.scores)

    @property
    def survives(self) -> float | None:
        """The share of RAM that can be mlocked with P(OOM) < 1 % on every trace; None: not known."""
        return min((s.oom.max_survivable for s in self.scores if s.oom.max_survivable is not None), default=None)

    @property
    def stall_s(self) -> float | None:
        """The longest wait of a storm for memory."""
        stalls = [s.oom.longest_stall_s for s in self.scores]
        return max((stall for stall in stalls if stall is not None), default=None)

    @property
    def storms(self) -> int:
        """Storms on each trace."""
        return max(score.oom.storms for score in self.scores)

    @cached_property
    def costs(self) -> tuple[float, float, float, float]:
        """What trials are compared by, less being better: misses, P(OOM), memory of the pool, bytes written."""
        return 1 - self.hit_rate, self.oom_p or 0.0, self.pool_bytes, self.written_per_day

    @property
    def label(self) -> str:
        """The policy with the settings that are not its defaults, short: without what was measured of the host,
        and without how often a script writes back, which is as often as a page can become idle.
        """
        changed = changed_settings(self.policy)
        changed.pop("writeback_interval", None)
        if changed.get("mode") == "huge":
            changed.pop("idle_age", None)
        said = [f"{name}={value if isinstance(value, str) else f'{value:g}'}" for name, value in changed.items()]
        return self.policy.name + (":" + ",".join(said) if said else "")

    def spreads(self, more: Sequence["Trial"] = ()) -> dict[str, Spread | None]:
        """Each score with its smallest and largest value over the traces, and over ``more`` replays of the same.

        P(OOM) has its 95 % interval where that is wider.
        """
        runs = [self, *more]
        intervals = [end for run in runs for score in run.scores if score.oom.ci95 for end in score.oom.ci95]
        risks = [risk for run in runs for risk in run._risks()]

        def spread(mean: float, values: Iterable[float]) -> Spread:
            every = [mean, *values]
            return Spread(mean, min(every), max(every))

        return {
            "hit_rate": spread(self.hit_rate, (s.hit_rate or 0.0 for run in runs for s in run.scores)),
            "p_oom": None if self.oom_p is None else spread(self.oom_p, [*risks, *intervals]),
            "pool_bytes_mean": spread(self.pool_bytes, (s.pool_bytes["mean"] for r in runs for s in r.scores)),
            "written_bytes_per_day": spread(self.written_per_day, (v for run in runs for v in run._written())),
            "cpu_share": spread(self.cpu_share, (v for run in runs for v in run._cpu())),
        }

    def as_json(self, more: Sequence["Trial"] = ()) -> dict[str, Any]:
        """An element of ``front`` in ``tmemlab.advise/1``."""
        return {
            "policy": self.policy.name,
            "params": asdict(self.policy),
            "scores": {name: s.as_json() if s else None for name, s in self.spreads(more).items()},
            "survives": self.survives,
            "longest_stall_s": self.stall_s,
            "failed_stores": self.failed,
        }


def changed_settings(policy: Policy) -> dict[str, Any]:
    """What somebody sets, where it is not the default."""
    found = {p.name: (getattr(policy, p.name), p.default) for p in policy.params() if p.name not in _MEASURED}
    return {name: value for name, (value, default) in found.items() if value != default}


def dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether ``one`` is nowhere worse and somewhere better, less being better."""
    return all(a <= b for a, b in zip(one, other, strict=True)) and tuple(one) != tuple(other)


def front(trials: Iterable[Trial]) -> list[Trial]:
    """Those that no other beats, the most hits first; of several with the same numbers the first.

    A setting under which stores fail is no choice: reclaim gets nothing, and the program may be killed for it.
    """
    sound = [trial for trial in trials if not trial.failed]
    kept: dict[tuple[float, ...], Trial] = {}
    for trial in sound:
        if not any(dominates(other.costs, trial.costs) for other in sound):
            kept.setdefault(trial.costs, trial)
    return sorted(kept.values(), key=lambda trial: trial.costs)
