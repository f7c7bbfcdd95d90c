"""A host that nobody recorded, described in a line or in a small file.

>>> Described.parse("ram=2G,file=300M,unreclaimable=250M,swap=disk:4G,disk=sd-card").ram
2147483648
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..directories import refuse_special
from ..errors import InvalidInputError
from ..units import PAGE_SIZE, format_bytes, parse_size, shown
from .host import DISK_UNITS, DISKS, Costs, Host, watermarks

KEYS = {
    "ram": "RAM of the host; the one that is needed",
    "file": "page cache that can be given up (a tenth of RAM)",
    "unreclaimable": "what the kernel and locked memory take (a tenth of RAM)",
    "programs": "memory of programs that stays in RAM (what is left when the trace's pool is at its largest)",
    "swap": "the swap area, disk:4G or zram:2G (disk, as large as RAM)",
    "disk": f"its class: {', '.join(DISKS)} (ssd)",
}
_SIZES = ("ram", "file", "unreclaimable", "programs")
_LARGEST = 1 << 50
_HOLES = 8 / 7
"""What an allocator's size classes and holes add to compressed bytes: 12 to 15 % on the bundled traces."""
_TENTH = 10


class SwapColumns(Protocol):
    """What is looked at of a trace: a row an event, as replay.inputs.columns.Columns has them."""

    @property
    def op(self) -> npt.NDArray[np.uint8]:
        """Op codes; empty for page accesses."""

    @property
    def page(self) -> npt.NDArray[np.uint32]:
        """Page ids."""

    @property
    def clen(self) -> npt.NDArray[np.uint16]:
        """Compressed lengths, bytes."""


@dataclass(frozen=True)
class Described:
    """Sizes in bytes; ``programs`` is None where it follows from the trace."""

    ram: int
    file: int
    unreclaimable: int
    programs: int | None
    swap: int
    swap_kind: str
    disk: str

    @classmethod
    def parse(cls, text: str) -> "Described":
        """``key=value,...`` by :data:`KEYS`, or the name of a TOML file of them. InvalidInputError else."""
        if "=" not in text:
            return cls.of(_read(Path(text)), text)
        pairs = [word.partition("=") for word in text.split(",")]
        keys = [key.strip() for key, _, _ in pairs]
        for key in keys:
            if keys.count(key) > 1:
                raise InvalidInputError(f"--host gives {shown(key)} twice")
        return cls.of({key.strip(): value.strip() for key, _, value in pairs}, "--host")

    @classmethod
    def of(cls, values: dict[str, Any], what: str) -> "Described":
        """From values by key, sizes as text or as numbers of bytes. what: where they stand, for errors."""
        for key in values:
            if key not in KEYS:
                raise InvalidInputError(f"{what} has no {shown(str(key))}: it takes {', '.join(KEYS)}")
        if "ram" not in values:
            raise InvalidInputError(f"{what} needs ram, such as ram=2G")
        sizes = {key: _size(what, key, values[key]) for key in _SIZES if key in values}
        ram = sizes["ram"]
        if ram < 16 << 20:
            raise InvalidInputError(f"{what}: a host of {format_bytes(ram)} RAM runs no Linux that swaps")
        kind, _, size = str(values.get("swap", f"disk:{ram}")).rpartition(":")
        if (kind or "disk") not in ("disk", "zram"):
            raise InvalidInputError(f"{what}: swap is disk:SIZE or zram:SIZE, not {shown(str(values['swap']))}")
        disk = str(values.get("disk", "ssd"))
        if disk not in DISKS:
            raise InvalidInputError(f"there is no disk called {shown(disk)}: choose {', '.join(DISKS)}")
        made = cls(
            ram, sizes.get("file", ram // _TENTH), sizes.get("unreclaimable", ram // _TENTH),
            sizes.get("programs"), _size(what, "swap", size), kind or "disk", disk,
        )  # fmt: skip
        if made.file + made.unreclaimable + (made.programs or 0) >= ram:
            raise InvalidInputError(f"{what}: what is named takes more than {format_bytes(ram)} of RAM")
        return made

    def for_trace(self, columns: SwapColumns, *, file_floor: int = 0, disk_unit: str = "4096") -> Host:
        """:meth:`host` for what a trace swaps; page accesses need no room beforehand, a resident set makes it."""
        compressed, swapped = peaks(columns.op, columns.page, columns.clen) if len(columns.op) else (0, 0)
        return self.host(round(compressed * _HOLES), swapped, file_floor=file_floor, disk_unit=disk_unit)

    def host(
        self, pool_peak: int, swapped_peak: int, *, file_floor: int = 0, disk_unit: str = "4096",
        costs: Costs | None = None,
    ) -> Host:  # fmt: skip
        """The host, the same at every moment.

        pool_peak: bytes of the trace's pages in a pool without a limit, at their most; swapped_peak: how many
        pages those are. Without ``programs``, they take what that pool leaves of RAM at that moment: a host that
        swaps has no free memory. InvalidInputError where it leaves nothing.
        """
        low, mid, high = watermarks(self.ram // PAGE_SIZE)
        left = self.ram - self.file - self.unreclaimable - high * PAGE_SIZE
        programs = left - pool_peak if self.programs is None else self.programs
        if programs <= 0:
            raise InvalidInputError(
                f"on a host of {format_bytes(self.ram)} the pages that this trace swaps leave no memory to "
                f"programs: compressed they take {format_bytes(pool_peak)}; give a larger one, or programs="
            )
        free = self.ram - self.file - self.unreclaimable - programs
        slots = max(self.swap // PAGE_SIZE - swapped_peak, 0)
        droppable = max(self.file - file_floor, 0)
        balance = np.array([[0, free // PAGE_SIZE, droppable // PAGE_SIZE, slots]], np.int64)
        ram = self.ram // PAGE_SIZE
        return Host(
            ram, ram, low, mid, high, balance, np.array([programs // PAGE_SIZE], np.int64), DISKS[self.disk],
            costs or Costs(), balance[:, 1], disk_unit=DISK_UNITS[disk_unit],
            is_described=True,
        )  # fmt: skip


def peaks(
    op: npt.NDArray[np.uint8], page: npt.NDArray[np.uint32], clen: npt.NDArray[np.uint16]
) -> tuple[int, int]:
    """Compressed bytes, and pages, that are out at once at their most: (bytes, pages). Columns of swap events.

    Lengths as they are, without an allocator's holes. A page is out from its store to its next event.
    """
    order = np.argsort(page, kind="stable")
    sorted_page, sorted_op = page[order], op[order]
    stored = sorted_op == 0
    ends = np.empty(len(order), bool)
    ends[:-1] = (sorted_page[1:] == sorted_page[:-1])[: len(order) - 1]
    ends[-1:] = False
    change = np.zeros((2, len(order) + 1), np.int64)
    begin = order[stored]
    change[0, begin], change[1, begin] = clen[begin], 1
    gone = order[1:][(stored & ends)[:-1]]
    left = order[:-1][(stored & ends)[:-1]]
    np.subtract.at(change[0], gone, clen[left].astype(np.int64))
    np.subtract.at(change[1], gone, 1)
    most = np.cumsum(change, axis=1).max(axis=1, initial=0)
    return int(most[0]), int(most[1])


def _size(what: str, key: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise InvalidInputError(f"{what}: {key} is a size such as 2G, not {shown(str(value))}")
    try:
        size = value if isinstance(value, int) else parse_size(value)
    except InvalidInputError as error:
        raise InvalidInputError(f"{what}: {key}: {error}") from None
    if not 0 <= size <= _LARGEST:
        raise InvalidInputError(f"{what}: {key} of {shown(str(value))} is out of range")
    return size


def _read(path: Path) -> dict[str, Any]:
    refuse_special(path)
    try:
        with path.open("rb") as stream:
            text = stream.read(1 << 16)
        return tomllib.loads(text.decode())
    except OSError as error:
        raise InvalidInputError(
            f"there is no host description {path} ({error.strerror}): give a TOML file, or ram=2G,swap=disk:4G"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInputError(f'{path} is no TOML file ({error}): it needs lines such as ram = "2G"') from None
