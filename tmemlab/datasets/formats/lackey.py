"""Every memory access of a program, from ``valgrind --tool=lackey --trace-mem=yes``."""

import re
from collections.abc import Iterator
from pathlib import Path

from ..trace.manifest import Manifest
from ..trace.schema import NO_CLEN, Op
from ._textlines import Event, import_lines
from ._writer import ImportWriter

ABOUT = "valgrind --tool=lackey --trace-mem=yes"
OPTIONS: dict[str, tuple[str, str]] = {}
_ACCESS = re.compile(r"(I | [LSM]) ([0-9a-f]{1,16}),(\d{1,6})")
_PAGE_SHIFT = 12


def import_lackey(path: Path, out: Path, *, ram_bytes: int | None = None) -> Manifest:
    """Convert lackey's log to an access trace: a touch whenever an access is not on the page of the one before.

    Repeated touches of one page are one, which no replacement policy can tell apart. Time is the number of
    instructions, a nanosecond each.
    """
    instructions = 0
    current = -1

    def parse(writer: ImportWriter, line: str) -> Iterator[Event]:
        nonlocal instructions, current
        if line.startswith("==") or not line.strip():
            return
        found = _ACCESS.fullmatch(line)
        if not found:
            raise ValueError("it is not an access: 'I  address,size', or L, S or M in place of I")
        kind, address, size = found.groups()
        instructions += kind == "I "
        start = int(address, 16)
        end = start + max(int(size), 1) - 1
        for page in range(start >> _PAGE_SHIFT, (end >> _PAGE_SHIFT) + 1):
            if page != current:
                current = page
                yield instructions, Op.LOAD, page, 0, writer.task(0, "program"), NO_CLEN

    return import_lines(path, out, parse, kind="access", what="lackey", ram_bytes=ram_bytes, clock="instructions")
