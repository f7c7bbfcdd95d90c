"""One replay: a trace, a policy, a host and a seed in; one row of scores out. Pure, and safe in threads."""

from collections.abc import Callable
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
from ..loops.choose import Closed, Loop, Run, make_loop
from ..loops.state import State
from .calls import Profile, price_calls
from .declare import Outcome, document
from .oom import assess
from .row import Score, StormPlan
from .storming import Seen, Storms, most_anonymous
from .verdicts import Verdicts

__all__ = ["Score", "StormPlan", "score", "storm_moments"]

_PAUSES = 32
"""A replay looks up at least this often, to see whether it was cancelled."""


def storm_moments(duration_ns: int, plan: StormPlan) -> npt.NDArray[np.int64]:
    """When the storms begin: uniform over the trace, in time order, the same for every policy."""
    dice = np.random.default_rng(plan.seed)
    return np.sort(dice.integers(0, max(duration_ns, 1), plan.storms))


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
    future = next_load if next_load is not None and policy.needs_future else np.zeros(0, np.int64)
    # An access trace's pages have one length each; a swap trace's, that of the last store that was seen.
    resident = None
    if closed:
        resident = closed.lengths if columns.kind == "access" else np.zeros(columns.pages, np.uint16)
    most = most_anonymous(columns, host, closed) if len(moments) else 0

    def begin(keep: bool) -> tuple[Run, Loop]:
        state = State.at_start(columns, host, policy, most, stack, cache, runs, resident)
        run = Run(columns, host, policy, state, future, keep)
        return run, make_loop(run, closed)

    def play(loop: Loop, pauses: npt.NDArray[np.int64], visit: Callable[[int], None]) -> float:
        """The whole trace, with a visit at each pause; seconds without them."""
        began, away, at, number = perf_counter(), 0.0, 0, 0
        for pause in sorted(
            [*pauses.tolist(), NEVER, *np.linspace(0, duration, _PAUSES).astype(np.int64).tolist()]
        ):
            if cancelled is not None and cancelled.is_set():
                raise TmemlabError("the replay was cancelled")
            at = loop.advance(at, pause)
            if number < len(pauses) and pause == pauses[number]:
                left = perf_counter()
                visit(number)
                number += 1
                away += perf_counter() - left
        return perf_counter() - began - away

    run, loop = begin(keep_found or calls is not None)
    seen = Seen(run, moments, most)
    elapsed = play(loop, moments, lambda number: seen.look(number, loop.anonymous()))
    verdicts = Verdicts(seen.features(), host.ram, plan.fraction, plan.exact)
    wanted = verdicts.next()
    while len(wanted):  # the replay itself ran undisturbed; it is run again for the storms
        again, over = begin(keep=False)
        storms = Storms(again, moments[wanted], most, plan, stack, closed)

        def strike(number: int, storms: Storms = storms, over: Loop = over) -> None:
            storms.strike(number, over.anonymous())

        play(over, moments[wanted], strike)
        verdicts.learn(wanted, storms.outcomes)
        wanted = verdicts.next()
    state = run.state
    _add_constant_latencies(run, cache)
    risk = assess(verdicts.outcomes(), host.ram, plan.fraction, verdicts.simulated)
    priced = price_calls(columns, host, run.found, calls) if calls else None
    outcome = Outcome(run, duration, elapsed, risk, _levels(state, stack), loop.summary(), priced)
    kept = run.found if keep_found else np.empty(0, np.uint8)
    return Score(policy.name, asdict(policy), document(outcome), risk, run.series, kept)
