"""The host a replay runs on: memory balance over time, watermarks, the disk, what operations cost."""

from dataclasses import dataclass
from math import isqrt

import numpy as np
import numpy.typing as npt

from ..datasets.trace.read import Trace
from ..errors import InvalidInputError
from ..units import PAGE_SIZE


@dataclass(frozen=True)
class Disk:
    """A swap device behind the pool."""

    name: str
    bytes_per_s: int
    latency_ns: int
    queue_depth: int
    """Requests of 4096 bytes a read may find before it."""

    @property
    def page_ns(self) -> int:
        """Nanoseconds of bandwidth that one page takes."""
        return max(round(1e9 * PAGE_SIZE / self.bytes_per_s), 1)


DISKS = {
    disk.name: disk
    for disk in (
        Disk("nvme", 2_000_000_000, 80_000, 64),
        Disk("ssd", 450_000_000, 120_000, 32),
        Disk("hdd", 120_000_000, 8_000_000, 4),
        Disk("sd-card", 20_000_000, 1_500_000, 1),
    )
}
"""Round figures for classes of devices, for comparisons; not measurements of any one product."""

DISK_UNITS = {"4096": 4096, "512": 512, "packed": 1}
"""What compressed copies on a disk are rounded up to, in bytes. 4096 is what kernels do: zram writes a whole block
even with compressed_writeback [Linux 7.0 drivers/block/zram/zram_drv.c:zram_writeback_slots]."""


@dataclass(frozen=True)
class Costs:
    """CPU time of single operations, ns: round figures, near what benchmarks/page_costs.py measures."""

    fault: int = 1_500
    compress: int = 8_000
    decompress: int = 2_500
    zero_page: int = 1_000
    """To zero 4096 bytes of fresh memory: how fast the storm can mlock."""
    drop_file_page: int = 300


@dataclass(frozen=True)
class Host:
    """RAM, watermarks and the balance of memory over the trace, in pages of 4096 bytes."""

    ram: int
    recorded_ram: int
    watermark_min: int
    watermark_low: int
    watermark_high: int
    balance: npt.NDArray[np.int64]
    """(samples, 4): t in ns, free pages if the pool were empty, droppable page cache, free swap slots."""
    anonymous: npt.NDArray[np.int64]
    """(samples,): pages on the anonymous LRU that could be swapped out."""
    disk: Disk
    costs: Costs
    recorded_free: npt.NDArray[np.int64]
    """(samples,): free pages of the recorded host."""
    swappiness: int = 60
    disk_unit: int = 4096
    """Bytes that a compressed copy on the disk takes a multiple of: one of DISK_UNITS."""
    is_known: bool = True
    """Whether the trace, or a description, tells its memory."""
    is_described: bool = False
    """Whether that was a description."""

    @property
    def was_short(self) -> bool:
        """Whether the recorded host itself ran low on memory, rather than a memory cgroup in it."""
        return bool(self.recorded_free.min() < 2 * self.watermark_high * self.recorded_ram // self.ram)


def watermarks(ram_pages: int) -> tuple[int, int, int]:
    """min, low and high in pages for a host of one zone.

    Linux 7.1 mm/page_alloc.c:calculate_min_free_kbytes, __setup_per_zone_wmarks with
    watermark_scale_factor 10.
    """
    minimum = min(max(isqrt(ram_pages * 4 * 16), 128), 262144) // 4
    step = max(minimum // 4, ram_pages * 10 // 10000)
    return minimum, minimum + step, minimum + 2 * step


def _pages(trace: Trace, column: str) -> npt.NDArray[np.int64]:
    filled: npt.NDArray[np.int64] = trace.column("samples", column, null=0).astype(np.int64) // PAGE_SIZE
    return filled


def build_host(
    trace: Trace,
    ram_bytes: int | None = None,
    disk: str = "ssd",
    costs: Costs | None = None,
    file_floor: int = 0,
    disk_unit: str = "4096",
) -> Host:
    """The recorded host, or the same with ``ram_bytes`` of RAM (open loop: its other users keep theirs).

    file_floor: bytes of page cache that are not given up, for what a host cannot do without. disk_unit: a key of
    DISK_UNITS.

    Raises InvalidInputError when those other users would not fit. A trace without samples (an access
    trace) gets a host whose memory is all free.
    """
    recorded = trace.manifest.ram_bytes // PAGE_SIZE
    ram = (ram_bytes or trace.manifest.ram_bytes) // PAGE_SIZE
    if disk not in DISKS:
        raise InvalidInputError(f"there is no disk called {disk!r}: choose {', '.join(DISKS)}")
    if disk_unit not in DISK_UNITS:
        raise InvalidInputError(f"{disk_unit!r} is no unit of a disk: choose {', '.join(DISK_UNITS)}")
    unit = DISK_UNITS[disk_unit]
    low, mid, high = watermarks(ram)
    if not trace.rows("samples"):
        balance = np.array([[0, ram, 0, ram * 4]], np.int64)
        none = np.zeros(1, np.int64)
        return Host(
            ram, recorded, low, mid, high, balance, none, DISKS[disk], costs or Costs(), none + ram,
            disk_unit=unit, is_known=False,
        )  # fmt: skip
    if ram == recorded:
        low, mid, high = (int(_pages(trace, f"watermark_{name}")[0]) for name in ("min", "low", "high"))
    file = np.maximum(_pages(trace, "file") - file_floor // PAGE_SIZE, 0)
    free_without_pool = _pages(trace, "mem_free") + _pages(trace, "pool_bytes") + (ram - recorded)
    needed = int(recorded - (_pages(trace, "mem_free") + _pages(trace, "pool_bytes") + file).min())
    if needed >= ram:
        raise InvalidInputError(
            f"--ram {ram * PAGE_SIZE // 2**20}M is too small for this trace: what cannot be reclaimed took "
            f"{needed * PAGE_SIZE // 2**20}M while it was recorded"
        )
    anonymous = np.maximum(_pages(trace, "anon") - _pages(trace, "mlocked"), 0)
    balance = np.ascontiguousarray(
        np.stack([trace.column("samples", "t"), free_without_pool, file, _pages(trace, "swap_free")], axis=1)
    )
    return Host(
        ram, recorded, low, mid, high, balance, anonymous, DISKS[disk], costs or Costs(),
        _pages(trace, "mem_free"), disk_unit=unit,
    )  # fmt: skip
