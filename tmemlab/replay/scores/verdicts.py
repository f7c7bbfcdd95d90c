"""Which storms have to be run, and what the others would have come to.

How much a storm gets is very nearly a linear function of six numbers of the state in which it begins: what memory
is free and droppable, what can be swapped, what the pool holds, what is queued for the disk. So some storms are
run, spread over the states that there are; the rest is predicted from those that are nearest, and whatever comes
near to a number that is reported (the fraction, the steps of the curve, the largest share that survives) is run
as well. How near that is, the storms that were run tell: each is predicted from the others, and three times the
largest error, and two batches of reclaim, are the guard band. What is near is run in stages, because every storm
that was run makes the others more certain. So is a storm that will be killed while its neighbours do not agree on
the cause. Where the fit is poor the band is wide, and all storms are run.
"""

from math import ceil

import numpy as np
import numpy.typing as npt

from .storm import BATCH, CAUSE, DEMAND, OUTCOMES

FEATURES = 6
"""Free pages without the pool, page cache, anonymous pages with a slot to go to, pages of the pool, pages in the
queues of devices, pages stored in the pool."""
FIRST = 28
"""Storms that are run whatever they seem to be; fewer are run all."""
_NEAREST = 40
_WITNESSES = 12
_BANDS = 3.0
_SLACK = 2 * BATCH
_AUDIT = 8
_STAGE = 32
"""Unsure ones that are run at a time, or a third of them: the replay has to be run again for each batch."""


def spread(features: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.int64]:
    """``count`` rows that are far from each other: each the farthest from those before it [T. F. Gonzalez,
    Clustering to minimize the maximum intercluster distance, Theor. Comput. Sci. 38, 1985].
    """
    scaled = features / np.maximum(features.std(axis=0), 1.0)
    chosen = [0]
    distance = ((scaled - scaled[0]) ** 2).sum(axis=1)
    while len(chosen) < min(count, len(features)) and distance.max() > 0:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, ((scaled - scaled[chosen[-1]]) ** 2).sum(axis=1))
    return np.array(sorted(chosen), np.int64)


def predict(
    features: npt.NDArray[np.float64],
    demand: npt.NDArray[np.float64],
    asked: npt.NDArray[np.float64],
    itself: int = 0,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Demand of storms by a local linear fit, and the storms that it is from, nearest first.

    features, demand: of known storms. asked: features of others. itself: 1 to leave out the nearest, where the
    known are predicted from each other.
    """
    scale = np.maximum(features.std(axis=0), 1.0)
    known, wanted = features / scale, asked / scale
    distance = ((wanted[:, None, :] - known[None, :, :]) ** 2).sum(axis=2)
    if itself:
        np.fill_diagonal(distance, np.inf)
    near = np.argsort(distance, axis=1, kind="stable")[:, : min(_NEAREST, len(known) - itself)]
    offsets = known[near] - wanted[:, None, :]
    matrix = np.concatenate([np.ones((*near.shape, 1)), offsets], axis=2)
    middle = demand[near].mean(axis=1)
    turned = matrix.transpose(0, 2, 1)
    normal = turned @ matrix
    normal += np.eye(FEATURES + 1) * 1e-9 * np.trace(normal, axis1=1, axis2=2)[:, None, None]
    right = turned @ (demand[near] - middle[:, None])[:, :, None]
    return middle + np.linalg.solve(normal, right)[:, 0, 0], near


class Verdicts:
    """The storms of one replay: which to run next, until all that is reported is certain."""

    def __init__(
        self, features: npt.NDArray[np.float64], ram_pages: int, fraction: float, exact: bool = False
    ) -> None:
        """features: (storms, FEATURES), of the state in which each begins. exact: all are to be run."""
        self._features, self._ram = features, ram_pages
        self._outcomes = np.zeros((len(features), OUTCOMES), np.int64)
        self._run = np.zeros(len(features), np.bool_)
        self._exact = exact or len(features) <= FIRST
        self._tolerated = ceil(0.01 * len(features)) - 1
        steps = [int(step * ram_pages / 20) for step in range(1, 21)]
        self._borders = np.array([int(fraction * ram_pages), *steps])

    def learn(self, which: npt.NDArray[np.int64], outcomes: npt.NDArray[np.int64]) -> None:
        """What storms that were run came to."""
        self._outcomes[which], self._run[which] = outcomes, True

    @property
    def simulated(self) -> int:
        """Storms that were run."""
        return int(self._run.sum())

    def next(self) -> npt.NDArray[np.int64]:
        """Numbers of storms to run now, ascending; none when everything is known well enough."""
        if self._exact:
            return np.flatnonzero(~self._run)
        if not self._run.any():
            return spread(self._features, FIRST)
        rest = np.flatnonzero(~self._run)
        if not len(rest):
            return rest
        known = np.flatnonzero(self._run)
        if len(known) == 1:  # spread() found no second state: all are the same
            return known[:0]
        demand = self._outcomes[known, DEMAND].astype(np.float64)
        crossed, _ = predict(self._features[known], demand, self._features[known], itself=1)
        guess, near = predict(self._features[known], demand, self._features[rest])
        guess = np.clip(guess, 0, self._ram)
        band = _BANDS * np.abs(crossed - demand)[near[:, :_WITNESSES]].max(axis=1) + _SLACK
        every = self._outcomes[:, DEMAND].astype(np.float64)
        every[rest] = guess
        unsure = (np.abs(guess[:, None] - self._borders[None, :]) <= band[:, None]).any(axis=1)
        unsure |= guess - band <= np.sort(every)[self._tolerated]
        causes = self._outcomes[known, CAUSE][near[:, :_WITNESSES]]  # of those that end before the fraction
        unsure |= (causes != causes[:, :1]).any(axis=1) & (guess - band < self._borders[0])
        wanted = rest[unsure]
        if len(wanted) > _STAGE:  # what these come to may tell enough of the others
            wanted = wanted[np.linspace(0, len(wanted) - 1, max(_STAGE, len(wanted) // 3)).astype(np.int64)]
        if self.simulated <= FIRST:  # and some that seem certain, to hear whether they are
            wanted = np.union1d(wanted, rest[:: max(len(rest) // _AUDIT, 1)])
        return wanted

    def outcomes(self) -> npt.NDArray[np.int64]:
        """All outcomes: of storms that were not run the demand as predicted, the rest that of the nearest one."""
        rest = np.flatnonzero(~self._run)
        known = np.flatnonzero(self._run)
        if len(rest):
            demand = self._outcomes[known, DEMAND].astype(np.float64)
            guess, near = predict(self._features[known], demand, self._features[rest])
            self._outcomes[rest] = self._outcomes[known[near[:, 0]]]
            self._outcomes[rest, DEMAND] = np.clip(np.rint(guess), 0, self._ram).astype(np.int64)
        return self._outcomes
