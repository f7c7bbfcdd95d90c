"""OOM risk from storms: probability with its interval, largest survivable fraction, stalls, causes."""

from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
import numpy.typing as npt

from .storm import CAUSE, DEMAND, FREEZE_NS, STALL, STALL_TOTAL, TOO_SLOW

CAUSES = (
    "survived", "pool not shrinkable", "swap full", "nothing reclaimable left", "no progress", "device too slow",
)  # fmt: skip


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """95 % interval of a proportion (E. B. Wilson, JASA 22, 1927)."""
    z = 1.959963984540054
    share = hits / trials
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return (0.0 if hits == 0 else max(centre - half, 0.0)), (1.0 if hits == trials else min(centre + half, 1.0))


@dataclass(frozen=True)
class OomRisk:
    """What the storms found; rates are None where no storm was run."""

    fraction: float
    storms: int
    simulated: int
    """Storms that were run; the outcome of the others follows from these (verdicts.py)."""
    p: float | None
    ci95: tuple[float, float] | None
    max_survivable: float | None
    """The largest share of RAM that can be mlocked with P(OOM) < 1 %."""
    longest_stall_s: float | None
    total_stall_s: float | None
    """The longest time that a storm waited for memory up to the fraction. Both of the storms that were run: stalls
    are rare and long, and do not follow from the neighbours; --exact-storms runs all."""
    frozen: float | None
    """Share of the storms that were not killed but stalled for a minute or more: the device was too slow."""
    causes: dict[str, int]
    """Storms killed or frozen, by cause."""
    curve: list[tuple[float, float]]
    """(fraction, P(OOM)) in steps of 5 %."""


def assess(
    outcomes: npt.NDArray[np.int64], ram_pages: int, fraction: float, simulated: int | None = None
) -> OomRisk:
    """Statistics over outcomes (storms, 5) as :func:`.storm.storm` leaves them."""
    storms = len(outcomes)
    if storms == 0:
        return OomRisk(fraction, 0, 0, None, None, None, None, None, None, {}, [])
    demand = np.sort(outcomes[:, DEMAND])
    killed = outcomes[:, DEMAND] < int(fraction * ram_pages)
    hits = int(killed.sum())
    tolerated = ceil(0.01 * storms) - 1
    curve = [(step / 20, float((demand < int(step * ram_pages / 20)).mean())) for step in range(1, 21)]
    frozen = ~killed & (outcomes[:, STALL] >= FREEZE_NS)
    causes: dict[str, int] = {}
    for cause in [*outcomes[killed, CAUSE], *[TOO_SLOW] * int(frozen.sum())]:
        causes[CAUSES[cause]] = causes.get(CAUSES[cause], 0) + 1
    return OomRisk(
        fraction,
        storms,
        storms if simulated is None else simulated,
        hits / storms,
        wilson(hits, storms),
        min(float(demand[tolerated] / ram_pages), 1.0),
        float(outcomes[:, STALL].max() / 1e9),
        float(outcomes[:, STALL_TOTAL].max() / 1e9),
        float(frozen.mean()),
        dict(sorted(causes.items())),
        curve,
    )
