"""The requests of a swap device as text: blkparse, bpftrace, and compcache's SwapReplay.

A write is a store, a read a load, a discard an invalidate; the page is the swap slot, for nothing else is known
of it.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from ..trace.manifest import Manifest
from ..trace.schema import NO_CLEN, Op
from .imported import ImportWriter
from .textlines import Event, import_lines

_SECTORS = 8  # of a page
_MAX_PAGES = {Op.STORE: 1 << 16, Op.LOAD: 1 << 16, Op.INVALIDATE: 1 << 24}  # of a request
_BLKPARSE = re.compile(
    r"\s*(\d+,\d+)\s+\d+\s+\d+\s+(\d+)\.(\d{9})\s+(\d+)\s+([A-Z]+)\s+([A-Z]+)\s+(\d+) \+ (\d+) \[(.*)\]\s*"
)


def operation(rwbs: str) -> Op | None:
    """The op for the kernel's letters of a request; None where it moves no page (a flush, a barrier)."""
    for letter, op in (("D", Op.INVALIDATE), ("W", Op.STORE), ("R", Op.LOAD)):
        if letter in rwbs:
            return op
    return None


def requests_of(t: int, rwbs: str, sector: int, sectors: int, space: int, task: int) -> Iterator[Event]:
    """One event for each page of a request; ValueError where it is larger than any request is."""
    op = operation(rwbs)
    if op is None or not sectors:
        return
    first, end = sector // _SECTORS, -(-(sector + sectors) // _SECTORS)
    if end - first > _MAX_PAGES[op]:
        raise ValueError(f"a request of {sectors} sectors is not one of a swap device")
    for slot in range(first, end):
        yield t, op, slot, space, task, NO_CLEN


class Device:
    """The one device that events are taken of: the given one, or the only one there is."""

    def __init__(self, given: str | None) -> None:
        self._given = given
        self._seen: str | None = None

    def wanted(self, device: str) -> bool:
        """Whether an event of ``device`` counts; ValueError where there are several and none was given."""
        if self._given is not None:
            return device == self._given
        if self._seen not in (None, device):
            raise ValueError(f"there are requests of {self._seen} and of {device}: choose the swap device")
        self._seen = device
        return True


def import_blkparse(
    path: Path, out: Path, *, device: str | None = None, action: str = "Q", ram_bytes: int | None = None
) -> Manifest:
    """Convert the default output of blkparse; ``device`` is ``major,minor`` where there are several.

    ``action`` is the letter of the moment that counts: Q queued, D issued, C completed.
    """
    chosen = Device(device)

    def parse(writer: ImportWriter, line: str) -> Iterator[Event]:
        found = _BLKPARSE.fullmatch(line)
        if not found:
            # requests without a sector, and the summary, are of other shapes
            # (an unplug ends in the number of requests that it let go: "U   N [kswapd0] 2")
            if re.match(r"\s*\d+,\d+\s", line) and not re.search(r"\](\s+\d+)?\s*$", line):
                raise ValueError("it ends inside a request")
            return
        where, seconds, nanos, pid, act, rwbs, sector, sectors, comm = found.groups()
        if act == action and chosen.wanted(where):
            t = int(seconds) * 1_000_000_000 + int(nanos)
            yield from requests_of(t, rwbs, int(sector), int(sectors), 0, writer.task(int(pid[:9]), comm))

    return import_lines(path, out, parse, kind="swap", what="blkparse", ram_bytes=ram_bytes)


def import_bpftrace(path: Path, out: Path, *, ram_bytes: int | None = None) -> Manifest:
    """Convert what this prints, for the swap device of number DEV::

    tracepoint:block:block_rq_issue /args.dev == DEV/ {
        printf("%llu %s %llu %u %d %s\\\\n", nsecs, args.rwbs, args.sector, args.nr_sector, pid, comm); }
    """

    def parse(writer: ImportWriter, line: str) -> Iterator[Event]:
        if not line.strip() or line.startswith(("Attaching ", "Lost ")):
            return
        fields = line.split(None, 5)
        numbers = [fields[i] for i in (0, 2, 3, 4)] if len(fields) == 6 else [""]
        if not all(number.isdecimal() and len(number) < 20 for number in numbers):
            raise ValueError("it is not 'nsecs rwbs sector nr_sector pid comm'")
        t, sector, sectors, pid = (int(number) for number in numbers)
        yield from requests_of(t, fields[1], sector, sectors, 0, writer.task(pid % 2**31, fields[5]))

    return import_lines(path, out, parse, kind="swap", what="bpftrace", ram_bytes=ram_bytes)


def import_swapreplay(path: Path, out: Path, *, ram_bytes: int | None = None) -> Manifest:
    """Convert compcache's SwapReplay text: ``sector R/W-bit compressed-length`` a line, 1 is a write.

    There is no time in it: events are a microsecond apart.
    """
    order = 0

    def parse(writer: ImportWriter, line: str) -> Iterator[Event]:
        nonlocal order
        fields = line.split()
        if not fields or line.startswith("#"):
            return
        if (
            len(fields) != 3
            or not all(f.isdecimal() and len(f) < 20 for f in fields)
            or fields[1] not in ("0", "1")
        ):
            raise ValueError("it is not 'sector R/W-bit compressed-length'")
        length = int(fields[2])
        if length >= NO_CLEN:
            raise ValueError(f"a compressed length of {length} bytes is more than a page needs")
        op = Op.STORE if fields[1] == "1" else Op.LOAD
        # a read has no length of its own: the tool prints 0
        clen = length if op == Op.STORE else NO_CLEN
        yield order * 1000, op, int(fields[0]) // _SECTORS, 0, writer.task(0, "unknown"), clen
        order += 1

    return import_lines(path, out, parse, kind="swap", what="swapreplay", ram_bytes=ram_bytes, clock="order only")
