"""The manifest of a recording: the host, the settings, and the evidence that nothing is missing."""

from typing import Any

import numpy as np

from ... import __version__
from ...datasets.trace.manifest import (
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
from ...datasets.trace.schema import VMSTAT_COUNTERS
from ..probes.zswap_worker import worker_times
from ..records import RECORD, Records

STORE_NAMES = ("zswpout", "pswpout", "swpout_zero")
"""Stores are their sum, less ``zswpwb``: a writeback of the pool counts as a swap-out too."""
LOAD_NAMES = ("zswpin", "pswpin", "swpin_zero")


def differences(start: dict[str, Any], end: dict[str, Any] | None) -> dict[str, int]:
    """Kernel counters over the interval, by vmstat name; without a second cut there are none."""
    if end is None:
        return {}
    first, last = start["cut"], end["cut"]
    outside = {name: last["outside"][name] - first["outside"][name] for name in last["outside"]}
    if "zswpwb" not in last["vmstat"]:
        outside.pop("zswpwb", None)
    return {
        name: last["vmstat"][name] - first["vmstat"][name] - outside.get(name, 0)
        for name in VMSTAT_COUNTERS
        if name in first["vmstat"] and name in last["vmstat"]
    }


def _left_out(start: dict[str, Any], end: dict[str, Any] | None) -> dict[str, Any]:
    """Pages that were counted and not chosen, by vmstat name, and the RAM that the host really had."""
    if end is None:
        return {}
    first, last = start["cut"]["outside"], end["cut"]["outside"]
    left_out = {name: last[name] - first[name] for name in last if last[name] != first[name]}
    return {"left_out": left_out, "host_ram_bytes": start["ram_bytes"]} if left_out else {}


def _dropped(start: dict[str, Any], end: dict[str, Any] | None) -> dict[str, int]:
    if end is None:
        return {}
    first, last = start["cut"]["dropped"], end["cut"]["dropped"]
    return {name: last[name] - first[name] for name in last}


def build(spool: Any, state: Any, tally: Any, duration_ns: int, extra: dict[str, Any]) -> Manifest:
    """The manifest of the trace made of ``spool``: a convert.Spool read to its end; ``tally`` by settle.C_*."""
    start, end = spool.start, spool.end
    recorded = dict(zip(VMSTAT_COUNTERS, map(int, state.counts), strict=False))
    kernel, dropped = differences(start, end), _dropped(start, end)
    uncounted = {}
    if kernel and "zswpwb" not in kernel:
        # Nothing but the probes counts writebacks here: they are no stores on either side.
        uncounted = {"zswpwb": recorded["zswpwb"]}
    recorded = {name: recorded[name] for name in recorded if not kernel or name in kernel}
    stores = _reconcile(STORE_NAMES, "zswpwb", kernel | uncounted, recorded | uncounted, dropped)
    loads = _reconcile(LOAD_NAMES, None, kernel, recorded, dropped)
    unsure = start["cut"]["unsure"] + (end["cut"]["unsure"] if end else 0)
    lost = sum(dropped.values()) if end else spool.dropped - spool.dropped_before
    choice, provenance = start.get("choice", {}), extra.get("provenance", {})
    if choice.get("share") is not None:
        step = {"by": "sample", "share": choice["share"], "block": 1, "seed": choice["salt"], "when": "recorded"}
        provenance = {**provenance, "derived": [step]}
    return Manifest(
        kind="swap",
        created=start["created"],
        tool=f"tmemlab {__version__}",
        kernel=Kernel(start["kernel"]["release"], start["kernel"]["machine"]),
        cpus=start["cpus"],
        ram_bytes=round(start["ram_bytes"] * (choice.get("share") or 1)),
        clock="CLOCK_MONOTONIC",
        duration_ns=duration_ns,
        probe_set=ProbeSet(**start["probe_set"]),
        events=EventCounts(0, lost, 0, 0, 0),
        certificate=_certificate(spool, stores, loads, unsure),
        clen=_clen(start, end, tally),
        swap=[
            SwapDevice(a["device"], a["type"], a["size_bytes"], a["priority"], a.get("type_number"))
            for a in spool.areas.rows
        ],
        zswap=StartEnd(start["zswap"], (end or {}).get("zswap", {})),
        zram=start["zram"],
        kernel_counters=kernel,
        recorded_counters=recorded,
        license=extra.get("license", ""),
        provenance=provenance,
        extra={
            **_left_out(start, end),
            "vm": start["vm"],
            **({"swap_type_numbers": spool.areas.how} if spool.areas.rows else {}),
            **({"memory_cgroups": start["memory_cgroups"]} if start.get("memory_cgroups") else {}),
            "vmstat_at_start": start["cut"]["vmstat"],
            "options": start["options"],
            "identity": _identity(state, tally),
            **({"probed_functions": start["symbols"]} if start.get("symbols") else {}),
            **_worker(spool),
            **_failed_writes(start, end, tally),
            **({"reclaim": end["reclaim"]} if end and end.get("reclaim") else {}),
            **({"command": extra["command"]} if "command" in extra else {}),
            **_window(start, end),
        },
    )


def _reconcile(
    names: tuple[str, ...],
    less: str | None,
    kernel: dict[str, int],
    recorded: dict[str, int],
    dropped: dict[str, int],
) -> Reconciliation:
    def total(values: dict[str, int]) -> int:
        return sum(values.get(name, 0) for name in names) - (values.get(less, 0) if less else 0)

    # Writebacks were recorded as both counters or not at all, so the drops need no correction.
    lost = sum(dropped.get(name, 0) for name in names)
    return Reconciliation(total(recorded), lost, total(kernel) if kernel else None)


def _certificate(spool: Any, stores: Reconciliation, loads: Reconciliation, unsure: int) -> Certificate:
    began = spool.start["began_ns"]
    gaps: list[Any] = [
        {"from_ns": max(first - began, 0), "to_ns": max(last - began, 0), "reason": f"{pages} pages dropped"}
        for first, last, pages in spool.gaps
    ]
    if spool.end is None:
        note = "the recorder died: what it had flushed is here, at most a second is missing at the end"
        return Certificate(False, stores, loads, gaps, note)
    missing = [
        f"{name}: {part.kernel} counted by the kernel, {part.recorded} recorded, {part.dropped} dropped"
        for name, part in (("stores", stores), ("loads", loads))
        if part.recorded != part.kernel
    ]
    if spool.start["probe_set"]["name"] == "counters":
        return Certificate(False, stores, loads, gaps, "counters alone were recorded, no events")
    if stores.dropped or loads.dropped:
        note = "the ring buffer ran full: " + "; ".join(missing)
    elif missing:
        note = "; ".join(missing)
        if unsure:
            note += f" (the ends of the interval are known to {unsure} pages only: the host never paused swapping)"
    else:
        note = "every store and load that the kernel counted in the interval is here"
    return Certificate(not missing and not gaps and stores.exact and loads.exact, stores, loads, gaps, note)


def _clen(start: dict[str, Any], end: dict[str, Any] | None, tally: Any) -> ClenMethod:
    measured, carried, unknown, _, _, by_kernel, _ = map(int, tally)
    sampled = (end or {}).get("contents", {}).get("sampled", 0)
    total = max(measured + carried + unknown, 1)
    if not measured:
        why = start.get("contents_note") or "no page was sampled"
        return ClenMethod("none", start["compressor"] or "", 0, why)
    ways = [f"{by_kernel} stores have the length that the kernel itself keeps"] if by_kernel else []
    if sampled or not by_kernel:
        ways.append(f"contents sampled at the moment of the store and compressed: {start['twin']}")
    note = (
        f"{'; '.join(ways)}; of all stores and "
        f"loads {measured / total:.1%} have the length of their own content, "
        f"{carried / total:.1%} their page's last known, "
        f"{unknown / total:.1%} none"
    )
    counts = {
        "measured": measured, "carried": carried, "unknown": unknown, "stores_by_kernel": by_kernel,
        "exact_method": start["twin_exact"] or not sampled,
    }  # fmt: skip
    method = "measured" if by_kernel and not sampled else "sampled"
    return ClenMethod(method, start["compressor"] or "lz4", sampled, note, counts)


def worker_runs(spool: Any) -> tuple[Records, bool]:
    """Records of zswap's worker's runs within the capture, and whether they know what was written."""
    start, end = spool.start, spool.end
    runs = np.concatenate([np.zeros(0, RECORD), *spool.worker_runs])
    last = end["ended_ns"] if end else spool.last_t
    # Function probes tell a writeback by the page's slot, and not whose work it was.
    counts_pages = start["probe_set"]["name"] == "tracepoint" and "zswpwb" in start["cut"]["vmstat"]
    return runs[(runs["address"] >= start["began_ns"]) & (runs["t"] <= last)], counts_pages


def _worker(spool: Any) -> dict[str, Any]:
    """The times of zswap's worker; absent where it could not be watched."""
    return {"zswap_worker": worker_times(*worker_runs(spool))} if spool.start.get("worker_seen") else {}


def _failed_writes(start: dict[str, Any], end: dict[str, Any] | None, tally: Any) -> dict[str, Any]:
    """Swap writes that failed: as recorded, and as zram counted them; absent where there were none."""
    from .settle import C_FAILED

    def counted(document: dict[str, Any]) -> int:
        stats = [str(device.get("io_stat") or "").split() for device in document.get("zram", [])]
        return sum(int(fields[1]) for fields in stats if len(fields) > 1)

    recorded, zram = int(tally[C_FAILED]), counted(end) - counted(start) if end else 0
    return {"failed_writes": {"recorded": recorded, "zram": zram}} if recorded or zram > 0 else {}


def _window(start: dict[str, Any], end: dict[str, Any] | None) -> dict[str, Any]:
    """What a flight recorder kept, and why; absent in other recordings."""
    if not start.get("window"):
        return {}
    kept = {**start["window"], **((end or {}).get("window") or {"trigger": "the recorder died"})}
    at = kept.pop("at_ns", None)
    return {"window": kept | {"triggered_ns": None if at is None else max(at - start["began_ns"], 0)}}


def _identity(state: Any, tally: Any) -> dict[str, Any]:
    from .settle import C_CARRIED, C_DROPPED, C_MEASURED, C_SLOT_ONLY, C_UNKNOWN

    events = int(tally[C_MEASURED] + tally[C_CARRIED] + tally[C_UNKNOWN])
    by_slot = int(tally[C_SLOT_ONLY])
    return {
        "events_known_by_slot_only": by_slot,
        "share": by_slot / events if events else None,
        "invalidates_contradicted": int(tally[C_DROPPED]),
    }
