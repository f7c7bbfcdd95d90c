"""The size of a host, rounded: RAM to the byte tells one host, to an eighth of a power of two a class of hosts.

Everything that is a share of RAM is scaled with it, so that a replay meets the same host in another size: what was
free, locked or page cache stays the same share. Samples are whole MiB then: values scaled by a factor and rounded
to pages leave out every so many pages, and which ones would tell the factor.
"""

from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from ..trace.manifest import Manifest
from ..trace.schema import SAMPLES

MIB = 1 << 20
OF_RAM = ("mem_total", "mem_free", "mem_available", "anon", "file", "unevictable", "mlocked", "slab")
OF_SWAP = ("swap_total", "swap_free")
WATERMARKS = ("watermark_min", "watermark_low", "watermark_high")
_LIMIT_IN_MM_STAT = 3
"""mem_limit is the fourth number of zram's mm_stat [Documentation/admin-guide/blockdev/zram.rst]."""


def rounded(size: int) -> int:
    """The nearest of eight sizes between one power of two and the next: at most 1/16 off."""
    step = 1 << max(size.bit_length() - 4, 0)
    return (size + step // 2) // step * step


@dataclass(frozen=True)
class HostSize:
    """How the sizes of one host become those of its class."""

    ram: int
    swap: int

    @classmethod
    def of(cls, manifest: Manifest) -> "HostSize":
        """From the sizes that the manifest has."""
        return cls(manifest.ram_bytes, sum(area.size_bytes for area in manifest.swap))

    def manifest(self, manifest: Manifest) -> Manifest:
        """RAM, swap areas and zram devices rounded."""
        return manifest.replace(
            ram_bytes=rounded(manifest.ram_bytes),
            swap=[replace(area, size_bytes=rounded(area.size_bytes)) for area in manifest.swap],
            zram=[_device(device) for device in manifest.zram],
        )

    def samples(self, samples: pa.Table) -> pa.Table:
        """Memory as shares of the rounded RAM and swap, in MiB; watermarks, which follow from RAM, rounded."""
        ram = rounded(self.ram) / self.ram
        swap = rounded(self.swap) / self.swap if self.swap else 1.0
        for i, field in enumerate(SAMPLES):
            factor = ram if field.name in OF_RAM else swap if field.name in OF_SWAP else None
            if factor is None and field.name not in WATERMARKS:
                continue
            values = [
                value if value is None else rounded(value) if factor is None else _whole(value * factor)
                for value in samples[field.name].to_pylist()
            ]
            samples = samples.set_column(i, field, pa.array(values, field.type))
        return samples


def _whole(size: float) -> int:
    return round(size / MIB) * MIB


def _device(device: dict[str, Any]) -> dict[str, Any]:
    changed = dict(device)
    for name in ("disksize", "mem_limit"):
        if isinstance(changed.get(name), int):
            changed[name] = rounded(changed[name])
    fields = str(changed.get("mm_stat") or "").split()
    if len(fields) > _LIMIT_IN_MM_STAT:
        fields[_LIMIT_IN_MM_STAT] = str(rounded(int(fields[_LIMIT_IN_MM_STAT])))
        changed["mm_stat"] = " ".join(fields)
    return changed
