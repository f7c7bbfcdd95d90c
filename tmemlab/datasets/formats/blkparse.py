"""The default output of blkparse: requests of a swap device."""

import re
from collections.abc import Iterator
from pathlib import Path

from ..trace.manifest import Manifest
from ._blocks import Device, requests_of
from ._textlines import Event, import_lines
from ._writer import ImportWriter

ABOUT = "requests of a swap device, as blkparse prints them"
OPTIONS = {
    "--device": ("device", "major,minor of the swap device where there are several"),
    "--action": ("action", "Q queued (default), D issued, C completed"),
}
_BLKPARSE = re.compile(
    r"\s*(\d+,\d+)\s+\d+\s+\d+\s+(\d+)\.(\d{9})\s+(\d+)\s+([A-Z]+)\s+([A-Z]+)\s+(\d+) \+ (\d+) \[(.*)\]\s*"
)


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
