"""The text of compcache's SwapReplay."""

from collections.abc import Iterator
from pathlib import Path

from ..trace.manifest import Manifest
from ..trace.schema import NO_CLEN, Op
from ._blocks import SECTORS
from ._textlines import Event, import_lines
from ._writer import ImportWriter

ABOUT = "compcache's sector, R/W bit, compressed length"
OPTIONS: dict[str, tuple[str, str]] = {}


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
        yield order * 1000, op, int(fields[0]) // SECTORS, 0, writer.task(0, "unknown"), clen
        order += 1

    return import_lines(path, out, parse, kind="swap", what="swapreplay", ram_bytes=ram_bytes, clock="order only")
