"""Recording a part of the pages, decided inside the kernel: a spatial sample, or those of one command.

A sample is a scale model, as ``datasets sample`` makes one: a page is in it for the whole recording or not at all,
by a hash of its page number, and RAM and samples shrink with it, so that a replay meets the same ratio of memory
to demand (Waldspurger et al., Efficient MRC construction with SHARDS, FAST 2015).
"""

import ctypes
import secrets
from dataclasses import dataclass
from typing import Any

from ...errors import InvalidInputError, KernelUnsupportedError
from ..host.samples import SwapArea
from ..kernel.btf import KernelTypes

_CHUNK = 4096
_NAME_BYTES = 15
"""A task's name without its final NUL [include/linux/sched.h: TASK_COMM_LEN]."""


@dataclass(frozen=True)
class Choice:
    """``share`` of all pages (None: every page), of the command called ``command`` (None: any)."""

    share: float | None = None
    command: str | None = None
    salt: int = 0

    @classmethod
    def of(cls, share: float | None, command: str | None) -> "Choice":
        """With a salt drawn anew: the same pages are not always those that are left out."""
        return cls(share, command, secrets.randbits(31) if share else 0)

    @property
    def everything(self) -> bool:
        """Whether there is nothing to decide."""
        return self.share is None and self.command is None

    def macros(self, types: KernelTypes, areas: list[SwapArea]) -> dict[str, int | None]:
        """For the BPF programs; see bpf/choice.h."""
        if self.everything:
            return {}
        macros: dict[str, int | None] = {"SLOT_CHUNKS": max(1, sum(map(_pages, areas)) // _CHUNK)}
        if self.share is not None:
            macros |= {"SAMPLE_LIMIT": round(self.share * 2**32), "SAMPLE_SALT": self.salt}
        if self.command is not None:
            macros |= _command_macros(self.command, types)
        return macros

    def place_areas(self, program: Any, areas: list[SwapArea]) -> None:
        """Tell the programs where in their table each swap area begins."""
        if self.everything:
            return
        table, first = program["areas"], 0
        for row, area in enumerate(areas):
            pages = _pages(area)
            number = row if area.type_number is None else area.type_number
            table[ctypes.c_int(number)] = table.Leaf(first, pages)
            first += pages


def _pages(area: SwapArea) -> int:
    # /proc/swaps leaves out the header page, offsets count it; areas begin on the border of a chunk
    return -(-(area.size_bytes // 4096 + 1) // _CHUNK) * _CHUNK


def _command_macros(command: str, types: KernelTypes) -> dict[str, int | None]:
    name = command.encode()[:_NAME_BYTES].ljust(16, b"\0")
    if not command:
        raise InvalidInputError("a command's name cannot be empty: give it as ps -o comm shows it")
    owner, comm = types.offset("mm_struct", "owner"), types.offset("task_struct", "comm")
    if owner is None or comm is None:
        raise KernelUnsupportedError("this kernel does not tell whose a page is: record a --cgroup instead")
    low, high = (int.from_bytes(name[at : at + 8], "little") for at in (0, 8))
    return {
        "ONLY_COMMAND": 1, "COMMAND_LOW": low, "COMMAND_HIGH": high, "OFF_MM_OWNER": owner, "OFF_TASK_COMM": comm,
    }  # fmt: skip
