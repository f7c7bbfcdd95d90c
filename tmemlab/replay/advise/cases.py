"""The traces that advice is asked for: read once, each with its host and its weight; and what forbids advice."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from ...datasets.trace.read import Trace
from ...errors import InvalidInputError, TmemlabError
from ...policies.interface import Policy
from ...units import PAGE_SIZE, format_count, format_duration, shown
from ...world.host import Host, build_host
from ..compare import is_closed
from ..inputs.columns import Columns, prepare
from ..inputs.kept import columns_for
from ..loops.choose import Closed, closed_inputs
from ..scores.row import Score, StormPlan
from ..scores.score import score

LEAST_LOADS = 100
"""With fewer a hit rate is known to ten points at best: 1.96 x sqrt(0.25 / 100)."""
LEAST_SECONDS = 10.0
"""Shorter than this a trace shows a moment of a program, and not how it uses its memory."""


@dataclass(frozen=True)
class Case:
    """One trace, ready to be replayed: what all replays of it share."""

    trace: Trace
    columns: Columns
    host: Host
    closed: Closed | None
    """A resident set in front of the pool, on a host with more RAM than the recorded one, which was short."""
    weight: float
    """How much it counts; relative."""

    @property
    def name(self) -> str:
        """The trace's, for people."""
        return self.trace.path.name

    @property
    def ram_bytes(self) -> int:
        """RAM of the host that it is replayed on."""
        return self.host.ram * PAGE_SIZE

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return max(int(self.columns.t[-1]), 1) / 1e9

    @property
    def has_host(self) -> bool:
        """Whether the trace has samples of its host's memory; without them nothing is known of storms."""
        return self.host.is_known

    def run(self, policy: Policy, plan: StormPlan, cancelled: Event | None = None) -> Score:
        """Replay it through one policy; no storms where no host is known."""
        storms = plan if self.has_host else StormPlan(0, plan.fraction, plan.seed)
        return score(self.columns, self.host, policy, storms, closed=self.closed, cancelled=cancelled)


def parse_weight(text: str) -> tuple[str, float]:
    """``/tmp/trace:3`` is the trace /tmp/trace with weight 3; 1 where none is written.

    A path that exists with the colon in its name is that path. InvalidInputError for a weight of nothing.
    """
    name, colon, weight = text.rpartition(":")
    if not colon or not name or _exists(text):
        return text, 1.0
    try:
        number = float(weight)
    except ValueError:
        return text, 1.0
    if not 0 < number < 1e6:
        raise InvalidInputError(f"the weight of {shown(text)} is not a number above 0 and below a million")
    return name, number


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except OSError:  # too long for a name
        return False


def open_case(
    path: Path | str, weight: float = 1.0, *, ram_bytes: int | None = None, disk: str = "ssd", keep: bool = True
) -> Case:
    """Read a trace. keep: its prepared columns stay in the cache folder, for the next command."""
    trace = Trace.open(path)
    host = build_host(trace, ram_bytes, disk)
    columns = columns_for(trace) if keep else prepare(trace)
    closed = None
    if columns.kind == "swap" and is_closed("auto", False, (), host):
        closed = closed_inputs(trace, columns, host, compression=3.0)
    return Case(trace, columns, host, closed, weight)


def open_cases(
    traces: Sequence[tuple[Path | str, float]], *, ram_bytes: int | None, disk: str, allow_lossy: bool
) -> list[Case]:
    """Read all of them; TmemlabError where one cannot tell anything, with what to record instead."""
    for path, _ in traces:
        if why := _useless_manifest(Trace.open(path), allow_lossy):
            raise TmemlabError(f"cannot say, because {why}")
    cases = [open_case(path, weight, ram_bytes=ram_bytes, disk=disk) for path, weight in traces]
    for case in cases:
        if why := _useless_events(case):
            raise TmemlabError(f"cannot say, because {why}")
    return cases


def _useless_manifest(trace: Trace, allow_lossy: bool) -> str | None:
    """Why a trace is no ground for advice, as far as that is known without reading its events."""
    name, certificate = trace.path, trace.manifest.certificate
    if trace.manifest.kind == "access":
        return (
            f"{name} has page accesses and no swap traffic, so that neither its host nor its pool is known: "
            "record with 'tmemlab collect'"
        )
    if not len(trace):
        return f"{name} has no events, nothing was swapped: record while the host is short of memory"
    if not certificate.complete and not allow_lossy:
        return (
            f"{name} is incomplete, {format_count(trace.manifest.events.dropped)} events are known to be "
            "missing: record again with a larger --ring, or take it as it is with --allow-lossy"
        )
    return None


def _useless_events(case: Case) -> str | None:
    """The same, once the events are read."""
    columns, name = case.columns, case.trace.path
    if not columns.stores:
        return f"{name} has no stores, nothing was swapped out: record while the host is short of memory"
    if columns.loads < LEAST_LOADS:
        return (
            f"{name} has only {format_count(columns.loads)} loads, and a hit rate is one of loads: "
            f"record until there are {LEAST_LOADS}, while the programs use what was swapped out"
        )
    if case.seconds < LEAST_SECONDS:
        return (
            f"{name} lasts only {format_duration(case.seconds)}: record "
            f"{format_duration(LEAST_SECONDS)} at least, better with 'tmemlab collect OUT --duration 10m'"
        )
    return None
