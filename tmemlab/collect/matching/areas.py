"""Which swap area a swap entry lies in: the type number in it, and the rows that the manifest will have."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

BY_KERNEL = "read from the kernel"
BY_ORDER = "by their order, as many as were seen in use"
ASSUMED = "by their order, as if none had been removed before"
UNKNOWN = "not all known: slots there have no device"


@dataclass(frozen=True)
class Areas:
    """The swap areas of a recording."""

    rows: list[dict[str, Any]]
    """As the manifest lists them: those there were at the start, then those that were added."""
    position: dict[int, int]
    """Row by type number."""
    how: str
    """How the numbers are known."""


def swap_areas(start: Iterable[dict[str, Any]], end: Iterable[dict[str, Any]], seen: set[int]) -> Areas:
    """The areas of a recording that began with ``start``, ended with ``end``, and met the type numbers ``seen``.

    An area whose number the kernel did not tell has that of its place among the numbers that nobody else has:
    /proc/swaps is in the order of the numbers [Linux 6.18 mm/swapfile.c: swap_start].
    """
    rows = [dict(row) for row in start]
    known = {row["device"] for row in rows}
    rows += [dict(row) for row in end if row["device"] not in known]
    numbers = {row["type_number"] for row in rows if row.get("type_number") is not None}
    nameless = [row for row in rows if row.get("type_number") is None]
    unclaimed = sorted(seen - numbers)
    how = BY_KERNEL
    if nameless and len(unclaimed) == len(nameless):
        how = BY_ORDER if len(nameless) == len(rows) else BY_KERNEL
    elif nameless and not numbers and all(number < len(rows) for number in unclaimed):
        how, unclaimed = ASSUMED, list(range(len(rows)))
    elif unclaimed:
        how, unclaimed = UNKNOWN, []
    for row, number in zip(nameless, unclaimed, strict=False):
        row["type_number"] = number
    position = {row["type_number"]: at for at, row in enumerate(rows) if row.get("type_number") is not None}
    return Areas(rows, position, how)
