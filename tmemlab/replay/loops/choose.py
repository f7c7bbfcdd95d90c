"""The loops that a replay can run, behind one method: advance to a moment."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ...datasets.trace.read import Trace
from ...policies.interface import Policy
from ...units import PAGE_SIZE
from ...world.host import Host
from ..inputs.columns import Columns, neighbours
from . import closed as closed_loop
from . import resident
from .open import run, run_accesses
from .state import State
from .tapes import AccessTape, ExtendedTape, SwapTape, TouchTape


@dataclass(frozen=True)
class Closed:
    """What a closed loop needs besides the trace's columns."""

    lengths: npt.NDArray[np.uint16]
    """A page: its compressed length."""
    left: npt.NDArray[np.int32]
    """A page: the page before it in its address space, -1 for none. Empty: not known, no readahead."""
    right: npt.NDArray[np.int32]
    recorded_free: npt.NDArray[np.int64]
    """A sample: free pages of the recorded host."""
    budget: int = -1
    """Pages that a memory cgroup has beyond the recorded one; -1: it was the host that was short."""


def closed_inputs(trace: Trace, columns: Columns, host: Host, compression: float, budget: int = -1) -> Closed:
    """What a closed loop over this trace needs.

    budget: see Closed. compression: uncompressed over compressed size of the pages of an access trace, which does
    not tell.
    """
    lengths = np.full(columns.pages, min(max(round(PAGE_SIZE / compression), 32), PAGE_SIZE), np.uint16)
    left, right = neighbours(trace, columns.pages) if columns.kind == "access" else (np.zeros(0, np.int32),) * 2
    return Closed(lengths, left, right, host.recorded_free, budget)


@dataclass
class Run:
    """The arrays that one replay reads and fills."""

    columns: Columns
    host: Host
    policy: Policy
    state: State
    future: npt.NDArray[np.int64]
    keep_found: bool
    series: npt.NDArray[np.int64] = field(init=False)
    found: npt.NDArray[np.uint8] = field(init=False)
    hooks: list[Any] = field(init=False)

    @property
    def histogram(self) -> npt.NDArray[np.int64]:
        """Latencies of loads."""
        return self.state.latencies

    def __post_init__(self) -> None:
        self.hooks = [hook.native for hook in self.policy.hooks()]
        self.series = np.full((len(self.host.balance), 4), -1, np.int64)
        self.found = np.empty(self.columns.events if self.keep_found else 0, np.uint8)


class Loop(Protocol):
    """A way to go through the events."""

    def advance(self, at: int, until: int) -> int:
        """Replay events from number ``at`` that happened before ``until`` ns; the first one left."""

    def anonymous(self) -> int | None:
        """Pages that could be swapped out now, where the loop knows."""

    def summary(self) -> dict[str, float] | None:
        """What the resident set did, where there is one."""


class OpenLoop:
    """The recorded stream of stores and loads, as it was."""

    def __init__(self, run: Run) -> None:
        self._run = run
        h = run.state.world.host
        h.residence = run.columns.residence
        h.spares = run.policy.spares_stores and h.residence > 0

    def advance(self, at: int, until: int) -> int:
        """See Loop."""
        r, c = self._run, self._run.columns
        return int(
            run(
                r.state.world,
                SwapTape(
                    c.t, c.op, c.page, c.flags, c.clen, r.future, r.host.balance, r.series, r.found,
                ),
                at, until, *r.hooks,
            )
        )  # fmt: skip

    def anonymous(self) -> int | None:
        """The samples tell."""
        return None

    def summary(self) -> dict[str, float] | None:
        """No resident set."""
        return None


class CacheLoop(OpenLoop):
    """An access trace through an order as a plain cache: the pool is RAM itself."""

    def advance(self, at: int, until: int) -> int:
        """See Loop."""
        r, c = self._run, self._run.columns
        tape = AccessTape(c.t, c.page, r.future, r.found)
        return int(run_accesses(r.state.world, tape, at, until, *r.hooks[:3]))


class _ResidentLoop:
    """A resident set in front of the pool."""

    def __init__(self, run: Run, closed: Closed) -> None:
        self._run, self._closed = run, closed
        self._counts = run.state.counts
        self._counts[resident.LAST_FAULT] = -1
        self._counts[resident.BUDGET] = closed.budget

    def anonymous(self) -> int | None:
        """All that is resident."""
        return int(self._counts[resident.COUNT_INACTIVE] + self._counts[resident.COUNT_ACTIVE])

    def summary(self) -> dict[str, float] | None:
        """Counts of pages; seconds where the name says so."""
        counts = self._counts
        names = {
            "hits": resident.HITS, "first_touches": resident.MINOR, "faults": resident.MAJOR,
            "refaults": resident.REFAULTS, "activated": resident.ACTIVATED, "evicted": resident.EVICTED,
            "readahead": resident.AHEAD_READ, "readahead_hits": resident.AHEAD_HITS,
            "starved": resident.STARVED, "no_slot": resident.NO_SLOT,
        }  # fmt: skip
        summary: dict[str, float] = {name: int(counts[at]) for name, at in names.items()}
        summary["stalled_s"] = int(counts[resident.STALLED_NS]) / 1e9
        summary["pages"] = self.anonymous() or 0
        return summary


class TouchLoop(_ResidentLoop):
    """An access trace through the kernel's active and inactive lists and the pool behind them."""

    def advance(self, at: int, until: int) -> int:
        """See Loop."""
        r, c = self._run, self._run.columns
        ahead = not self._run.policy.synchronous
        none = np.zeros(0, np.int32)
        left, right = (self._closed.left, self._closed.right) if ahead else (none, none)
        tape = TouchTape(c.t, c.page, left, right, r.found)
        return int(closed_loop.run_touches(r.state.world, tape, (at, until), *r.hooks))


class ExtendedLoop(_ResidentLoop):
    """A swap trace on a host that has more memory free than the recorded one had."""

    def advance(self, at: int, until: int) -> int:
        """See Loop."""
        r, c = self._run, self._run.columns
        free = self._closed.recorded_free
        tape = ExtendedTape(c.t, c.op, c.page, c.flags, c.clen, r.host.balance, free, r.series, r.found)
        return int(closed_loop.run_extended(r.state.world, tape, (at, until), *r.hooks))

    def summary(self) -> dict[str, float] | None:
        """What is known of pages that stay: which of them are touched, and how often, no swap trace tells."""
        known = super().summary() or {}
        return {name: known[name] for name in ("evicted", "starved", "pages")}


def make_loop(run: Run, closed: Closed | None) -> Loop:
    """The loop for a trace: closed where a resident set is asked for, open otherwise."""
    access = run.columns.kind == "access"
    if closed is None:
        return CacheLoop(run) if access else OpenLoop(run)
    return TouchLoop(run, closed) if access else ExtendedLoop(run, closed)
