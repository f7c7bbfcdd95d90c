"""One replay: a trace, a policy, a host and a seed in; one row of scores out. Pure, and safe in threads."""

from dataclasses import asdict
from threading import Event
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import TmemlabError
from ...policies.interface import NEVER, Policy
from ...units import PAGE_SIZE
from ...world.host import Host
from ...world.latency import record_latency
from ...world.stack import Stack
from ..inputs.columns import Columns
from ..loops.choose import Closed, Run, make_loop
from ..loops.state import State
from .calls import Profile, price_calls
from .declare import Outcome, document
from .oom import assess
from .row import Score, StormPlan
from .storm import OUTCOMES, storm

__all__ = ["Score", "StormPlan", "score", "storm_moments"]

_PAUSES = 32
"""A replay looks up at least this often, to see whether it was cancelled."""


def storm_moments(duration_ns: int, plan: StormPlan) -> npt.NDArray[np.int64]:
    """When the storms begin: uniform over the trace, in time order, the same for every policy."""
    dice = np.random.default_rng(plan.seed)
    return np.sort(dice.integers(0, max(duration_ns, 1), plan.storms))


class _Storms:
    """Storms out of a replay's state, one after the other."""

    def __init__(
        self,
        run: Run,
        moments: npt.NDArray[np.int64],
        most: int,
        plan: StormPlan,
        stack: Stack | None,
        known: npt.NDArray[np.uint16],
    ):
        """known: compressed lengths that the pages swapped by a storm are dealt, any number of them."""
        host, columns = run.host, run.columns
        self._run, self._most = run, most
        self._scratch = State(columns, host, run.policy, most, stack)
        self._lengths = known[(np.arange(most) * 2654435761 % 2**32) * len(known) >> 32]
        costs = host.costs
        self._parameters = np.array(
            [
                costs.zero_page, costs.drop_file_page, costs.compress, host.swappiness, host.ram,
                int(plan.fraction * host.ram),
            ],
            np.int64,
        )  # fmt: skip
        self.outcomes = np.zeros((len(moments), OUTCOMES), np.int64)
        self._number = 0

    def strike(self, moment: int, anonymous: int | None) -> None:
        """One storm at ``moment``; the replay itself does not notice."""
        run = self._run
        self._scratch.copy_from(run.state)
        h = self._scratch.world.host
        h.now, h.next_load = moment, NEVER
        if anonymous is None:
            sample = max(int(np.searchsorted(run.host.balance[:, 0], moment, "right")) - 1, 0)
            anonymous = int(run.host.anonymous[sample])
        storm(
            self._scratch.world, min(anonymous, self._most), self._lengths, self._parameters,
            self.outcomes[self._number], run.hooks[0], *run.hooks[2:],
        )  # fmt: skip
        self._number += 1


def _levels(state: State, stack: Stack | None) -> list[dict[str, Any]]:
    """What each backing store of a stack holds and did."""
    if stack is None:
        return []
    return [
        {
            "kind": level.kind,
            "capacity_bytes": level.capacity or None,
            "compressed": level.compressed,
            "unit_bytes": level.unit if level.compressed else PAGE_SIZE,
            "entered_pages": int(row["entered"]),
            "held_pages": int(row["pages"]),
            "held_bytes": int(row["bytes"]),
            "peak_bytes": int(row["peak"]),
            "loads": int(row["loads"]),
            "read_bytes": int(row["read"]),
            "written_bytes": int(row["written"]),
        }
        for level, row in zip(stack.levels, state.levels, strict=True)
    ]


def _add_constant_latencies(run: Run, cache: bool) -> None:
    """Loads that no device delays all take as long; in a plain cache, misses do too."""
    h, costs = run.state.world.host, run.host.costs
    idle = int(h.loads_disk + h.loads_remote - run.histogram.sum())
    if cache:
        record_latency(run.histogram, costs.fault, int(h.loads_pool))
        record_latency(run.histogram, costs.fault + run.host.disk.latency_ns, int(h.loads_disk))
        h.disk_read = h.loads_disk * PAGE_SIZE
    else:
        record_latency(run.histogram, costs.fault + costs.decompress, int(h.loads_pool))
        record_latency(run.histogram, costs.fault, int(h.loads_zero))
        record_latency(run.histogram, costs.fault + run.host.disk.latency_ns, idle)


def score(
    columns: Columns,
    host: Host,
    policy: Policy,
    plan: StormPlan,
    next_load: npt.NDArray[np.int64] | None = None,
    *,
    keep_found: bool = False,
    cancelled: Event | None = None,
    stack: Stack | None = None,
    closed: Closed | None = None,
    calls: Profile | None = None,
    runs: npt.NDArray[Any] | None = None,
) -> Score:
    """Replay the whole trace through one policy, in front of one disk or of a stack of backing stores.

    next_load: from :func:`.prepare.next_loads`, for a policy with ``needs_future``. closed: run a resident
    set in front of the pool. calls: price the calls into the pool's owner. runs: of the recorded kernel's worker
    (given.py), for a policy that follows them. Storms are skipped for a plain
    cache, which has no host. Raises TmemlabError soon after ``cancelled`` is set.
    """
    cache = columns.kind == "access" and closed is None
    duration = int(columns.t[-1])
    moments = storm_moments(duration, plan) if plan.storms and not cache else np.zeros(0, np.int64)
    most = 0
    if len(moments):
        in_samples = int(np.minimum(host.anonymous, host.balance[:, 3]).max())
        most = host.ram if closed and columns.kind == "access" else in_samples
    future = next_load if next_load is not None and policy.needs_future else np.zeros(0, np.int64)
    # An access trace's pages have one length each; a swap trace's, that of the last store that was seen.
    resident = None
    if closed:
        resident = closed.lengths if columns.kind == "access" else np.zeros(columns.pages, np.uint16)
    state = State.at_start(columns, host, policy, most, stack, cache, runs, resident)
    run = Run(columns, host, policy, state, future, keep_found or calls is not None)
    loop = make_loop(run, closed)
    # An access trace knows no lengths of its own: its closed loop was given them.
    known = closed.lengths if closed and columns.kind == "access" else columns.lengths
    storms = _Storms(run, moments, most, plan, stack, known) if len(moments) else None
    began, in_storms, at = perf_counter(), 0.0, 0
    due = [*moments.tolist(), NEVER]
    for pause in sorted([*due, *np.linspace(0, duration, _PAUSES).astype(np.int64).tolist()]):
        if cancelled is not None and cancelled.is_set():
            raise TmemlabError("the replay was cancelled")
        at = loop.advance(at, pause)
        if storms is not None and pause == due[0] and pause != NEVER:
            paused = perf_counter()
            storms.strike(due.pop(0), loop.anonymous())
            in_storms += perf_counter() - paused
    elapsed = perf_counter() - began - in_storms
    _add_constant_latencies(run, cache)
    outcomes = storms.outcomes if storms else np.zeros((0, OUTCOMES), np.int64)
    risk = assess(outcomes, host.ram, plan.fraction)
    priced = price_calls(columns, host, run.found, calls) if calls else None
    outcome = Outcome(run, duration, elapsed, risk, _levels(state, stack), loop.summary(), priced)
    kept = run.found if keep_found else np.empty(0, np.uint8)
    return Score(policy.name, asdict(policy), document(outcome), risk, run.series, kept)
