"""The same replay without a compiler: hooks, lists, allocator and engine as plain Python, everything looked at.

Numba can be told to leave functions as they are. What remains to be made equal is integers: a record's field is
read as a Python int of any size, and writing one that does not fit, or an index outside its array, is an error,
where compiled code would wrap around or overwrite something else. Before every question that the policy is asked
the state is checked. Runs in a process of its own, because Numba is told once:

    NUMBA_DISABLE_JIT=1 python -m tmemlab.replay.conformance.interpreted < request.json > answer.json
    NUMBA_DISABLE_JIT=1 python -m tmemlab.replay.conformance.interpreted ./mine.py       (a debugger can be used)
"""

import dataclasses
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...policies.catalogue import parse_policies
from ...policies.interface import ACCEPT, BYPASS, DROP, KEEP, LISTS, POOL, REFUSE, REJECT, Policy
from ...world import view as world
from ..inputs.columns import next_loads
from ..scores.score import Score, score
from .cases import Case, cases, digest, stack_of
from .coverage import Coverage

PATIENCE_S = int(os.environ.get("TMEMLAB_CHECK_PATIENCE", "30"))
"""CPU seconds that one small replay may take: a hundred times what any takes."""
_WALK_EVERY = 8
"""Lists are walked from their heads at one of so many checks; their links are compared at each."""


class BrokenRuleError(Exception):
    """A rule of the conformance suite does not hold: its name and what was seen."""


class Column(np.ndarray):
    """A column of a trace: what is read from it are Python numbers, which do not wrap around."""

    def __getitem__(self, index: Any) -> Any:
        value = super().__getitem__(index)
        return value.item() if isinstance(value, np.generic) else value


class Record:
    """One record: its fields are Python numbers."""

    __slots__ = ("_columns", "_row")

    def __init__(self, columns: dict[str, Any], row: int) -> None:
        object.__setattr__(self, "_columns", columns)
        object.__setattr__(self, "_row", row)

    def __getattr__(self, name: str) -> Any:
        try:
            return self._columns[name].item(self._row)
        except KeyError:
            raise AttributeError(f"no field {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        column = self._columns[name]
        if isinstance(value, float) and column.dtype.kind != "f":  # compiled code cuts a float off
            value = int(value)
        column[self._row] = value


def _columns(array: npt.NDArray[Any]) -> dict[str, Any]:
    """A view of each field of an array of records."""
    plain = np.asarray(array)
    return {name: np.asarray(plain[name]) for name in plain.dtype.names or ()}


def _only(record: Any) -> Record:
    """The first record of an array, from which it was taken as NumPy has it."""
    return Record(_columns(record.base), 0)


class Array:
    """An array whose indices must be inside; an element is a :class:`Record` or a Python number."""

    def __init__(self, array: npt.NDArray[Any], name: str) -> None:
        self._array, self._name = array, name
        self._columns = _columns(array)
        self._size = len(array)
        self._records: dict[int, Record] = {}
        self.shape = array.shape

    def __len__(self) -> int:
        return len(self._array)

    def _inside(self, index: int) -> int:
        index = int(index)
        if not 0 <= index < self._size:
            raise IndexError(f"w.{self._name}[{index}]: there are {self._size}")
        return index

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self._array[index]
        index = self._inside(index)
        if not self._columns:
            return self._array.item(index)
        record = self._records.get(index)
        if record is None:
            record = self._records[index] = Record(self._columns, index)
        return record

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, slice):
            self._array[index] = value
            return
        if isinstance(value, float) and self._array.dtype.kind != "f":
            value = int(value)
        self._array[self._inside(index)] = value


def _plain_world() -> None:
    """Make every World hand out Records and Arrays; asking for cache lines ahead is left out."""
    for module in [m for name, m in sys.modules.items() if name.startswith("tmemlab")]:
        for name in [name for name in vars(module) if name.startswith("prefetch_")]:
            setattr(module, name, lambda w, page: None)
    made = world.World.__init__

    def initialise(self: Any, *arrays: Any) -> None:
        made(self, *arrays)
        self.raw_pages, self.raw_lengths = self.pages, self.lengths
        for name in world.FIELDS:
            value = getattr(self, name)
            if name == "own":
                self.own = value.wrapped(_only, lambda array, name: Array(array, f"own.{name}"))
            else:
                setattr(self, name, _only(value) if name in ("host", "p") else Array(value, name))

    world.World.__init__ = initialise  # type: ignore[assignment, method-assign]


class Watch:
    """Looks at the state between the questions that a policy is asked."""

    def __init__(self, policy: Policy, coverage: Coverage, asked: set[str]) -> None:
        self.policy = policy
        self.looked = 0
        self.last: Any = None
        self.coverage, self.asked = coverage, asked

    def check(self, w: Any, page: int) -> None:
        """Rules ``places``, ``pool`` and ``lists``; BrokenRuleError. ``page``, if any, is on its way."""
        self.looked += 1
        self.last = w
        pages, h = w.raw_pages, w.host
        inside = np.flatnonzero(pages["place"][:-LISTS] == POOL)
        if h.pool_pages < 0 or h.pool_count < 0 or h.pool_bytes < 0:
            raise BrokenRuleError("pool", f"it holds {h.pool_pages} pages, {h.pool_count} objects")
        if h.pool_count != len(inside):
            raise BrokenRuleError("places", f"the pool holds {len(inside)} pages and counts {h.pool_count}")
        held = int(pages["clen"][inside].sum(dtype=np.int64))
        if h.pool_bytes != held:
            raise BrokenRuleError("pool", f"its objects are {held} bytes, it counts {h.pool_bytes}: clen changed?")
        if not h.accesses and (h.pool_pages == 0) != (h.pool_count == 0):
            raise BrokenRuleError("pool", f"{h.pool_count} objects in {h.pool_pages} pages")
        on = np.flatnonzero(pages["linked"][:-LISTS])
        heads = np.arange(len(pages) - LISTS, len(pages))
        members = np.concatenate([on, heads])
        wrong = members[
            (pages["prev"][pages["next"][members]] != members) | (pages["next"][pages["prev"][members]] != members)
        ]
        if len(wrong):
            raise BrokenRuleError("lists", f"page {wrong[0]} and its neighbours do not point at each other")
        if self.looked % _WALK_EVERY == 0:
            self.walk(w, pages, set(inside.tolist()), set(on.tolist()), page)

    def walk(self, w: Any, pages: Any, inside: set[int], on: set[int], page: int) -> None:
        """Every list from its head: who is on which."""
        following, linked, place = pages["next"].tolist(), pages["linked"].tolist(), pages["place"].tolist()
        met: set[int] = set()
        for which in range(LISTS):
            head = len(pages) - LISTS + which
            at, counted = following[head], 0
            while at != head:
                if at in met:
                    raise BrokenRuleError("lists", f"page {at} is met twice, the second time on list {which}")
                met.add(at)
                counted += linked[at] == 2 + which
                ghost = which in self.policy.ghost_lists()
                if at in inside if ghost else at not in inside and at != page:
                    should = "in the pool" if ghost else f"not in the pool but in place {place[at]}"
                    raise BrokenRuleError("lists", f"page {at} is on list {which} and {should}")
                at = following[at]
            if w.raw_lengths[which] != counted:
                raise BrokenRuleError("lists", f"list {which} counts {w.raw_lengths[which]} and has {counted}")
        if met != on:
            raise BrokenRuleError("lists", f"page {min(met ^ on)} is linked to no list, or on one unmarked")


class WatchedHook:
    """A hook that is checked before it is asked, and whose answer is checked."""

    def __init__(self, kind: str, function: Any, watch: Watch) -> None:
        def asked(w: Any, page: Any) -> int:
            page = int(page)
            watch.asked.add(kind)
            watch.check(w, page if kind == "store" else -1)
            answer = watch.coverage.follow(function, w, page)
            if not isinstance(answer, int | np.integer | bool):
                raise BrokenRuleError("answers", f"{kind} answered {answer!r}, which is no whole number")
            answer = int(answer)
            if kind == "store" and answer not in (ACCEPT, REJECT, REFUSE, BYPASS):
                raise BrokenRuleError("answers", f"store answered {answer}, which is none of the verdicts")
            if kind == "store" and answer != ACCEPT and w.raw_pages["linked"][page]:
                listed = int(w.raw_pages["linked"][page]) - 2
                if listed not in watch.policy.ghost_lists():
                    raise BrokenRuleError("lists", f"store did not accept page {page}, which is on a list")
            if kind == "load" and answer not in (KEEP, DROP):
                raise BrokenRuleError("answers", f"load answered {answer}: neither KEEP nor DROP")
            if kind == "pressure" and answer < 0:
                raise BrokenRuleError("answers", f"pressure gave back {answer} pages")
            if kind == "wake" and w.host.wake <= w.host.now:
                raise BrokenRuleError("timer", "wake left w.host.wake at a time that has passed")
            return answer

        self.native = asked
        self.function = function
        self.kind = kind


def run_case(case: Case, policy: Policy, coverage: Coverage, asked: set[str]) -> Score:
    """One small replay in plain Python, checked throughout; the hooks that were asked are added to ``asked``."""
    watch = Watch(policy, coverage, asked)
    kind = type(policy)
    named = zip(("store", "load", "wake", "pressure"), policy.hooks(), strict=True)
    hooks = tuple(WatchedHook(name, hook.function, watch) for name, hook in named)
    watched = type(kind.__name__, (kind,), {"hooks": lambda _: hooks})
    future = None
    if policy.needs_future:
        future = next_loads(case.columns.op, case.columns.page, case.columns.pages)
    whole: dict[str, Any] = {
        f.name: value.view(Column)
        for f in dataclasses.fields(case.columns)
        if isinstance(value := getattr(case.columns, f.name), np.ndarray)
    }  # fmt: skip
    columns = dataclasses.replace(case.columns, **whole)
    stack = stack_of(policy) if case.columns.kind == "swap" else None
    watching = watched(**dataclasses.asdict(policy))
    result = score(columns, case.host, watching, case.plan, future, keep_found=True, stack=stack)
    if watch.last is not None:
        watch.looked = -1
        watch.check(watch.last, -1)
    return result


def _stuck(_signal: int, frame: Any) -> None:
    package = Path(__file__).parents[2]
    ours = (str(package / "replay"), str(package / "world"), str(Path(np.__file__).parent))
    while frame.f_back and frame.f_code.co_filename.startswith(ours):
        frame = frame.f_back
    where = f"{frame.f_code.co_filename}:{frame.f_lineno}"
    raise BrokenRuleError("ends", f"{where}: still running after {PATIENCE_S} s")


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """For ``{"policies": [text, ...], "events": n}``, variants of one policy: what they did.

    ``rows``: one a case, its digest, or the rule that broke; one that does not end is the last. ``asked``: the
    hooks that were asked. ``missing``: by function of the policy's file, lines that never ran.
    """
    signal.signal(signal.SIGVTALRM, _stuck)
    rows: list[dict[str, Any]] = []
    asked: set[str] = set()
    variants = [(text, parse_policies(text)[0]) for text in request["policies"]]
    coverage = Coverage(type(variants[0][1]))
    for text, policy in variants:
        rows += _rows(text, policy, request["events"], coverage, asked)
        if rows and rows[-1].get("rule") == "ends":
            break
    return {"rows": rows, "asked": sorted(asked), "missing": coverage.missing()}


def _rows(text: str, policy: Policy, events: int, coverage: Coverage, asked: set[str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for accesses in (False, True)[: 1 + policy.takes_accesses]:
        for case in cases(accesses, events):
            row: dict[str, Any] = {"policy": text, "case": case.name}
            signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE_S)
            try:
                row["digest"] = digest(run_case(case, policy, coverage, asked))
            except BrokenRuleError as error:
                row["rule"], row["detail"] = error.args
            except Exception as error:
                frame = traceback.extract_tb(error.__traceback__)[-1]
                files = [f for f in traceback.extract_tb(error.__traceback__) if "/replay/" not in f.filename]
                frame = files[-1] if files else frame
                row["rule"] = "runs"
                row["detail"] = f"{frame.filename}:{frame.lineno}: {type(error).__name__}: {error}"
            finally:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            rows.append(row)
            if row.get("rule") == "ends":
                return rows
    return rows


if __name__ == "__main__":
    _plain_world()
    np.seterr(divide="raise", over="raise", invalid="raise")
    if sys.argv[1:]:
        for row in answer({"policies": sys.argv[1:], "events": 600})["rows"]:
            sys.stdout.write(f"{row['policy']}, {row['case']}: {row.get('rule', 'ok')} {row.get('detail', '')}\n")
    else:
        json.dump(answer(json.load(sys.stdin)), sys.stdout)
