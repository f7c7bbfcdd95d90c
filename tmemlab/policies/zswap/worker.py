"""zswap's worker of Linux 6.12 to 7.1 in time: when it runs, and what its turns take.

Each rejected store asks for it; it gets a CPU after a while, and takes its time; stores are rejected meanwhile.
Two clocks can drive it. By itself it waits and works for as long as the policy's parameters say. Where a trace has
the moments at which the recorded kernel ran its worker (``w.runs``), a replay under the recorded settings follows
those: when a CPU was free is the host's doing, like the memory that it had; what a run does is the policy's.
"""

from typing import Any

from ...compiled import njit
from ..interface import NEVER, oldest, sentinel

VISIT_NS, PAGE_NS, START_NS, LATE_SHARE, LATE_NS, AGAIN_NS = range(3, 9)
"""Where the policies have the worker's times among their numbers."""
FULL, WORKING, CLOCK, FAILURES, ATTEMPTS, CURSOR, LATE, BEGINS, AGAIN, VISITS = range(10)
GIVEN, NEXT_RUN, PACE, ASKED = range(10, 14)
"""Registers. FULL: stores are rejected. PACE: how long a turn takes, in 1024ths of the parameters, 0 for 1024.
GIVEN: within the time of a given run. ASKED: for a run that will be given."""
REGISTERS = 24

VISITS_A_RUN = 15
"""Entries that a run looks at before it gives up where one cgroup has all of them: collect/probes/zswap_worker.py
says why."""

SOON_NS, JUST_NS = 1_000_000_000, 10_000_000
"""A store that is rejected so shortly before a given run is asked for, or after one, does not ask for another: a
pool that is full a moment earlier than the kernel's was, or later, stays in step with it."""


@njit(cache=True)
def next_visit(w: Any, walk: int) -> None:
    """A turn of the loop up to a visit: the next memory cgroup, and how long ``walk`` entries of it will take.

    A cgroup without entries, and the end of the hierarchy, take no time; after either the pool is looked at too,
    so that a run which finds it below the threshold ends before it has written anything.
    """
    h, own = w.host, w.own
    if own[CURSOR] >= h.cgroups:  # the hierarchy was walked once
        own[CURSOR] = 0
        if own[ATTEMPTS] == 0:
            own[FAILURES] += 1
        own[ATTEMPTS] = 0
        return
    victim, end = oldest(w, own[CURSOR]), sentinel(w, own[CURSOR])
    own[CURSOR] += 1
    if victim < 0:
        return  # -ENOENT: skipped, not counted
    own[VISITS] = own[CURSOR]
    pace = own[PACE] or 1024
    for _ in range(walk):
        own[CLOCK] += int(w.p[VISIT_NS]) * pace >> 10
        if not w.pages[victim].mark:
            own[CLOCK] += int(w.p[PAGE_NS]) * pace >> 10
            # A full device queue makes the submitter wait for it; the length of a given run has that in it.
            if not own[GIVEN] and h.disk_busy - h.disk_queue_ns > own[CLOCK]:
                own[CLOCK] = h.disk_busy - h.disk_queue_ns
        victim = w.pages[victim].next
        if victim == end:
            break


@njit(cache=True)
def _wait(w: Any, usual: int) -> None:
    """A run begins after its usual wait or, every so often, late, because a CPU has other work."""
    own = w.own
    own[LATE] += int(w.p[LATE_SHARE] * 1e6)
    if own[LATE] >= 1_000_000:
        own[LATE] -= 1_000_000
        usual = int(w.p[LATE_NS])
    own[CLOCK] += usual
    own[BEGINS] = own[CLOCK]


@njit(cache=True)
def _enter_slot(w: Any) -> None:
    """The next given run: until its end the worker has a CPU, and the pace that what the kernel did in it had."""
    own = w.own
    run = w.runs[own[NEXT_RUN]]
    own[GIVEN] = 1
    own[CLOCK] = max(own[CLOCK], run.began)
    own[PACE] = 0
    if run.pages >= 0:
        usual = VISITS_A_RUN * w.p[VISIT_NS] + run.pages * (w.p[VISIT_NS] + w.p[PAGE_NS])
        own[PACE] = max(int(1024 * (run.ended - run.began) / max(usual, 1.0)), 1)


@njit(cache=True)
def _leave_slot(w: Any) -> None:
    w.own[GIVEN] = 0
    w.own[NEXT_RUN] += 1


@njit(cache=True)
def _slot_is_over(w: Any, at: int) -> bool:
    """Whether the worker that ran until ``at`` has no time for another visit, or the kernel's has begun anew."""
    own = w.own
    following = own[NEXT_RUN] + 1
    if following < w.runs.shape[0] and w.runs[following].began <= at:
        return True
    return bool(at + w.p[VISIT_NS] >= w.runs[own[NEXT_RUN]].ended)


@njit(cache=True)
def _is_given(w: Any) -> bool:
    """Whether the recorded kernel's worker was asked for, or ran, about now: its run will come, or has been."""
    now, at = w.host.now, w.own[NEXT_RUN]
    if at < w.runs.shape[0] and w.runs[at].asked < now + SOON_NS:
        return True
    return bool(at > 0 and w.runs[at - 1].ended > now - JUST_NS)


@njit(cache=True)
def _begin(w: Any, at: int) -> None:
    own = w.own
    own[WORKING] = 1
    own[FAILURES] = 0
    own[ATTEMPTS] = 0
    own[AGAIN] = 0
    own[ASKED] = 0
    own[CLOCK] = max(own[CLOCK], at)
    own[BEGINS] = own[CLOCK]


@njit(cache=True)
def is_due(w: Any, now: int) -> bool:
    """Whether the worker has something to do up to ``now``."""
    own = w.own
    if own[GIVEN]:
        if own[WORKING] and own[CLOCK] <= now and not own[VISITS]:
            following = own[NEXT_RUN] + 1
            if following < w.runs.shape[0] and w.runs[following].began <= own[CLOCK]:
                _leave_slot(w)
                _enter_slot(w)
            elif own[CLOCK] > w.runs[own[NEXT_RUN]].ended + JUST_NS:  # what it has left, the kernel's had not
                _leave_slot(w)
                own[WORKING] = 0
        elif not own[WORKING] and _slot_is_over(w, now):
            _leave_slot(w)
    if not own[WORKING] and not own[GIVEN]:
        at = own[NEXT_RUN]
        if at < w.runs.shape[0] and w.runs[at].began <= now:
            _enter_slot(w)
            if own[FULL] or own[ASKED]:  # or else the kernel's pool was full a moment before this one is
                _begin(w, own[CLOCK])
    return bool(own[WORKING] and own[CLOCK] <= now)


@njit(cache=True)
def next_wake(w: Any) -> int:
    """When the worker has something to do next."""
    own, at = w.own, w.own[NEXT_RUN]
    if own[WORKING]:
        return int(own[CLOCK])
    if own[GIVEN]:
        return int(w.runs[at].ended)
    return int(w.runs[at].began) if at < w.runs.shape[0] else NEVER


@njit(cache=True)
def queue_worker(w: Any) -> None:
    """queue_work(): the worker runs when it gets a CPU, some times much later than others.

    Asked for while it runs, it runs once more [Linux 6.18 kernel/workqueue.c: the work item is pending again from
    the beginning of a run on, and its worker finds it when the run ends].
    """
    h, own = w.host, w.own
    if own[WORKING]:
        own[AGAIN] |= h.now >= own[BEGINS]
        return
    if own[GIVEN] and not _slot_is_over(w, h.now):
        _begin(w, h.now)
    elif w.runs.shape[0] > 0 and _is_given(w):
        own[ASKED] = 1
        return
    else:
        own[PACE] = 0
        _begin(w, h.now)
        _wait(w, int(w.p[START_NS]))
    h.wake = own[CLOCK]


@njit(cache=True)
def end_run(w: Any) -> None:
    """The worker's run is over; the next one follows if a store was rejected meanwhile.

    Where runs are given, it follows at once while the kernel's run, which had more to do, is going on; otherwise
    it is among the given ones.
    """
    own = w.own
    again = own[AGAIN]
    own[WORKING] = 0
    if own[GIVEN]:
        if _slot_is_over(w, own[CLOCK]):
            _leave_slot(w)
        elif again:
            _begin(w, own[CLOCK])
    elif again and w.runs.shape[0] == 0:
        _begin(w, own[CLOCK])
        _wait(w, int(w.p[AGAIN_NS]))
