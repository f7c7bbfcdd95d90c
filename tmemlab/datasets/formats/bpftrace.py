"""Requests of a swap device, printed by a line of bpftrace."""

from collections.abc import Iterator
from pathlib import Path

from ..trace.manifest import Manifest
from ._blocks import requests_of
from ._textlines import Event, import_lines
from ._writer import ImportWriter

ABOUT = "requests of a swap device, printed by a one-liner (docs/datasets.md)"
OPTIONS: dict[str, tuple[str, str]] = {}


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
