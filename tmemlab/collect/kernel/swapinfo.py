"""The type number of each swap area: the number in a swap entry, which no file tells.

/proc/swaps lists areas in the order of their numbers and leaves out numbers that are free, so that after a swapoff
the second row may have number 2. The kernel's ``swap_info[number]`` says it. What is read there is believed only
if it agrees with every row of /proc/swaps [Linux 6.18 mm/swapfile.c: swap_info, swap_start, alloc_swap_info].
"""

from collections.abc import Sequence
from typing import Protocol

from .btf import KernelTypes
from .symbols import Look, find_table, kernel_symbols

MAX_AREAS = 32
"""MAX_SWAPFILES is a little less [include/linux/swap.h]."""
_TABLE, _USERS = "swap_info", ("get_swap_device", "put_swap_folio")
_USED = 1
"""SWP_USED."""
_PAGE = 4096


class Area(Protocol):
    """What of a row of /proc/swaps is compared."""

    @property
    def size_bytes(self) -> int:
        """Without the header page."""

    @property
    def priority(self) -> int:
        """As the kernel has it, negative where it chose it."""


def type_numbers(areas: Sequence[Area], types: KernelTypes, look: Look) -> list[int] | None:
    """The number of each area, in their order; None where the kernel's table is not found or contradicts them."""
    members = {name: types.offset("swap_info_struct", name) for name in ("flags", "prio", "pages")}
    table = find_table(kernel_symbols(_TABLE, *_USERS), _TABLE, _USERS, look)
    if table is None or None in members.values():
        return None
    flags, priority, pages = (int(offset or 0) for offset in members.values())

    def number_at(address: int, size: int, signed: bool = False) -> int:
        return int.from_bytes(look(address)[:size], "little", signed=signed)

    found = []
    for number in range(MAX_AREAS):
        area = number_at(table + 8 * number, 8)
        if area and number_at(area + flags, 8) & _USED:
            found.append((number, number_at(area + pages, 4) * _PAGE, number_at(area + priority, 2, signed=True)))
        elif not area:
            break
    if [(size, prio) for _, size, prio in found] != [(area.size_bytes, area.priority) for area in areas]:
        return None
    return [number for number, _, _ in found]
