"""The manifest of an anonymised trace: put together from what is harmless, never by taking away from the whole."""

import re
from typing import Any

from ... import __version__
from ..trace.manifest import (
    Certificate,
    ClenMethod,
    EventCounts,
    Kernel,
    Manifest,
    ProbeSet,
    Reconciliation,
    StartEnd,
    SwapDevice,
)
from .hostsize import rounded

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,31}")
_ZRAM_WORDS = {"algorithm", "comp_algorithm", "recomp_algorithm", "mode"}
_VERSION = re.compile(r"\d+(\.\d+){0,2}")
_REPLAYED = {
    "zswap_worker": (
        "runs", "pages", "delay_us", "late_share", "late_us", "again_share", "again_us", "visit_us", "page_us",
    ),
    "reclaim": ("scanned", "reclaimed"),
    "failed_writes": ("recorded", "zram"),
}  # fmt: skip
"""Keys beyond the format's own that a replay goes by, or that say how far to trust it, and what each may hold."""
_STATISTICS = re.compile(r"[\d\s]{1,200}")
_SWAP_TYPES = ("partition", "file", "zram")


def redacted_manifest(source: Manifest) -> Manifest:
    """``source`` without free text, names of devices, local kernel versions, days and unknown keys."""
    certificate, clen = source.certificate, source.clen
    release = _VERSION.match(source.kernel.release)
    return Manifest(
        kind=source.kind,
        created=f"{source.created[:7]}-01T00:00:00Z",
        tool=f"tmemlab {__version__}",
        kernel=Kernel(release[0] if release else "unknown", _word(source.kernel.machine)),
        cpus=source.cpus,
        ram_bytes=source.ram_bytes,
        clock=_word(source.clock),
        duration_ns=source.duration_ns,
        probe_set=ProbeSet(_word(source.probe_set.name), "anonymised"),
        events=EventCounts(0, source.events.dropped, 0, 0, 0),
        certificate=Certificate(
            certificate.complete,
            _counts(certificate.stores),
            _counts(certificate.loads),
            [_gap(gap) for gap in certificate.gaps],
        ),
        clen=ClenMethod(clen.method, _word(clen.algorithm), clen.sampled),
        swap=[
            SwapDevice(f"swap{i}", _swap_type(d), d.size_bytes, d.priority, d.type_number)
            for i, d in enumerate(source.swap)
        ],
        zswap=StartEnd(_settings(source.zswap.start), _settings(source.zswap.end)),
        zram=[_numbers(device) for device in source.zram],
        kernel_counters={n: c for n, c in source.kernel_counters.items() if _WORD.fullmatch(n)},
        recorded_counters={n: c for n, c in source.recorded_counters.items() if _WORD.fullmatch(n)},
        license=_word(source.license),
        provenance={"how": "anonymised"},
        anonymised=True,
    )


def harmless_extras(source: Manifest, *, exact_host: bool) -> dict[str, Any]:
    """Keys beyond the format's own that a replay goes by: counts and times of the host's pool, and limits."""
    kept: dict[str, Any] = {}
    for name, keys in _REPLAYED.items():
        if name in source.extra:
            kept[name] = {key: source.extra[name][key] for key in keys if key in source.extra[name]}
    if "memory_cgroups" in source.extra:
        kept["memory_cgroups"] = source.extra["memory_cgroups"]
    limit = source.extra.get("command", {}).get("memory_limit")
    if limit is None:
        return kept
    return {**kept, "command": {"memory_limit": limit if exact_host else rounded(limit)}}


def _swap_type(area: SwapDevice) -> str:
    if area.is_zram:
        return "zram"
    return area.type if area.type in _SWAP_TYPES else "other"


def _counts(part: Reconciliation) -> Reconciliation:
    return Reconciliation(part.recorded, part.dropped, part.kernel)


def _word(text: str) -> str:
    """A short word of plain letters, or nothing."""
    return text if _WORD.fullmatch(text) else ""


def _settings(settings: dict[str, Any]) -> dict[str, Any]:
    return {n: v for n, v in settings.items() if _WORD.fullmatch(n) and _WORD.fullmatch(str(v))}


def _gap(gap: Any) -> Any:
    return (
        {n: v for n, v in gap.items() if n in ("from_ns", "to_ns") and type(v) is int}
        if isinstance(gap, dict)
        else {}
    )


def _numbers(device: Any) -> dict[str, Any]:
    """What a zram device is set to: numbers and the names of algorithms, no paths."""
    if not isinstance(device, dict):
        return {}
    return {
        name: value
        for name, value in device.items()
        if _WORD.fullmatch(name)
        and (
            type(value) in (int, float, bool)
            or (name in _ZRAM_WORDS and _WORD.fullmatch(str(value)))
            or (name in ("mm_stat", "io_stat") and _STATISTICS.fullmatch(str(value)))
        )
    }


def dropped_fields(source: Manifest) -> set[str]:
    """Names of this format's fields that had something which is no longer there."""
    texts = {
        "certificate.note": source.certificate.note,
        "clen.note": source.clen.note,
        "probe_set.reason": source.probe_set.reason,
        "probe_set.cannot_see": source.probe_set.cannot_see,
        "provenance": source.provenance,
        "tool": source.tool,
        "unknown keys": source.extra,
        "swap.device": source.swap,
        "license": "" if _word(source.license) else source.license,
    }
    return {name for name, value in texts.items() if value}
