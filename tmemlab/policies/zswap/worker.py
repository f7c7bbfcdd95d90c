"""zswap's worker of Linux 6.12 to 7.1 in time: when it runs, and what its turns take.

Each rejected store asks for it; it gets a CPU after a while, and takes its time; stores are rejected meanwhile.
Two clocks can drive it. By itself it waits and works for as long as the policy's parameters say. Where a trace has
the moments at which the recorded kernel ran its worker (``w.runs``), a replay under the recorded settings follows
those: when a CPU was free is the host's doing, like the memory that it had; what a run does is the policy's.
"""

from typing import Any

from ...compiled import inner
from ...kernels import ZSWAP_VISITS_A_RUN
from ..interface import NEVER, Registers, oldest, sentinel


class Own(Registers):
    """The worker's registers."""

    full: int  # 1: stores are rejected
    working: int  # 1: it is queued or at work
    clock: int  # its time, ns
    failures: int  # in this run
    attempts: int  # on this walk of the hierarchy
    cursor: int  # the cgroup that comes next
    late: int  # share of the runs since the last late one, in millionths
    begins: int  # when the run begins, or began, ns
    again: int  # 1: asked for while it runs
    visits: int  # the cgroup that is being visited, + 1
    given: int  # 1: within the time of a given run
    next_run: int  # index into w.runs
    pace: int  # how long a turn takes, in 1024ths of the parameters, 0 for 1024
    asked: int  # 1: for a run that will be given


SOON_NS, JUST_NS = 1_000_000_000, 10_000_000
"""A store that is rejected so shortly before a given run is asked for, or after one, does not ask for another: a
pool that is full a moment earlier than the kernel's was, or later, stays in step with it."""


@inner
def next_visit(w: Any, walk: int) -> None:
    """A turn of the loop up to a visit: the next memory cgroup, and how long ``walk`` entries of it will take.

    A cgroup without entries, and the end of the hierarchy, take no time; after either the pool is looked at too,
    so that a run which finds it below the threshold ends before it has written anything.
    """
    h, own = w.host, w.own
    if own.cursor >= h.cgroups:  # the hierarchy was walked once
        own.cursor = 0
        if own.attempts == 0:
            own.failures += 1
        own.attempts = 0
        return
    victim, end = oldest(w, own.cursor), sentinel(w, own.cursor)
    own.cursor += 1
    if victim < 0:
        return  # -ENOENT: skipped, not counted
    own.visits = own.cursor
    pace = own.pace or 1024
    for _ in range(walk):
        own.clock += w.p.visit_ns * pace >> 10
        if not w.pages[victim].mark:
            own.clock += w.p.page_ns * pace >> 10
            # A full device queue makes the submitter wait for it; the length of a given run has that in it.
            if not own.given and h.disk_busy - h.disk_queue_ns > own.clock:
                own.clock = h.disk_busy - h.disk_queue_ns
        victim = w.pages[victim].next
        if victim == end:
            break


@inner
def _wait(w: Any, usual: int) -> None:
    """A run begins after its usual wait or, every so often, late, because a CPU has other work."""
    own = w.own
    own.late += int(w.p.worker_late_share * 1e6)
    if own.late >= 1_000_000:
        own.late -= 1_000_000
        usual = w.p.late_ns
    own.clock += usual
    own.begins = own.clock


@inner
def _enter_slot(w: Any) -> None:
    """The next given run: until its end the worker has a CPU, and the pace that what the kernel did in it had."""
    own = w.own
    run = w.runs[own.next_run]
    own.given = 1
    own.clock = max(own.clock, run.began)
    own.pace = 0
    if run.pages >= 0:
        usual = ZSWAP_VISITS_A_RUN * w.p.visit_ns + run.pages * (w.p.visit_ns + w.p.page_ns)
        own.pace = max(int(1024 * (run.ended - run.began) / max(usual, 1.0)), 1)


@inner
def _leave_slot(w: Any) -> None:
    w.own.given = 0
    w.own.next_run += 1


@inner
def _slot_is_over(w: Any, at: int) -> bool:
    """Whether the worker that ran until ``at`` has no time for another visit, or the kernel's has begun anew."""
    own = w.own
    following = own.next_run + 1
    if following < w.runs.shape[0] and w.runs[following].began <= at:
        return True
    return bool(at + w.p.visit_ns >= w.runs[own.next_run].ended)


@inner
def _is_given(w: Any) -> bool:
    """Whether the recorded kernel's worker was asked for, or ran, about now: its run will come, or has been."""
    now, at = w.host.now, w.own.next_run
    if at < w.runs.shape[0] and w.runs[at].asked < now + SOON_NS:
        return True
    return bool(at > 0 and w.runs[at - 1].ended > now - JUST_NS)


@inner
def _begin(w: Any, at: int) -> None:
    own = w.own
    own.working = 1
    own.failures = 0
    own.attempts = 0
    own.again = 0
    own.asked = 0
    own.clock = max(own.clock, at)
    own.begins = own.clock


@inner
def is_due(w: Any, now: int) -> bool:
    """Whether the worker has something to do up to ``now``."""
    own = w.own
    if own.given:
        if own.working and own.clock <= now and not own.visits:
            following = own.next_run + 1
            if following < w.runs.shape[0] and w.runs[following].began <= own.clock:
                _leave_slot(w)
                _enter_slot(w)
            elif own.clock > w.runs[own.next_run].ended + JUST_NS:  # what it has left, the kernel's had not
                _leave_slot(w)
                own.working = 0
        elif not own.working and _slot_is_over(w, now):
            _leave_slot(w)
    if not own.working and not own.given:
        at = own.next_run
        if at < w.runs.shape[0] and w.runs[at].began <= now:
            _enter_slot(w)
            if own.full or own.asked:  # or else the kernel's pool was full a moment before this one is
                _begin(w, own.clock)
    return bool(own.working and own.clock <= now)


@inner
def next_wake(w: Any) -> int:
    """When the worker has something to do next."""
    own, at = w.own, w.own.next_run
    if own.working:
        return int(own.clock)
    if own.given:
        return int(w.runs[at].ended)
    return int(w.runs[at].began) if at < w.runs.shape[0] else NEVER


@inner
def queue_worker(w: Any) -> None:
    """queue_work(): the worker runs when it gets a CPU, some times much later than others.

    Asked for while it runs, it runs once more [Linux 6.18 kernel/workqueue.c: the work item is pending again from
    the beginning of a run on, and its worker finds it when the run ends].
    """
    h, own = w.host, w.own
    if own.working:
        own.again |= h.now >= own.begins
        return
    if own.given and not _slot_is_over(w, h.now):
        _begin(w, h.now)
    elif w.runs.shape[0] > 0 and _is_given(w):
        own.asked = 1
        return
    else:
        own.pace = 0
        _begin(w, h.now)
        _wait(w, w.p.start_ns)
    h.wake = own.clock


@inner
def end_run(w: Any) -> None:
    """The worker's run is over; the next one follows if a store was rejected meanwhile.

    Where runs are given, it follows at once while the kernel's run, which had more to do, is going on; otherwise
    it is among the given ones.
    """
    own = w.own
    again = own.again
    own.working = 0
    if own.given:
        if _slot_is_over(w, own.clock):
            _leave_slot(w)
        elif again:
            _begin(w, own.clock)
    elif again and w.runs.shape[0] == 0:
        _begin(w, own.clock)
        _wait(w, w.p.again_ns)
