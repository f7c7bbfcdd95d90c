"""Loads by where they were served, and the hit rate."""

from typing import Any

from ..declare import Outcome, measure


def _served(o: Outcome) -> dict[str, int]:
    h = o.h
    return {
        "pool": int(h.loads_pool), "remote": int(h.loads_remote), "disk": int(h.loads_disk),
        "zero": int(h.loads_zero), "resident": int(h.loads_resident), "refused": int(h.loads_refused),
    }  # fmt: skip


def hits(loads: dict[str, Any]) -> int:
    """Loads served from this host's RAM, of ``loads`` by place."""
    return int(loads["pool"] + loads["zero"] + loads["resident"])


def _hit_rate(o: Outcome) -> float | None:
    loads = _served(o)
    total = sum(loads.values())
    return hits(loads) / total if total else None


def _ram_rate(o: Outcome) -> float | None:
    loads = _served(o)
    total = sum(loads.values())
    return (hits(loads) + loads["remote"]) / total if total else None


measure(
    "hit_rate", "share",
    "Loads served from this host's RAM, of all loads; null without any load. A load of a page whose store "
    "failed is no hit.",
    _hit_rate, column="hit rate", place=10,
)  # fmt: skip
measure(
    "ram_rate", "share", "Loads served from RAM anywhere, a neighbour's too, of all loads.", _ram_rate,
    column="any RAM", place=12, shown=lambda row: row["loads"]["remote"] > 0,
)  # fmt: skip
measure("loads.pool", "count", "Loads from the pool.", lambda o: _served(o)["pool"])
measure("loads.remote", "count", "Loads from a neighbour's RAM.", lambda o: _served(o)["remote"])
measure("loads.disk", "count", "Loads from a disk.", lambda o: _served(o)["disk"], column="from disk", place=20)
measure("loads.zero", "count", "Loads of pages of zero bytes, which take no memory.", lambda o: _served(o)["zero"])
measure(
    "loads.resident", "count", "Loads of pages that are in RAM here: pulled back, or never out.",
    lambda o: _served(o)["resident"],
)  # fmt: skip
measure(
    "loads.refused", "count",
    "Loads of pages that never left RAM because their store failed: reclaim got nothing, so they are no hits.",
    lambda o: _served(o)["refused"], column="store failed", place=22,
    shown=lambda row: row["stores"]["refused"] > 0,
)  # fmt: skip
