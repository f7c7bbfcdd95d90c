"""What a setting may not exceed, and what to choose among those that keep to it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...units import format_bytes
from .trials import Trial, changed_settings, front

TOLERATED = 0.01
"""Without ``--max-oom``: P(OOM) may be so much higher than without any pool."""
GOALS: Mapping[str, tuple[tuple[str, float], ...]] = {
    "hits": (("misses", 0.001), ("risk", 0.0), ("memory", 0.02), ("writes", 0.02)),
    "memory": (("misses", 0.05), ("memory", 0.02), ("risk", 0.0), ("writes", 0.02)),
    "writes": (("writes", 0.02), ("misses", 0.01), ("risk", 0.0), ("memory", 0.02)),
    "balanced": (("misses", 0.01), ("risk", 0.0), ("memory", 0.05), ("writes", 0.05)),
}
"""A goal is a sequence of sieves: each keeps what is within a tolerance of the best that is left. Of misses and
risk the tolerance is absolute, of memory and writes it is a share."""
LITTLE_MEMORY = 0.001
"""Of RAM: pools that differ by less are alike, whatever share of each other that is."""
LITTLE_WRITES = 1 << 30
"""Bytes a day: the same of what is written."""
_COSTS = ("misses", "risk", "memory", "writes")
_ABSOLUTE = ("misses", "risk")


@dataclass(frozen=True)
class Limits:
    """What was asked for; None: no limit. Sizes in bytes, rates in shares of one."""

    max_oom: float | None = None
    max_pool: int | None = None
    """What the settings may let the pool take; see :func:`.space.most`."""
    max_writes: float | None = None
    """Bytes a day."""
    max_cpu: float | None = None
    """Of one CPU."""
    assumed: bool = False
    """``max_oom`` was not asked for: it is :data:`TOLERATED` above that of swap without a pool."""

    def values(self, trial: Trial) -> dict[str, float]:
        """What a trial has of everything that is limited, by the option's name."""
        found = {
            "--max-oom": trial.oom_p, "--max-writes": trial.written_per_day, "--max-cpu": trial.cpu_share,
        }  # fmt: skip
        return {k: value for k, value in found.items() if value is not None and self.bound(k) is not None}

    def bound(self, name: str) -> float | None:
        """The limit that an option gave."""
        return {"--max-oom": self.max_oom, "--max-writes": self.max_writes, "--max-cpu": self.max_cpu}[name]

    def broken(self, trial: Trial) -> list[str]:
        """The options whose limit a trial exceeds, and ``failed stores``."""
        said = [name for name, value in self.values(trial).items() if value > (self.bound(name) or 0.0)]
        return [*said, "failed stores"] if trial.failed else said

    def relative_to(self, none: Trial | None) -> "Limits":
        """These, and where no risk was asked for that of ``none`` and :data:`TOLERATED`."""
        if self.max_oom is not None or none is None or none.oom_p is None:
            return self
        return Limits(none.oom_p + TOLERATED, self.max_pool, self.max_writes, self.max_cpu, True)


def choose(trials: Sequence[Trial], limits: Limits, goal: str, now: Trial | None = None) -> Trial | None:
    """The one to recommend: within the limits, by the goal; None where nothing is within them.

    Of several that are as good what the host runs already, ``now``, wins; else the one with the fewest settings
    that are not a default, and of these the first.
    """
    left = [trial for trial in trials if not limits.broken(trial)]
    for name, tolerance in GOALS[goal]:
        if not left:
            return None
        which = _COSTS.index(name)
        best = min(trial.costs[which] for trial in left)
        little = {"memory": LITTLE_MEMORY * _least_ram(left), "writes": LITTLE_WRITES}.get(name, 0.0)
        bound = best + (tolerance if name in _ABSOLUTE else max(best * tolerance, little))
        left = [trial for trial in left if trial.costs[which] <= bound + 1e-12]
    if now is not None:
        same = [trial for trial in left if trial.policy == now.policy]
        if same:
            return same[0]
    return min(left, key=lambda trial: len(changed_settings(trial.policy)))


def _least_ram(trials: Sequence[Trial]) -> int:
    return min(case.ram_bytes for case in trials[0].cases)


def in_the_way(trials: Sequence[Trial], limits: Limits) -> Iterator[str]:
    """Where nothing is within the limits: a sentence a limit, with what it would take and what that brings."""
    sound = front(trials)
    if not sound and limits.max_pool is not None:
        yield f"--max-pool {format_bytes(limits.max_pool)}: no setting of these mechanisms takes as little."
    names = [name for name in ("--max-oom", "--max-writes", "--max-cpu") if limits.bound(name) is not None]
    for name in names:
        values = {id(trial): limits.values(trial).get(name, 0.0) for trial in sound}
        others = [trial for trial in sound if limits.broken(trial) in ([], [name])]
        least = min(sound, key=lambda trial: (values[id(trial)], -(trial.survives or 0.0)), default=None)
        if least is None:
            continue
        bound = limits.bound(name)
        said = f"{name} {in_words(name, bound or 0.0)}: the least is {in_words(name, values[id(least)])}"
        said += f", with {least.label}"
        if name == "--max-oom" and least.survives is not None and least.oom_p:
            said += f", which survives storms of {100 * least.survives:.1f}% of RAM (--storm-fraction)"
        near = min(others, key=lambda trial: (values[id(trial)], trial.costs), default=least)
        if near is not least:
            said += (
                f"; with {in_words(name, values[id(near)])} the other limits are met by {near.label}, "
                f"{100 * near.hit_rate:.1f}% of hits"
            )
        yield said + "."


def in_words(name: str, value: float) -> str:
    """A limit's value, for people."""
    if name == "--max-writes":
        return f"{format_bytes(value)}/day"
    return f"{100 * value:.3g}%"
