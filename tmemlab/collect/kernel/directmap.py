"""Where the kernel keeps page contents: the base of its direct map and of its array of struct page.

Both are randomised at boot and no file tells them. One page of the recorder's own gives them away: its frame
number stands in /proc/self/pagemap, its struct page is what mm_page_alloc was called with, and its content, random
bytes, is recognised where the direct map shows it.
"""

import ctypes
import mmap
import os
import secrets
import threading
from dataclasses import dataclass
from pathlib import Path

from ...errors import KernelUnsupportedError
from . import bpfcc
from .btf import KernelTypes

GFP_HIGHMEM_MOVABLE = 0x02 | 0x08
"""__GFP_HIGHMEM | __GFP_MOVABLE, of GFP_HIGHUSER_MOVABLE: low bits that never moved [linux/gfp_types.h]."""
_GIB = 1 << 30
_PAGE = mmap.PAGESIZE
_PFN = (1 << 55) - 1


@dataclass(frozen=True)
class DirectMap:
    """Addresses: a folio's content is at ``base + (folio - pages) // page_struct * 4096``."""

    base: int
    pages: int
    page_struct: int

    def macros(self) -> dict[str, int]:
        """For the BPF programs."""
        return {"DIRECT_MAP": self.base, "VMEMMAP": self.pages, "PAGE_STRUCT": self.page_struct}


class Probe:
    """The calibrating program and the page faults that trigger it; to be closed."""

    def __init__(self) -> None:
        macros = {"THREAD": threading.get_native_id(), "GFP_USER_PAGE": GFP_HIGHMEM_MOVABLE}
        self.program = bpfcc.load(bpfcc.program_text("calibrate.c"), macros)
        self._cells = self.program["cells"]
        self._area = mmap.mmap(-1, 4096 * _PAGE)
        if hasattr(mmap, "MADV_NOHUGEPAGE"):
            self._area.madvise(mmap.MADV_NOHUGEPAGE)
        self._next = 0

    def cell(self, index: int) -> int:
        """A cell of calibrate.c."""
        return int(self._cells[ctypes.c_int(index)].value)

    def touch(self, content: bytes) -> int:
        """Write ``content`` into a fresh page, which faults; the page's address."""
        if self._next >= 4096:
            self._area.madvise(mmap.MADV_DONTNEED)
            self._next = 0
        at = self._next * _PAGE
        self._next += 1
        self._area[at : at + len(content)] = content
        return ctypes.addressof(ctypes.c_char.from_buffer(self._area, at))

    def close(self) -> None:
        """Detach."""
        self.program.cleanup()

    def look(self, address: int) -> bytes:
        """64 bytes of kernel memory; zeros where nothing is mapped."""
        self._cells[ctypes.c_int(1)] = ctypes.c_ulonglong(address)
        before = self.cell(10)
        while self.cell(10) == before:
            self.touch(b"\1")
        return b"".join(self.cell(2 + i).to_bytes(8, "little") for i in range(8))


def find_direct_map(types: KernelTypes, probe: Probe) -> DirectMap:
    """Calibrate; KernelUnsupportedError where the content is not found."""
    page_struct = types.size("page")
    if not page_struct:
        raise KernelUnsupportedError("this kernel's BTF lacks struct page: contents cannot be sampled")
    secret = secrets.token_bytes(64)
    address = probe.touch(secret)
    folio, task = probe.cell(0), probe.cell(11)
    frame = _frame_of(address)
    ram = os.sysconf("SC_PHYS_PAGES") * _PAGE
    if folio and frame:
        # The base is a multiple of 1 GiB and at most all of RAM (and its holes) below any direct-map address.
        for steps in range(2 * ram // _GIB + 8):
            base = task // _GIB * _GIB - steps * _GIB
            if probe.look(base + frame * _PAGE) == secret:
                return DirectMap(base, folio - frame * page_struct, page_struct)
    raise KernelUnsupportedError("the kernel's direct map was not found: contents cannot be sampled")


def _frame_of(address: int) -> int:
    with Path("/proc/self/pagemap").open("rb", buffering=0) as stream:
        stream.seek(address // _PAGE * 8)
        return int.from_bytes(stream.read(8), "little") & _PFN
