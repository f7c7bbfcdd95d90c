"""Need and room over time in plain characters, for a terminal of 60 columns and more."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from .band import Band
from .result import Size
from .room import NO_ROOM
from .words import clock, in_bytes

HEIGHT = 12
NARROWEST, WIDEST = 60, 100
NEEDED, MAY_STAY, TOO_MUCH = "#", "-", "!"
_LABEL = 10
_INDENT = " " * (_LABEL + 1)


def chart(result: Size, width: int) -> list[str]:
    """Bars of need, a line of room, and what they mean: lines of at most ``width`` characters, or 60.

    Empty where nothing is needed.
    """
    columns = min(max(width, NARROWEST), WIDEST) - len(_INDENT)
    need, _ = result.band.windows()
    room = _room(result.band)
    if not need.max(initial=0):
        return []
    bars = _spread(need, columns, np.maximum)
    line = None if room is None else _spread(room, columns, np.minimum)
    top = _top(bars, line)
    lines = [_row(row, top / HEIGHT, bars, line) for row in range(HEIGHT, 0, -1)]
    lines.append(" " * _LABEL + "+" + "-" * columns)
    lines.append(_INDENT + "0:00" + clock(result.duration).rjust(columns - 4))
    return [*lines, *_legend(line, top)]


def _room(band: Band) -> npt.NDArray[np.int64] | None:
    """The least room of each window, NO_ROOM where no pool is small enough; None where that is nowhere known."""
    if band.least_room is None or band.room is None:
        return None
    return band.grid.over_windows(np.minimum, band.room)


def _spread(values: npt.NDArray[np.int64], columns: int, reduce: np.ufunc) -> npt.NDArray[np.int64]:
    """A value a column: of several windows the largest or smallest; a window may be wider than a column."""
    edges = np.arange(columns + 1) * len(values) // columns
    parts = (values[a : max(b, a + 1)] for a, b in pairwise(edges.tolist()))
    return np.array([reduce.reduce(part) for part in parts], np.int64)


def _top(need: npt.NDArray[np.int64], room: npt.NDArray[np.int64] | None) -> int:
    """Pages at the upper end: all of need, and of room what is not far above."""
    highest = int(need.max())
    return highest if room is None else max(highest, min(int(room.max()), highest * 3 // 2))


def _row(row: int, step: float, need: npt.NDArray[np.int64], room: npt.NDArray[np.int64] | None) -> str:
    """Row number ``row`` from below, which stands for sizes above (row - 1) steps, up to row steps."""
    bottom, top = (row - 1) * step, row * step
    filled = need > (bottom if row == 1 else bottom + step / 2)
    cells = np.where(filled, NEEDED, " ")
    if room is not None:
        cells[(room > bottom) & (room <= top) & ~filled] = MAY_STAY
        cells[filled & (need > room) & (room < top) & (room != NO_ROOM)] = TOO_MUCH
    label = in_bytes(top) if row % 3 == 0 else ""
    return f"{label:>{_LABEL - 1}} |{''.join(cells)}".rstrip()


def _legend(room: npt.NDArray[np.int64] | None, top: int) -> list[str]:
    said = f"{_INDENT}{NEEDED} needed"
    if room is None:
        return [said]
    if room.min() > top:
        return [said, f"{_INDENT}what may stay is above: {in_bytes(int(room.min()))} and more"]
    return [f"{said}   {MAY_STAY} may stay   {TOO_MUCH} more than may stay"]
