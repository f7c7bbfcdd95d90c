"""Stacks of backing stores as text: ``ram:2G,remote:4G@25us,disk@nvme``.

From top to bottom, separated by commas. ``ram`` is the compressed pool, which the policy runs; ``remote`` is RAM
of a neighbour (RAMster) and takes the compressed bytes as they are; ``disk`` takes whole pages. ``:SIZE`` limits
a store; ``@`` adds a device class (nvme, ssd, hdd), a latency (25us), a bandwidth (1.25GB/s), ``compressed`` or
``plain``, and what a compressed copy is rounded up to (4096, 512, or packed for not at all).
"""

import re
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..errors import InvalidInputError
from ..units import PAGE_SIZE, format_bytes, parse_duration, parse_size_or_share
from .host import DISK_UNITS, DISKS
from .records import DISK, LEVEL, REMOTE

MOST = 8
"""Stores in a stack, the pool included."""

_BANDWIDTH = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMG]?)B/s", re.IGNORECASE)
_THOUSANDS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}
_EXAMPLE = "write for example ram:2G,remote:4G@25us,disk@nvme"


@dataclass(frozen=True)
class Level:
    """One backing store."""

    kind: str
    """``remote`` or ``disk``."""
    capacity: int
    """Bytes; 0: as much as there is swap."""
    latency_ns: int
    bytes_per_s: int
    queue_depth: int
    compressed: bool
    """Takes the compressed bytes as they are."""
    unit: int = 1
    """Bytes: a compressed copy takes a multiple of it."""

    @property
    def page_ns(self) -> int:
        """Nanoseconds of bandwidth that a page of 4096 bytes takes."""
        return max(round(1e9 * PAGE_SIZE / self.bytes_per_s), 1)


NEIGHBOUR = Level("remote", 0, 25_000, 1_250_000_000, 64, True)
"""RAM across 10 Gbit/s Ethernet: a round figure."""


@dataclass(frozen=True)
class Stack:
    """Backing stores from top to bottom, and where among them the pool stands."""

    levels: tuple[Level, ...]
    above: int
    """Stores above the pool."""
    pool_bytes: int | None
    """The pool's limit, where the text gives one."""
    text: str = ""

    def table(self) -> npt.NDArray[np.void]:
        """Records of LEVEL."""
        table = np.zeros(len(self.levels), LEVEL)
        for row, level in zip(table, self.levels, strict=True):
            row["kind"] = DISK if level.kind == "disk" else REMOTE
            row["compressed"] = level.compressed
            row["unit"] = level.unit
            row["capacity"] = level.capacity
            row["page_ns"] = level.page_ns
            row["latency_ns"] = level.latency_ns
            row["queue_ns"] = level.queue_depth * level.page_ns
        return table


def _parse_level(text: str, ram_bytes: int, disk: str, unit: int) -> Level | int | None:
    """A store; for ``ram`` its limit in bytes, or None without one."""
    head, *details = text.split("@")
    kind, _, size = (part.strip() for part in head.partition(":"))
    capacity = parse_size_or_share(size, ram_bytes) if size else 0
    if size.endswith("%"):
        capacity = max(capacity, PAGE_SIZE)  # a small share of a small host
    if size and capacity < PAGE_SIZE:
        raise InvalidInputError(f"{text!r} is smaller than a page")
    if kind == "ram":
        if details:
            raise InvalidInputError(f"{text!r}: ram takes a size and nothing else; {_EXAMPLE}")
        return capacity or None
    if kind == "remote":
        level = replace(NEIGHBOUR, capacity=capacity)
    elif kind == "disk":
        device = DISKS[disk]
        level = Level("disk", capacity, device.latency_ns, device.bytes_per_s, device.queue_depth, False, unit)
    else:
        raise InvalidInputError(f"{kind!r} is not a backing store (ram, remote or disk): {_EXAMPLE}")
    rounded = False
    for detail in map(str.strip, details):
        bandwidth = _BANDWIDTH.fullmatch(detail)
        if detail in DISKS:
            device = DISKS[detail]
            level = replace(
                level, latency_ns=device.latency_ns, bytes_per_s=device.bytes_per_s, queue_depth=device.queue_depth
            )
        elif detail in ("compressed", "plain"):
            level = replace(level, compressed=detail == "compressed")
        elif detail in DISK_UNITS:
            rounded = True
            level = replace(level, unit=DISK_UNITS[detail])
        elif bandwidth:
            rate = float(bandwidth[1]) * _THOUSANDS[bandwidth[2].upper()]
            if rate < 1:
                raise InvalidInputError(f"{text!r}: a store needs some bandwidth")
            level = replace(level, bytes_per_s=round(rate))
        else:
            try:
                if detail.isdecimal():  # not seconds: 1024 is meant for a unit of the disk
                    raise InvalidInputError(detail)
                level = replace(level, latency_ns=round(1e9 * parse_duration(detail)))
            except InvalidInputError:
                raise InvalidInputError(
                    f"{detail!r} in {text!r} is not a device class ({', '.join(DISKS)}), a latency such as 25us, "
                    "a bandwidth such as 1.25GB/s, compressed, plain, or a unit (4096, 512, packed)"
                ) from None
    if rounded and not level.compressed:
        raise InvalidInputError(f"{text!r} takes whole pages, so there is nothing to round up: add @compressed")
    return level


def parse_stack(text: str, ram_bytes: int, disk: str = "ssd", unit: int = 4096) -> Stack:
    """The stack that ``text`` describes; sizes may be percentages of ``ram_bytes``.

    disk: the device class of a ``disk`` that names none; unit: what its compressed copies are rounded up to,
    bytes. Raises InvalidInputError for anything else than one ``ram`` among up to seven other stores.
    """
    parts = [part.strip() for part in text.split(",")]
    parsed = [_parse_level(part, ram_bytes, disk, unit) for part in parts]
    pools = [at for at, level in enumerate(parsed) if not isinstance(level, Level)]
    if len(pools) != 1:
        raise InvalidInputError(f"the stack {text!r} needs ram exactly once, the pool that the policy runs")
    levels = tuple(level for level in parsed if isinstance(level, Level))
    if not levels or len(parts) > MOST:
        raise InvalidInputError(f"the stack {text!r} needs one to {MOST - 1} stores besides ram: {_EXAMPLE}")
    if pools[0] == len(levels):
        raise InvalidInputError(f"the stack {text!r} ends in ram: what the pool writes back has nowhere to go")
    limit = parsed[pools[0]]
    return Stack(levels, pools[0], limit if isinstance(limit, int) else None, text)


def describe(level: Level) -> str:
    """``remote 4 GiB``, ``disk``."""
    return f"{level.kind} {format_bytes(level.capacity)}" if level.capacity else level.kind
