"""Grids of policies: ranges in settings and sizes, and tables of what they gave.

``5..50/5`` is every 5th number from 5 to 50, both ends included; ``64M..1G*2`` doubles; ``on|off`` is a list. Each
range in a text is a dimension, and a sweep has a point for every combination.
"""

import json
import re
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from ..errors import InvalidInputError, TmemlabError
from ..policies.catalogue import configure, select, split_settings
from ..policies.interface import Policy
from ..units import parse_size, parse_size_or_share
from .compare import Comparison

MOST_POINTS = 2000
"""Beyond this a sweep is refused: a grid grows faster than one thinks."""

_MANY = 1_000_000  # values of one range, so that the number that is refused is the right one
_RANGE = re.compile(r"(?P<low>[^./*|]*(?:\.\d+[^./*|]*)?)\.\.(?P<high>[^/*|]+?)(?P<how>[/*])(?P<step>.+)")
_FORMATS = ".parquet, .csv or .json"


def values(text: str) -> list[str]:
    """What a text stands for: one value, a list ``a|b``, a range ``low..high/step`` or ``low..high*factor``.

    Ends and step may carry a unit each (%, K, M, G); a step without one has that of the ends. InvalidInputError
    where a range does not get from its low to its high end.
    """
    if ".." not in text:
        return text.split("|")
    match = _RANGE.fullmatch(text)
    if not match:
        raise InvalidInputError(f"{text!r} is not a range: write low..high/step, such as 5..50/5, or 64M..1G*2")
    unit = re.sub(r"^[0-9.]+", "", match["high"])
    low, high = (_number(match[end], unit) for end in ("low", "high"))
    if match["how"] == "*":
        factor = _number(match["step"], "")
        if factor <= 1 or low <= 0:
            raise InvalidInputError(f"{text!r} never ends: a factor is above 1, and it begins above 0")
        steps = [low]
        while steps[-1] * factor <= high * (1 + 1e-9) and len(steps) <= _MANY:
            steps.append(steps[-1] * factor)
    else:
        step = _number(match["step"], unit)
        if step <= 0:
            raise InvalidInputError(f"{text!r} never ends: a step is above 0")
        count = int((high - low) / step + 1e-9) + 1 if high >= low else 0
        steps = [low + step * number for number in range(min(count, _MANY))]
    if not steps or low > high:
        raise InvalidInputError(f"{text!r} is empty: it begins above its end")
    percent = "%" if unit == "%" else ""
    return [f"{round(value) if value == round(value) else round(value, 9)}{percent}" for value in steps]


def _number(text: str, unit: str) -> float:
    """A number with its own unit, or with ``unit``."""
    text = text.strip()
    bare = re.fullmatch(r"[0-9]+(\.[0-9]*)?|\.[0-9]+", text) is not None
    text += unit if bare else ""
    try:
        return float(text.removesuffix("%")) if bare or text.endswith("%") else float(parse_size(text))
    except ValueError:
        return float(parse_size(text))


def is_range(text: str | None) -> bool:
    """Whether a text has a range or a list in it."""
    return text is not None and (bool(re.search(r"\w\.\.\w|%\.\.", text)) or "|" in text)


def expand_policies(texts: Sequence[str], kernel: str | None = None) -> list[Policy]:
    """Every combination of the ranges in ``name:key=range,...``; those without a range as they are.

    kernel: the trace's, for a family alone.
    """
    expanded: list[Policy] = []
    for text in texts:
        kinds, settings = select(text, kernel)
        given = split_settings(settings, text)
        dimensions = [values(value) for value in given.values()]
        _limit(len(kinds) * _product(len(dimension) for dimension in dimensions), text)
        for kind in kinds:
            expanded += [
                configure(kind, ",".join(f"{k}={v}" for k, v in zip(given, point, strict=True)), text)
                for point in product(*dimensions)
            ]
    return expanded


def expand_pools(policies: Sequence[Policy], pool: str, ram_bytes: int) -> list[Policy]:
    """Each policy limited to each size of a range; once where it has no limit."""
    sizes = [parse_size_or_share(text, ram_bytes) for text in values(pool)]
    if any(not 0 < size <= ram_bytes for size in sizes):
        raise InvalidInputError(f"--pool {pool} is not between nothing and all of RAM")
    _limit(len(policies) * len(sizes), f"--pool {pool}")
    limited: list[Policy] = []
    for policy in policies:
        limited += dict.fromkeys(policy.with_pool(size, ram_bytes) for size in sizes)
    return limited


def _product(counts: Any) -> int:
    total = 1
    for count in counts:
        total *= count
    return total


def _limit(points: int, what: str) -> None:
    if points > MOST_POINTS:
        raise InvalidInputError(
            f"{what} makes {points:,} replays, and a sweep has at most {MOST_POINTS:,}: take larger steps"
        )


def flat(row: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """A result with a key ``a.b`` for each number; lists and maps of varying keys as JSON."""
    out: dict[str, Any] = {}
    for key, value in row.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and key != "causes":
            out |= flat(value, f"{name}.")
        elif isinstance(value, dict | list):
            out[name] = json.dumps(value)
        else:
            out[name] = value
    return out


def table_of(result: Comparison) -> pa.Table:
    """One row a replay, one column a number; what a policy has not is null."""
    rows = [flat(score.as_json()) for score in result.scores]
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {}
    for name in names:
        column = [row.get(name) for row in rows]
        kinds = {type(value) for value in column if value is not None}
        if str in kinds and len(kinds) > 1:
            column = [None if value is None else str(value) for value in column]
        elif kinds == {int, float}:
            column = [None if value is None else float(value) for value in column]
        columns[name] = pa.array(column)
    return pa.table(columns)


def check_target(target: str) -> None:
    """InvalidInputError, before any work, for a file that :func:`write_rows` could not write."""
    path = Path(target)
    if path.suffix not in (".parquet", ".csv", ".json"):
        raise InvalidInputError(f"--out {target} has no known format: name a file that ends in {_FORMATS}")
    if not path.absolute().parent.is_dir():
        raise InvalidInputError(f"--out {target}: there is no directory {path.parent}")


def write_rows(result: Comparison, target: str) -> None:
    """The table of a sweep as Parquet, CSV or JSON lines, by the file's ending."""
    check_target(target)
    table, suffix = table_of(result), Path(target).suffix
    try:
        if suffix == ".parquet":
            pq.write_table(table, target, compression="zstd")
        elif suffix == ".csv":
            pacsv.write_csv(table, target)
        else:
            Path(target).write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    except OSError as error:
        raise TmemlabError(f"cannot write {target}: {error}") from None
