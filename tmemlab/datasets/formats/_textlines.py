"""What the importers of text have in common: lines to events, in pieces, with the line in every complaint."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import TraceError
from ..trace.manifest import Manifest
from ..trace.schema import NO_CLEN, PageKind
from ._input import read_lines
from ._writer import ImportWriter

Event = tuple[int, int, int, int, int, int]
"""t (ns, any origin), op, page key, space, task row, clen (NO_CLEN where it is not known)."""

Parse = Callable[[ImportWriter, str], Iterable[Event]]
"""The events of a line; ValueError with the reason where the line is damaged."""

_STEP = 1 << 16
_LIMIT = 1 << 63


def import_lines(
    path: Path, out: Path, parse: Parse, *, kind: str, what: str, ram_bytes: int | None = None,
    clock: str = "the source's",
) -> Manifest:  # fmt: skip
    """Convert the lines of ``path`` to a trace at ``out``; TraceError with the line that is damaged."""
    start = last = -1
    waiting: list[Event] = []
    number = 0
    with ImportWriter(out, kind=kind, what=f"{what} {path.name}", page_kind=PageKind.UNKNOWN) as writer:
        for number, line in read_lines(path):
            try:
                for event in parse(writer, line):
                    t = event[0]
                    if not 0 <= t < _LIMIT or not 0 <= event[2] < 1 << 64:
                        raise ValueError("a number is out of range")
                    if t < last:
                        raise ValueError("goes back in time: sort it by time first")
                    start, last = (t if start < 0 else start), t
                    waiting.append(event)
            except ValueError as error:
                raise TraceError(f"{path}, line {number}: {error}") from None
            if len(waiting) >= _STEP:
                _write(writer, waiting, start)
                waiting.clear()
        _write(writer, waiting, start)
        if not writer.events_written:
            raise TraceError(f"{path} has no event in its {number} lines: check that it is of the format {what}")
        return writer.close(ram_bytes=ram_bytes, clock=clock)


def _write(writer: ImportWriter, events: list[Event], start: int) -> None:
    if not events:
        return
    t, op, key, space, task, clen = zip(*events, strict=True)
    more: dict[str, Any] = {"task": np.array(task, np.uint16)}
    if any(length != NO_CLEN for length in clen):
        more["clen"] = np.array(clen, np.uint16)
    times = np.array(t, np.int64) - start
    writer.write(times, np.array(op, np.uint8), np.array(key, np.uint64), np.array(space, np.uint32), **more)
