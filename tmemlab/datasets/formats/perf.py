"""The output of ``perf script`` and of ``trace-cmd report``, which damo's records are too.

Of the tracepoints there, these tell something of pages:

- ``exceptions:page_fault_user`` and ``page_fault_kernel``: a touch of (process, page);
- ``damon:damon_aggregated``: a region that was accessed in the interval: a touch of each of its pages;
- ``block:block_rq_issue`` and ``block_bio_queue`` of a swap device: stores, loads and invalidates of slots.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from ...errors import InvalidInputError
from ..trace.manifest import Manifest
from ..trace.schema import NO_CLEN, Op
from ._blocks import Device, requests_of
from ._textlines import Event, import_lines
from ._writer import ImportWriter

ABOUT = "perf script, trace-cmd report: page faults, DAMON regions, block requests"
OPTIONS = {
    "--events": ("events", "faults (default), damon, block or bio"),
    "--device": ("device", "major,minor of the swap device where there are several"),
}
EVENTS = {
    "faults": ("page_fault_user", "page_fault_kernel"),
    "damon": ("damon_aggregated",),
    "block": ("block_rq_issue",),
    "bio": ("block_bio_queue",),
}
_PERF = re.compile(
    r"\s*(.{1,64}?)\s+(\d+)(?:/\d+)?\s+(?:\[\d+\]\s+)?(?:\S{4,6}\s+)?(\d+)\.(\d{6,9}):\s+(?:\w+:)?(\w+):\s*(.*)"
)
_TRACE_CMD = re.compile(
    r"\s*(.{1,64}?)-(\d+)\s+(?:\(.*?\)\s+)?\[\d+\]\s+(?:\S{4,6}\s+)?(\d+)\.(\d{6,9}):\s+(\w+):\s*(.*)"
)
_FAULT = re.compile(r"address=(?:0x)?([0-9a-f]{1,16}) ")  # a digit fewer would be another page
_REGION = re.compile(r"target_id=(\d{1,20}) nr_regions=\d+ (\d{1,20})-(\d{1,20}): (\d{1,10})")
_RQ = re.compile(r"(\d+,\d+) (\w+) \d+ \(.*?\) (\d{1,19}) \+ (\d{1,10}) ")
_BIO = re.compile(r"(\d+,\d+) (\w+) (\d{1,19}) \+ (\d{1,10}) ")
_PAGE_SHIFT = 12
_MAX_REGION = 1 << 24  # pages


def import_perf(
    path: Path, out: Path, *, events: str = "faults", device: str | None = None, ram_bytes: int | None = None
) -> Manifest:
    """Convert the ``events`` (faults, damon, block or bio) in the text ``path``; others are passed over.

    ``device`` is ``major,minor`` of the swap device where requests of several are there.
    """
    if events not in EVENTS:
        raise InvalidInputError(f"{events!r} are not events that tell of pages: use {', '.join(EVENTS)}")
    names, chosen = EVENTS[events], Device(device)
    spaces: dict[int, int] = {}

    def parse(writer: ImportWriter, line: str) -> Iterator[Event]:
        if not any(name in line for name in names):
            return
        found = _PERF.fullmatch(line) or _TRACE_CMD.fullmatch(line)
        if not found:
            raise ValueError("it is not an event as perf script or trace-cmd report print it")
        comm, pid, seconds, fraction, name, rest = found.groups()
        if name not in names:
            return
        t = int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0"))
        task = writer.task(int(pid[:9]), comm)
        if events == "faults":
            page = _match(_FAULT, rest)
            space = spaces.setdefault(int(pid), len(spaces))
            yield t, Op.LOAD, int(page[1], 16) >> _PAGE_SHIFT, space, task, NO_CLEN
        elif events == "damon":
            region = _match(_REGION, rest)
            space = spaces.setdefault(int(region[1]), len(spaces))
            yield from _region(t, int(region[2]), int(region[3]), int(region[4]), space, task)
        else:
            request = _match(_RQ if events == "block" else _BIO, rest)
            if chosen.wanted(request[1]):
                yield from requests_of(t, request[2], int(request[3]), int(request[4]), 0, task)

    kind = "access" if events in ("faults", "damon") else "swap"
    return import_lines(path, out, parse, kind=kind, what=f"perf ({events})", ram_bytes=ram_bytes)


def _region(t: int, start: int, end: int, accesses: int, space: int, task: int) -> Iterator[Event]:
    first, last = start >> _PAGE_SHIFT, end >> _PAGE_SHIFT
    if not accesses:
        return
    if not first <= last <= first + _MAX_REGION:
        raise ValueError(
            f"a region of {last - first} pages is larger than {_MAX_REGION}: narrow what DAMON watches"
        )
    for page in range(first, last):
        yield t, Op.LOAD, page, space, task, NO_CLEN


def _match(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    found = pattern.match(text)
    if not found:
        raise ValueError("the event has not the fields that it should")
    return found
