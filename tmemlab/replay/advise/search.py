"""Find the front: a coarse grid of every mechanism, then between and beside what nothing beats.

Each mechanism has two to five settings, most of them whole numbers, and a replay is exact: the same setting
gives the same numbers. So the front is refined by looking at it, without dice: a setting of it whose neighbour
along one dimension scores otherwise gets a trial between the two, the largest difference first. The search ends
by itself, when neighbours are alike or there is nothing between them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain, zip_longest

from ...policies.interface import Policy
from .bench import Bench
from .space import Dimension, Space, Value
from .trials import Trial, front

ALIKE = 0.01
"""Neighbours that differ by less, in shares of what all trials differ by, need nobody between them."""
UNSEEN = 0.5
"""What a value on whose side nothing was tried counts for."""
FAVOURED = 1.0
"""What it counts for to be beside the favourite: more than any difference."""
ROUND = 6
"""Trials until the front is looked at again."""
_SIZES = ("max_pool_percent", "disksize_percent")

Point = tuple[Value, ...]


def search(
    bench: Bench,
    space: Space,
    allowed: Callable[[Policy], bool] = lambda _: True,
    favourite: Callable[[], Trial | None] = lambda: None,
) -> None:
    """Try settings of ``space`` that are allowed until the front is known, or the bench is stopped.

    favourite: what would be recommended so far; what is beside that is tried first.
    """
    grids = zip_longest(*(mechanism.grid() for mechanism in space.mechanisms))
    bench.run(policy for policy in chain.from_iterable(grids) if policy is not None and allowed(policy))
    while not bench.stopped:
        wanted = [policy for policy in refinements(space, bench.trials, favourite()) if allowed(policy)][:ROUND]
        if not wanted:
            return
        bench.run(wanted)


def refinements(space: Space, trials: Mapping[Policy, Trial], favourite: Trial | None = None) -> list[Policy]:
    """Settings worth a trial, the most promising first; none: the front is known."""
    kinds = {type(mechanism.base) for mechanism in space.mechanisms}
    offered = [trial for policy, trial in trials.items() if type(policy) in kinds and not trial.failed]
    best, costs = front(offered), [trial.costs for trial in offered]
    ranges = [max(column) - min(column) or 1.0 for column in zip(*costs, strict=True)]
    found: dict[Policy, float] = {}
    for mechanism in space.mechanisms:
        points = {at: trial for p, trial in trials.items() if (at := mechanism.point(p)) is not None}
        for at, trial in points.items():
            if trial not in best:
                continue
            for number, dimension in enumerate(mechanism.dimensions):
                if _asleep(dimension, trial):
                    continue
                known = {other[number] for other in points} | set(dimension.coarse)
                line = {other[number]: t for other, t in points.items() if _differs_at(at, other, number)}
                for value, promise in _moves(dimension, at[number], trial, line, known, ranges):
                    policy = mechanism.policy((*at[:number], value, *at[number + 1 :]))
                    if policy not in trials and promise > ALIKE:
                        beside = FAVOURED if trial is favourite else 0.0
                        found[policy] = max(found.get(policy, 0.0), promise + beside)
    return sorted(found, key=lambda policy: -found[policy])


def _differs_at(at: Point, other: Point, number: int) -> bool:
    return at[:number] == other[:number] and at[number + 1 :] == other[number + 1 :]


def _asleep(dimension: Dimension, trial: Trial) -> bool:
    """Whether a setting changes nothing here: a threshold, or a limit, of what never gets there."""
    if dimension.name == "accept_threshold_percent":
        return not any(score.limit_hits for score in trial.scores)
    if dimension.name != "mem_limit_percent":
        return False
    smallest = min((float(value) for value in dimension.values if value), default=0.0)
    return bool(getattr(trial.policy, "disksize_percent", 0.0) <= smallest)


def _moves(
    dimension: Dimension,
    here: Value,
    trial: Trial,
    line: Mapping[Value, Trial],
    known: AbstractSet[Value],
    ranges: Sequence[float],
) -> Iterator[tuple[Value, float]]:
    """Values to try along one dimension, with what each promises.

    line: what was tried along it. known: the values that were tried anywhere, with which a side begins where
    nothing was tried.
    """
    if not dimension.is_number:
        yield from ((value, UNSEEN) for value in dimension.values if value not in line)
        return
    for side in (-1, 1):
        beyond = [value for value in line if side * (float(value) - float(here)) > 0]
        if beyond:
            nearest = min(beyond, key=lambda value: side * float(value))
            difference = _difference(trial, line[nearest], ranges)
            middle = dimension.between(*sorted((here, nearest), key=float))
            if middle is not None:
                yield middle, difference
        else:
            ends = [*known, dimension.values[0], dimension.values[-1]]
            further = [value for value in ends if side * (float(value) - float(here)) > 0]
            reached = dimension.name not in _SIZES or any(score.limit_hits for score in trial.scores)
            if further and (side < 0 or reached):  # a size that is never reached need not be larger
                yield min(further, key=lambda value: side * float(value)), UNSEEN


def _difference(one: Trial, other: Trial, ranges: Sequence[float]) -> float:
    """The largest difference of two trials' costs, in shares of each range."""
    return max(abs(a - b) / r for a, b, r in zip(one.costs, other.costs, ranges, strict=True))
