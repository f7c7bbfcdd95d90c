"""What a score is: one declaration, from which table, JSON, Parquet, HTML, ``--fail-if`` and docs/scores.md come.

A file of ``measures/`` declares the scores of one idea; being there is all it takes:

    measure("device_bytes.per_store", "bytes", "Bytes that the device wrote for each store.",
            lambda o: o.h.disk_written / o.h.accepted if o.h.accepted else None,
            column="written a store")
"""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from ...units import format_bytes, format_count, format_duration, format_number, format_share
from ..loops.choose import Run
from .oom import OomRisk

FORMATS: dict[str, Callable[[Any], str]] = {
    "share": format_share,
    "bytes": format_bytes,
    "pages": format_count,
    "count": format_count,
    "us": lambda value: format_duration(value / 1e6),
    "s": format_duration,
    "number": format_number,
}
"""How a unit is printed. ``-`` stands for what is undefined, in every unit."""
_LAST = 1000
_FIRST = ("loads", "stores", "memory", "risk")


@dataclass(frozen=True)
class Outcome:
    """All that one replay leaves behind, for scores to read."""

    run: Run
    duration_ns: int
    elapsed_s: float
    """Of the replay alone, without its storms."""
    oom: OomRisk
    levels: list[dict[str, Any]]
    """The backing stores of a stack, from top to bottom, without the pool."""
    resident: dict[str, float] | None
    """What the resident set of a closed loop did; None for an open one."""
    calls: dict[str, Any] | None
    """Calls into the pool's owner by batch size, where asked for."""

    @property
    def h(self) -> Any:
        """The record HOST, with all counters."""
        return self.run.state.world.host


@dataclass(frozen=True)
class Measure:
    """One score."""

    key: str
    """Dotted, as in JSON and ``--fail-if``."""
    unit: str
    """One of FORMATS, or ``list``, ``map`` for what is no number."""
    meaning: str
    value: Callable[[Outcome], Any]
    column: str
    """Its heading in the table; empty: not there."""
    place: int
    """Where in the table, from left to right."""
    cell: Callable[[dict[str, Any]], str] | None
    """Text in the table from the whole row; None: the value, printed by its unit."""
    shown: Callable[[dict[str, Any]], bool] | None
    """Whether a row makes the column worth its place; None: it is always there."""
    module: str
    """The file that declares it."""

    def of(self, row: dict[str, Any]) -> Any:
        """Its value in a row of JSON."""
        for part in self.key.split("."):
            row = row[part]
        return row

    def text(self, row: dict[str, Any]) -> str:
        """Its cell in the table."""
        if self.cell is not None:
            return self.cell(row)
        value = self.of(row)
        return "-" if value is None else FORMATS[self.unit](value)


_DECLARED: dict[str, Measure] = {}


def measure(
    key: str,
    unit: str,
    meaning: str,
    value: Callable[[Outcome], Any],
    *,
    column: str = "",
    place: int = _LAST,
    cell: Callable[[dict[str, Any]], str] | None = None,
    shown: Callable[[dict[str, Any]], bool] | None = None,
) -> None:
    """Declare a score; its column, if it has one, is left out where no row is ``shown``."""
    _DECLARED[key] = Measure(key, unit, meaning, value, column, place, cell, shown, value.__module__)


@cache
def measures() -> tuple[Measure, ...]:
    """Every score: what most people ask first, then the other files, each in the order of its declarations."""
    from . import measures as folder

    names = sorted(found.name for found in pkgutil.iter_modules(folder.__path__))
    ordered = [*_FIRST, *(name for name in names if name not in _FIRST)]
    modules = [importlib.import_module(f"{folder.__name__}.{name}").__name__ for name in ordered]
    return tuple(sorted(_DECLARED.values(), key=lambda found: modules.index(found.module)))


def columns(rows: Sequence[dict[str, Any]] | None = None) -> list[Measure]:
    """Those that are in the table of these rows of JSON, from left to right; without rows, all that can be."""
    placed = sorted((found for found in measures() if found.column), key=lambda found: found.place)
    return [
        found for found in placed if found.shown is None or rows is None or any(found.shown(row) for row in rows)
    ]


def document(outcome: Outcome) -> dict[str, Any]:
    """Every score of a replay as a nested object: ``oom.p`` is the member ``p`` of ``oom``."""
    row: dict[str, Any] = {}
    for found in measures():
        *groups, last = found.key.split(".")
        at = row
        for group in groups:
            at = at.setdefault(group, {})
        at[last] = found.value(outcome)
    return row
