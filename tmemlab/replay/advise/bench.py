"""Where trials are run: in threads, each setting once, within a time and a number of trials."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from threading import Event
from time import monotonic
from types import TracebackType
from typing import Self

from ...policies.interface import Policy
from ..scores.row import Score, StormPlan
from .cases import Case
from .trials import Trial


class Bench:
    """Runs settings over all cases; what was run once is not run again.

    The trials depend on policies, cases and plan alone; which of them there are depends on ``stop_at`` as well,
    where that is set: a time of :func:`time.monotonic`, after which what is not finished is given up.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        plan: StormPlan,
        *,
        trials: int | None = None,
        threads: int | None = None,
        on_trial: Callable[["Bench"], object] = lambda _: None,
    ) -> None:
        self.cases, self.plan = tuple(cases), plan
        self.trials: dict[Policy, Trial] = {}
        """In the order in which they were asked for."""
        self.stopped = ""
        """Why no more is run: ``time``, ``trials`` or ``interrupted``; empty: nothing stopped it."""
        self.stop_at: float | None = None
        self._most, self._on_trial, self._cancelled = trials, on_trial, Event()
        self._threads = ThreadPoolExecutor(threads or os.cpu_count() or 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._cancelled.set()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def run(self, policies: Iterable[Policy]) -> list[Trial]:
        """The trials of these policies, in order; fewer where it was stopped.

        Ctrl-C is not raised: it stops the bench, and what is finished stays.
        """
        asked = list(dict.fromkeys(policies))
        new = [] if self.stopped else [policy for policy in asked if policy not in self.trials]
        if self._most is not None and len(self.trials) + len(new) > self._most:
            new = new[: max(self._most - len(self.trials), 0)]
            self.stopped = "trials"
        running = {policy: [self._submit(policy, case) for case in self.cases] for policy in new}
        try:
            self._follow(running)
        except KeyboardInterrupt:
            self.stopped = "interrupted"
        finished = {policy: self.trials.pop(policy) for policy in new if policy in self.trials}
        self.trials |= finished  # in the order asked for, not in that in which they ended
        if len(finished) < len(running):
            self._cancelled.set()
            self.stopped = self.stopped or "time"
        return [self.trials[policy] for policy in asked if policy in self.trials]

    def _submit(self, policy: Policy, case: Case) -> "Future[Score]":
        return self._threads.submit(case.run, policy, self.plan, self._cancelled)

    def _follow(self, running: dict[Policy, list["Future[Score]"]]) -> None:
        """Keep what is done, until all is or the time is over."""
        open_ = dict(running)
        while open_:
            left = None if self.stop_at is None else max(self.stop_at - monotonic(), 0)
            done, _ = wait(
                [f for futures in open_.values() for f in futures if not f.done()], left, FIRST_COMPLETED
            )
            for policy in [p for p, futures in open_.items() if all(f.done() for f in futures)]:
                scores = tuple(future.result() for future in open_.pop(policy))
                self.trials[policy] = Trial(policy, scores, self.cases)
                self._on_trial(self)
            if left == 0 and not done:
                return
