"""The rules that the events of a trace obey, checked in one pass by compiled code.

:class:`EventRules` takes the events in pieces, keeps one byte a page between them, and remembers of every rule
how often it was broken and where first.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...compiled import njit
from .schema import Flag, Op, Where

_STORE, _LOAD, _INVALIDATE = (int(op) for op in Op)
_BEFORE = int(Flag.BEFORE)
_LAST_OP, _LAST_WHERE, _ALL_FLAGS = int(max(Op)), int(max(Where)), sum(Flag)

# what the checks keep of a page
_UNSEEN, _LIVE, _GONE = 0, 1, 2

RULES = (
    "t goes back in time",
    "t lies outside the trace's duration",
    "op is not a code of the schema",
    "where is not a code of the schema",
    "flags has a bit that the schema does not define",
    "page has no row in pages",
    "page ids are not dense in order of first appearance",
    "cgroup has no row in cgroups",
    "task has no row in tasks",
    "a page that was invalidated is next used by something other than a store",
    "a page is invalidated that was never stored or loaded",
    "an access trace has a store",
    "a load is marked as of a page stored before the recording, and is not its first event",
    "a page's first event in a flight recorder's window is a load without the mark that it was stored before",
)
"""One sentence a rule, in the order of the counters."""


class EventRules:
    """Checks events handed to :meth:`feed` in order against :data:`RULES`."""

    def __init__(
        self, *, duration_ns: int, pages: int, cgroups: int, tasks: int, access_trace: bool, window: bool = False
    ) -> None:
        """window: of a flight recorder, which marks pages whose story began before."""
        self._limits = np.array([duration_ns, pages, cgroups, tasks, access_trace, window], np.int64)
        self._pages = np.zeros(pages, np.uint8)
        self._at = np.zeros(3, np.int64)  # last t, next page id, index of the next event
        self.broken = np.zeros(len(RULES), np.int64)
        self.first = np.full(len(RULES), -1, np.int64)
        self.ops = np.zeros(3, np.int64)

    @property
    def pages_seen(self) -> int:
        """How many page ids appeared."""
        return int(self._at[1])

    def feed(self, columns: Mapping[str, np.ndarray]) -> None:
        """Check the next events; needs t, op, page, cgroup, task, where and flags."""
        arrays = [columns[name] for name in ("t", "op", "page", "cgroup", "task", "where", "flags")]
        check: Any = _check  # a Numba dispatcher, whose arguments mypy cannot count
        check(tuple(arrays), self._limits, self._pages, self._at, self.broken, self.first, self.ops)

    def problems(self) -> list[str]:
        """One sentence for each rule that was broken."""
        return [
            f"{rule}: first at event {self.first[i]}, {self.broken[i]} in all"
            for i, rule in enumerate(RULES)
            if self.broken[i]
        ]


@njit(cache=True, nogil=True)
def _check(events: Any, limits: Any, pages: Any, at: Any, broken: Any, first: Any, ops: Any) -> None:
    t, op, page, cgroup, task, where, flags = events
    duration, page_rows, cgroup_rows, task_rows, access, window = limits
    last, fresh, index = at
    for i in range(len(t)):
        now, what, which = t[i], op[i], np.int64(page[i])
        if now < last:
            _note(0, index + i, broken, first)
        last = now
        if now < 0 or now > duration:
            _note(1, index + i, broken, first)
        if where[i] > _LAST_WHERE:
            _note(3, index + i, broken, first)
        if flags[i] & ~_ALL_FLAGS:
            _note(4, index + i, broken, first)
        if cgroup[i] >= cgroup_rows:
            _note(7, index + i, broken, first)
        if task[i] >= task_rows:
            _note(8, index + i, broken, first)
        if what > _LAST_OP:
            _note(2, index + i, broken, first)
            continue
        ops[what] += 1
        if access and what == _STORE:
            _note(11, index + i, broken, first)
        if which >= page_rows:
            _note(5, index + i, broken, first)
            continue
        if which > fresh:
            _note(6, index + i, broken, first)
            fresh = which + 1
        elif which == fresh:
            fresh += 1
        if flags[i] & _BEFORE and (what != _LOAD or pages[which] != _UNSEEN):
            _note(12, index + i, broken, first)
        elif window and what == _LOAD and pages[which] == _UNSEEN and not flags[i] & _BEFORE:
            _note(13, index + i, broken, first)
        if what == _INVALIDATE and pages[which] == _UNSEEN:
            _note(10, index + i, broken, first)
        elif what != _STORE and pages[which] == _GONE:
            _note(9, index + i, broken, first)
        pages[which] = _GONE if what == _INVALIDATE else _LIVE
    at[0], at[1], at[2] = last, fresh, index + len(t)


@njit(cache=True, nogil=True)
def _note(rule: int, index: int, broken: Any, first: Any) -> None:
    if broken[rule] == 0:
        first[rule] = index
    broken[rule] += 1
