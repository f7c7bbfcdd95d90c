"""What a trace's manifest says of the pool that its host ran: the policy to judge a replay by."""

import math
from collections.abc import Mapping
from typing import Any

from ...datasets.trace.manifest import Manifest
from ...errors import InvalidInputError
from ...policies.interface import Param, Policy
from ...policies.registry import find_policy, of_kernel
from ...units import PAGE_SIZE

_ON = ("Y", "y", "1", 1, True)
_SLOT_DEVICE_SHIFT = 28
_EXCLUSIVE_LOADS = (6, 5)
"""From here on zswap can take the entry away with the load, and tells whether it does [Linux 6.5 mm/zswap.c]."""

WORKER_TIMES = {
    "delay_us": "worker_start_us", "late_share": "worker_late_share", "late_us": "worker_late_us",
    "again_us": "worker_again_us", "visit_us": "worker_visit_us", "page_us": "worker_page_us",
}  # fmt: skip
"""What a manifest may hold of zswap's worker, and the policies' parameters that it sets."""


def recorded_policy(manifest: Manifest) -> Policy:
    """The policy and parameters that the host ran while recording: zswap's if that was on, else zram's, else none.

    Times of zswap's worker in the manifest (``zswap_worker``: ``delay_us`` and others) are used.
    Raises InvalidInputError where it does not say enough, or settings changed during the capture.
    """
    start: Mapping[str, Any] = manifest.zswap.start if manifest.zswap else {}
    end: Mapping[str, Any] = manifest.zswap.end if manifest.zswap else {}
    changed = sorted(key for key in start if key in end and start[key] != end[key])
    if changed:
        raise InvalidInputError(
            f"zswap's {', '.join(changed)} changed while the trace was recorded: slice it to one setting"
        )
    if start.get("enabled") in _ON:
        return _zswap(manifest, start)
    if zram_devices(manifest):
        return _zram(manifest)
    return find_policy("bounds.none")()


def worker_times(manifest: Manifest) -> dict[str, float]:
    """What the manifest knows of zswap's worker (``zswap_worker``), as parameters of the policies."""
    worker = manifest.extra.get("zswap_worker")
    if not isinstance(worker, dict):
        return {}
    times = {name: float(worker[key]) for key, name in WORKER_TIMES.items() if key in worker}
    if "worker_late_share" in times:  # measured of runs that follow no other, of which a replay has fewer
        times["worker_late_share"] *= 1.0 - float(worker.get("again_share", 0.0))
    if "worker_page_us" in times:  # measured with the look at the entry, which a replay counts for itself
        times["worker_page_us"] = max(times["worker_page_us"] - times.get("worker_visit_us", 0.0), 0.0)
    return times


def zram_devices(manifest: Manifest) -> list[int]:
    """Numbers (rows of the manifest's swap) of the swap areas that are zram devices.

    By what the trace says; where an anonymised one from before says nothing (:func:`guesses_zram`), by a size that
    differs from a zram device's by the header page alone.
    """
    if guesses_zram(manifest):
        sizes = {int(device.get("disksize") or 0) for device in manifest.zram}
        return [
            number
            for number, area in enumerate(manifest.swap)
            if any(0 <= size - area.size_bytes <= 1 << 16 for size in sizes)
        ]
    return [number for number, area in enumerate(manifest.swap) if area.is_zram]


def guesses_zram(manifest: Manifest) -> bool:
    """Whether zram's areas are known by their size alone: names and types were taken out of the trace."""
    return manifest.anonymised and bool(manifest.zram) and not any(area.is_zram for area in manifest.swap)


def slot_device(slot: Any) -> Any:
    """The row of the manifest's swap that slots (numbers or arrays of them) lie on."""
    return slot >> _SLOT_DEVICE_SHIFT


def _zswap(manifest: Manifest, settings: Mapping[str, Any]) -> Policy:
    kind = of_kernel("zswap", manifest.kernel.release)
    by_kernel_name = {about.kernel: about for about in kind.params() if about.kernel}
    values = {
        about.name: _value(about, settings[name]) for name, about in by_kernel_name.items() if name in settings
    }
    if "shrinker_enabled" in settings and "shrinker" not in values and settings["shrinker_enabled"] in _ON:
        raise InvalidInputError(f"{kind.name} has no shrinker, and the host's was on: name a policy with --policy")
    known = {about.name for about in kind.params()}
    values |= {name: value for name, value in worker_times(manifest).items() if name in known}
    if "shrinker" in known and not shrinker_works(manifest):
        values["shrinker"] = "off"
    command = manifest.extra.get("command")
    limit = command.get("memory_limit") if isinstance(command, dict) else None
    if "inactive_pages" in known and isinstance(limit, int) and limit >= PAGE_SIZE:
        values["inactive_pages"] = max(inactive_pages(limit), 1)
    reclaim = manifest.extra.get("reclaim")
    if "reclaimed_share" in known and isinstance(reclaim, dict) and reclaim.get("scanned"):
        values["reclaimed_share"] = min(max(reclaim.get("reclaimed", 0) / reclaim["scanned"], 0.001), 1.0)
    return kind(**values)


def shrinker_works(manifest: Manifest) -> bool:
    """Whether zswap's shrinker would find anything on the recorded host.

    With the memory controller on cgroup v1 nothing is charged for zswap, so that every cgroup seems to have stored
    nothing [Linux 6.18 mm/memcontrol.c:obj_cgroup_charge_zswap, mm/zswap.c:zswap_shrinker_count].
    """
    return manifest.extra.get("memory_cgroups") != 1


def inactive_pages(limit: int) -> int:
    """Inactive anonymous pages of a cgroup that is at its limit of ``limit`` bytes.

    Reclaim moves pages from the active list until the inactive one is no shorter than by the square root of ten
    times the gigabytes of both, and no shorter at all below one [Linux 6.18 mm/vmscan.c:inactive_is_low].
    """
    gigabytes = limit >> 30
    ratio = math.isqrt(10 * gigabytes) if gigabytes else 1
    return limit // PAGE_SIZE // (1 + ratio)


def rejects_poor(manifest: Manifest) -> bool:
    """Whether the recorded pool turned away what did not compress: zswap did, until 6.15 took such pages raw."""
    on = manifest.zswap is not None and manifest.zswap.start.get("enabled") in _ON
    if not on:
        return False
    try:
        return not of_kernel("zswap", manifest.kernel.release).keeps_incompressible
    except InvalidInputError:  # of no version that anybody knows
        return False


def keeps_copies(manifest: Manifest) -> bool:
    """Whether a load left the copy in the recorded host's pool: zswap's does without exclusive_loads, up to
    6.8.
    """
    settings: Mapping[str, Any] = manifest.zswap.start if manifest.zswap else {}
    if settings.get("enabled") not in _ON:
        return False
    if "exclusive_loads" in settings:
        return settings["exclusive_loads"] not in _ON
    try:
        since = of_kernel("zswap", manifest.kernel.release).since
    except InvalidInputError:
        return False
    return since is not None and since < _EXCLUSIVE_LOADS


def _value(about: Param, text: Any) -> Any:
    if set(about.choices) == {"on", "off"}:
        return "on" if text in _ON else "off"
    if about.choices:
        return str(text)  # the policy refuses what it does not know, by name
    try:
        return float(text)
    except (TypeError, ValueError):
        raise InvalidInputError(f"the manifest's {about.kernel} is {text!r}, and not a number") from None


def _zram(manifest: Manifest) -> Policy:
    """zram.basic by the device's size and limit; what scripts made it write back is not recorded."""
    devices = zram_devices(manifest)
    disksize = sum(manifest.swap[number].size_bytes for number in devices)
    limit = 0
    for device in manifest.zram:
        fields = str(device.get("mm_stat") or "").split()
        limit += int(fields[3]) if len(fields) > 3 else 0
    share = 100 / manifest.ram_bytes
    others = len(manifest.swap) > len(devices)
    values: dict[str, Any] = {
        "disksize_percent": min(disksize * share, 1000.0),
        "mem_limit_percent": min(limit * share, 100.0),
        "fallback": "disk" if others else "none",
    }
    return find_policy("zram.basic")(**values)
