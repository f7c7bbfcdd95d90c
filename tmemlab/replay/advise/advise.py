"""What to set on these hosts: search, choose, and say why and how sure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from ...errors import InvalidInputError
from ...policies.interface import Policy
from ...policies.registry import find_policy
from ..inputs.recorded_settings import recorded_policy
from ..scores.row import StormPlan
from .bench import Bench
from .cases import Case, open_cases
from .confidence import Confidence, Question, judge
from .limits import GOALS, Limits, choose
from .reasons import measure
from .result import Advice
from .search import search
from .space import MECHANISMS, Scale, Space, make_space, most
from .trials import Trial

SECONDS = 30.0
_SEARCHED = 0.6
"""Share of the time that the search may take; the rest is to tell how sure its answer is."""
_FIRST = 0.2
"""Share of it that reading and the first trials take at most; where they take longer, as the first time,
when they compile, the end moves."""
PLAN = StormPlan(storms=60)


@dataclass(frozen=True)
class Wanted:
    """What is asked for."""

    limits: Limits = field(default_factory=Limits)
    goal: str = "balanced"
    """One of :data:`.limits.GOALS`."""
    mechanisms: Sequence[str] | None = None
    """Some of :data:`.space.MECHANISMS`; None: all that the recorded host could run."""
    kernel: str | None = None
    """The release that will run, such as 6.12; None: that of the first trace."""

    def __post_init__(self) -> None:
        unknown = sorted(set(self.mechanisms or ()) - set(MECHANISMS))
        if unknown:
            raise InvalidInputError(f"{unknown[0]!r} is no mechanism: choose from {', '.join(MECHANISMS)}")
        if self.goal not in GOALS:
            raise InvalidInputError(f"{self.goal!r} is no goal: choose from {', '.join(GOALS)}")


@dataclass(frozen=True)
class Progress:
    """Where a search is."""

    trials: int
    best: Trial | None
    """What would be recommended now."""
    doing: str


def advise(
    traces: Sequence[tuple[Path | str, float]],
    wanted: Wanted | None = None,
    *,
    ram_bytes: int | None = None,
    disk: str = "ssd",
    plan: StormPlan = PLAN,
    seconds: float | None = SECONDS,
    trials: int | None = None,
    threads: int | None = None,
    allow_lossy: bool = False,
    on_progress: Callable[[Progress], object] = lambda _: None,
) -> Advice:
    """Advice for the hosts of ``traces``, (path, weight) each.

    ram_bytes: RAM of the hosts, as recorded by default. plan: the storms that measure P(OOM). seconds: how long
    to read, search and judge, compiling left out; None: until nothing is left to try. trials: settings that
    are tried at most. With the same plan and trials, and no end of time, the answer is the same anywhere.
    Ctrl-C is not raised once the first settings were tried: the answer so far is returned. Raises TmemlabError
    where the traces tell nothing, InvalidInputError for a kernel or RAM that does not fit.
    """
    wanted, began = wanted or Wanted(), monotonic()
    cases = open_cases(traces, ram_bytes=ram_bytes, disk=disk, allow_lossy=allow_lossy)
    if wanted.limits.max_oom is not None and not all(case.has_host for case in cases):
        raise InvalidInputError("--max-oom needs samples of the host's memory, and a trace has none")
    space = make_space(cases, _scale(cases), kernel=wanted.kernel, mechanisms=wanted.mechanisms)
    state = _State(wanted, space, on_progress)
    with Bench(cases, plan, trials=trials, threads=threads, on_trial=state.tell) as bench:
        state.begin(bench, cases)
        reasons = [measure(case, plan.fraction) for case in cases]
        began = max(began, monotonic() - _FIRST * (seconds or 0.0))
        bench.stop_at = None if seconds is None else began + _SEARCHED * seconds
        search(bench, space, state.allowed, lambda: state.best(bench))
    tried = state.candidates(bench)
    limits, now = wanted.limits.relative_to(state.none), state.now
    recommended, confidence = choose(tried, limits, wanted.goal, now), Confidence()
    if bench.stopped == "interrupted":
        confidence.unknown.append("Not judged how sure this is: interrupted.")
    elif recommended is not None:
        question = Question(
            cases, plan, limits, wanted.goal, tried, now, ram_bytes, disk, threads,
            None if seconds is None else began + seconds,
        )  # fmt: skip
        recommended, confidence = judge(
            question, recommended, lambda what: on_progress(Progress(len(bench.trials), recommended, what))
        )
    return Advice(
        cases, plan, wanted.goal, limits, space, tried, now, state.now_unknown, state.none, recommended, reasons,
        confidence, bench.stopped,
    )  # fmt: skip


def _scale(cases: Sequence[Case]) -> Scale:
    """How large a pool without limit gets, without storms."""
    pool = stored = 0.0
    for case in cases:
        found = case.run(find_policy("bounds.unbounded")(), StormPlan(0))
        pool = max(pool, found.pool_bytes["peak"] / case.ram_bytes)
        stored = max(stored, float(found.series[:, 3].max(initial=0)) / case.host.ram)
    return Scale(pool, max(stored, pool))


class _State:
    """What is known while the search runs."""

    def __init__(self, wanted: Wanted, space: Space, on_progress: Callable[[Progress], object]) -> None:
        self._wanted, self._space, self._on_progress = wanted, space, on_progress
        self._kinds = {type(mechanism.base) for mechanism in space.mechanisms}
        self._ram = 0
        self.none: Trial | None = None
        self.now: Trial | None = None
        self.now_unknown = ""

    def begin(self, bench: Bench, cases: Sequence[Case]) -> None:
        """Try swap without a pool, what the hosts ran, and one setting of each mechanism, which compiles it."""
        self._ram = max(case.ram_bytes for case in cases)
        none = find_policy("bounds.none")()
        recorded: list[Policy] = []
        try:
            recorded = [recorded_policy(case.trace.manifest) for case in cases]
        except InvalidInputError as error:
            self.now_unknown = f"How the host ran is not known: {error}"
        firsts = [p for m in self._space.mechanisms for p in list(m.grid())[:1] if self.allowed(p)]
        bench.run([none, *recorded, *firsts])
        if bench.stopped == "interrupted":
            raise KeyboardInterrupt
        self.none = bench.trials.get(none)
        if recorded and all(policy in bench.trials for policy in recorded):
            scores = tuple(bench.trials[policy].scores[number] for number, policy in enumerate(recorded))
            self.now = Trial(recorded[0], scores, tuple(cases))
            if len(set(recorded)) > 1:
                self.now_unknown = (
                    "The hosts ran different settings: what is said of now is each trace under its own."
                )

    def allowed(self, policy: Policy) -> bool:
        """Whether a setting keeps to the limits that need no replay."""
        limit = self._wanted.limits.max_pool
        return limit is None or most(policy, self._ram) <= limit

    def candidates(self, bench: Bench) -> list[Trial]:
        """What may be recommended, of what was tried."""
        return [t for p, t in bench.trials.items() if type(p) in self._kinds and self.allowed(p)]

    def tell(self, bench: Bench) -> None:
        """Report what is best so far."""
        self._on_progress(Progress(len(bench.trials), self.best(bench), "searching"))

    def best(self, bench: Bench) -> Trial | None:
        """What would be recommended of what was tried so far."""
        limits = self._wanted.limits.relative_to(self.none)
        return choose(self.candidates(bench), limits, self._wanted.goal, self.now)
