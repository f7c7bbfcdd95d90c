"""Keys of a manifest beyond the format's own that the replay reads: their types, checked when the trace is opened.

A later writer may add any key. One of these must be what it is read as, so that a replay never meets another type.
Differences of counters may be negative: a device or a cgroup was made anew meanwhile.
"""

import re
from typing import Any

from ...errors import TraceError
from .typedjson import decode

_KINDS: dict[str, Any] = {
    "zswap_worker": dict[str, float],
    "reclaim": dict[str, float],
    "memory_cgroups": int | None,
    "failed_writes": dict[str, float],
    "command": dict[str, Any],
    "window": dict[str, Any],
}
_NUMBERS = re.compile(r"\s*(\d{1,19}\s+)*\d{1,19}\s*")


def check_extras(extra: dict[str, Any], zram: list[Any], what: str) -> None:
    """TraceError where a known key has another type. zram: the manifest's devices."""
    for name, kind in _KINDS.items():
        if name in extra:
            decode(kind, extra[name], f"{what}.{name}")
    if isinstance(extra.get("command"), dict):
        decode(int | None, extra["command"].get("memory_limit"), f"{what}.command.memory_limit")
    for number, device in enumerate(zram):
        where = f"{what}.zram[{number}]"
        decode(dict[str, Any], device, where)
        decode(int | None, device.get("disksize"), f"{where}.disksize")
        for name in ("mm_stat", "io_stat"):
            text = decode(str | None, device.get(name), f"{where}.{name}")
            if text and not _NUMBERS.fullmatch(text):
                raise TraceError(f"{where}.{name} must be numbers: the trace is damaged")
