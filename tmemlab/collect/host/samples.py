"""What /proc, /sys and debugfs say about the host: settings once, samples ten times a second."""

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...datasets.trace.codes import VMSTAT_COUNTERS

ZSWAP_PARAMETERS = Path("/sys/module/zswap/parameters")
ZSWAP_DEBUG = Path("/sys/kernel/debug/zswap")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def read_text(path: str | Path) -> str | None:
    """The stripped text of a small file; None where it cannot be read."""
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None


def read_number(path: str | Path) -> int | None:
    """A file that holds one integer."""
    text = read_text(path)
    return int(text) if text is not None and re.fullmatch(r"-?\d+", text) else None


def possible_cpus() -> int:
    """How many CPUs the kernel numbers, hot-pluggable ones included."""
    text = read_text("/sys/devices/system/cpu/possible") or "0"
    return max(map(int, re.findall(r"\d+", text))) + 1


def task_slots() -> int:
    """Places for the state of threads: a power of two that holds every thread id, up to a bound."""
    highest = read_number("/proc/sys/kernel/pid_max") or 32768
    return 1 << min(max(highest - 1, 1).bit_length(), 18)


class CounterFile:
    """A /proc file kept open and re-read whole: one system call a reading."""

    def __init__(self, path: str, size: int = 1 << 16) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._size = size

    def read(self) -> bytes:
        """The present content."""
        return os.pread(self._descriptor, self._size, 0)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


class ZswapDebug:
    """zswap's counters in debugfs, whose files give their value once an opening.

    The folder is kept: debugfs itself is closed to a recorder that has given up its privileges.
    """

    def __init__(self) -> None:
        self._folder: int | None = None
        with contextlib.suppress(OSError):
            self._folder = os.open(ZSWAP_DEBUG, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def names(self, prefix: str) -> list[str]:
        """Counters whose names begin so."""
        return (
            []
            if self._folder is None
            else sorted(
                name
                for name in os.listdir(self._folder)  # noqa: PTH208 - by its descriptor
                if name.startswith(prefix)
            )
        )

    def read(self, name: str) -> int | None:
        """A counter; None where it cannot be read."""
        if self._folder is None:
            return None
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._folder)
        except OSError:
            return None
        try:
            return int(os.read(descriptor, 64))
        except (OSError, ValueError):
            return None
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Close the folder."""
        if self._folder is not None:
            os.close(self._folder)
            self._folder = None


class Vmstat(CounterFile):
    """The swap counters of /proc/vmstat; debugfs's count of writebacks where it has none (up to 6.7)."""

    def __init__(self) -> None:
        super().__init__("/proc/vmstat")
        names = "|".join(VMSTAT_COUNTERS)
        self._pattern = re.compile(rf"^({names}) (\d+)$".encode(), re.MULTILINE)
        self._debug = ZswapDebug() if b"\nzswpwb " not in super().read() else None

    def read(self) -> bytes:
        """The present content."""
        text = super().read()
        written_back = self._debug.read("written_back_pages") if self._debug else None
        return text if written_back is None else text + b"zswpwb %d\n" % written_back

    def close(self) -> None:
        """Close the files."""
        super().close()
        if self._debug:
            self._debug.close()

    def counters(self) -> dict[str, int]:
        """Value by name of those counters that this kernel has."""
        return self.parse(self.read())

    def parse(self, text: bytes) -> dict[str, int]:
        """The same from a reading made before."""
        return {name.decode(): int(value) for name, value in self._pattern.findall(text)}


_MEMINFO = {
    "mem_total": b"MemTotal", "mem_free": b"MemFree", "mem_available": b"MemAvailable", "anon": b"AnonPages",
    "unevictable": b"Unevictable", "mlocked": b"Mlocked", "slab": b"Slab",
    "swap_total": b"SwapTotal", "swap_free": b"SwapFree",
}  # fmt: skip


class Sampler:
    """One row of the samples table whenever asked. ``cgroup_usage`` is the file with the bytes of a cgroup."""

    def __init__(self, cgroup_usage: Path | None = None) -> None:
        self._meminfo = CounterFile("/proc/meminfo")
        self._vmstat = Vmstat()
        self._debug = ZswapDebug()
        self._rejects = self._debug.names("reject_")
        self._cgroup_usage = cgroup_usage
        self._watermarks = read_watermarks()
        self._until_watermarks = 0

    def sample(self) -> dict[str, int | None]:
        """Values by column of schema.SAMPLES, without ``t``; bytes, or counts since boot."""
        info = dict(re.findall(rb"^(\w+(?:\(\w+\))?): +(\d+)", self._meminfo.read(), re.MULTILINE))
        row: dict[str, int | None] = {name: int(info[key]) << 10 for name, key in _MEMINFO.items()}
        row["file"] = int(info[b"Active(file)"]) + int(info[b"Inactive(file)"]) << 10
        self._until_watermarks -= 1
        if self._until_watermarks <= 0:
            # /proc/zoneinfo is large and its watermarks move only when someone sets them.
            self._watermarks, self._until_watermarks = read_watermarks(), 100
        row |= self._watermarks
        row["pool_bytes"] = int(info[b"Zswap"]) << 10 if b"Zswap" in info else None
        row["pool_stored_bytes"] = int(info[b"Zswapped"]) << 10 if b"Zswapped" in info else None
        zram = zram_totals()
        if zram is not None and not row["pool_stored_bytes"]:
            row["pool_stored_bytes"], row["pool_bytes"] = zram
        row |= read_pressure()
        row["cgroup_bytes"] = read_number(self._cgroup_usage) if self._cgroup_usage else None
        row["zswap_limit_hit"] = self._debug.read("pool_limit_hit")
        rejects = [count for name in self._rejects if (count := self._debug.read(name)) is not None]
        row["zswap_reject_total"] = sum(rejects) if rejects else None
        row["zswap_written_back"] = self._debug.read("written_back_pages")
        counters = self._vmstat.counters()
        row |= {name: counters.get(name) for name in VMSTAT_COUNTERS}
        return row


def read_pressure() -> dict[str, int | None]:
    """Cumulative microseconds of memory stall; None without PSI."""
    text = read_text("/proc/pressure/memory") or ""
    found = dict(re.findall(r"^(some|full) .*total=(\d+)", text, re.MULTILINE))
    return {f"psi_{kind}_us": int(found[kind]) if kind in found else None for kind in ("some", "full")}


def read_watermarks() -> dict[str, int | None]:
    """Bytes of the min, low and high watermarks, summed over populated zones."""
    text = read_text("/proc/zoneinfo") or ""
    return {
        f"watermark_{name}": _PAGE * sum(map(int, re.findall(rf"^ +{name} +(\d+)$", text, re.MULTILINE)))
        for name in ("min", "low", "high")
    }


def zram_totals() -> tuple[int, int] | None:
    """Uncompressed bytes and bytes of memory of all initialised zram devices; None without any."""
    totals = [
        tuple(map(int, text.split()[:3]))
        for name in os.listdir("/sys/block")  # noqa: PTH208 - ten times a second
        if name.startswith("zram")
        and (text := read_text(f"/sys/block/{name}/mm_stat"))
        and not text.startswith("0 ")
    ]
    return (sum(t[0] for t in totals), sum(t[2] for t in totals)) if totals else None


@dataclass(frozen=True)
class SwapArea:
    """A row of /proc/swaps."""

    device: str
    type: str
    """zram, partition or file."""
    size_bytes: int
    priority: int
    type_number: int | None = None
    """The number that swap entries carry; None where it is not known."""


def read_swaps() -> list[SwapArea]:
    """Active swap areas in the kernel's order, which is that of their type numbers; numbers may be left out."""
    rows = (read_text("/proc/swaps") or "").splitlines()[1:]
    return [
        SwapArea(name.replace("\\040", " "), _kind(name, kind), int(size) << 10, int(priority))
        for name, kind, size, _, priority in (row.split() for row in rows)
    ]


def _kind(name: str, kind: str) -> str:
    return "zram" if re.fullmatch(r"/dev/(block/)?zram\d+", name) else kind


def zswap_settings() -> dict[str, Any]:
    """Parameter -> text of zswap's module parameters; empty where it is not built in."""
    if not ZSWAP_PARAMETERS.is_dir():
        return {}
    return {path.name: read_text(path) for path in sorted(ZSWAP_PARAMETERS.iterdir())}


def zswap_enabled() -> bool:
    """Whether zswap takes stores now."""
    return (read_text(ZSWAP_PARAMETERS / "enabled") or "N") in ("Y", "1")


def zram_settings() -> list[dict[str, Any]]:
    """Size, algorithm and limits of every initialised zram device."""
    devices = []
    for base in sorted(Path("/sys/block").glob("zram*")):
        if read_number(base / "disksize"):
            chosen = re.search(r"\[(\S+)\]", read_text(base / "comp_algorithm") or "")
            devices.append(
                {
                    "device": base.name,
                    "disksize": read_number(base / "disksize"),
                    "comp_algorithm": chosen[1] if chosen else None,
                    "mm_stat": read_text(base / "mm_stat"),
                    "io_stat": read_text(base / "io_stat"),
                    "backing_dev": read_text(base / "backing_dev"),
                }
            )
    return devices


def vm_settings() -> dict[str, int | None]:
    """The sysctls that shape swapping."""
    names = ("swappiness", "page-cluster", "min_free_kbytes", "watermark_scale_factor", "overcommit_memory")
    return {name.replace("-", "_"): read_number(f"/proc/sys/vm/{name}") for name in names}


def compressor_in_use() -> str | None:
    """The kernel's name of the compressor that swap goes through: zswap's, else zram's; None without either."""
    if zswap_enabled():
        return read_text(ZSWAP_PARAMETERS / "compressor")
    zram = zram_settings()
    return zram[0]["comp_algorithm"] if zram else None
