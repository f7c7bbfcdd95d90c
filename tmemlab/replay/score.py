"""One replay: a trace, a policy, a host and a seed in; one row of scores out. Pure, and safe in threads."""

from dataclasses import asdict, dataclass, field
from threading import Event
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import TmemlabError
from ..policies.interface import NEVER, Policy
from ..units import PAGE_SIZE
from .engine import LATENCY_BUCKETS, record_latency, run, run_accesses
from .host import Host
from .oom import OomRisk, assess
from .prepare import Columns
from .stack import Stack
from .storm import storm
from .world import State

_PAUSES = 32
"""A replay looks up at least this often, to see whether it was cancelled."""


@dataclass(frozen=True)
class StormPlan:
    """How many storms, how large, and where the dice fall."""

    storms: int = 100
    fraction: float = 0.9
    seed: int = 1


@dataclass(frozen=True)
class Score:
    """Scores of one policy over one trace. Sizes in bytes, shares of one, times as named."""

    name: str
    params: dict[str, Any]
    loads: dict[str, int]
    stores: dict[str, int]
    writeback: dict[str, int]
    pool_bytes: dict[str, float]
    ram_saved_bytes: dict[str, float]
    device_bytes: dict[str, int]
    load_latency_us: dict[str, float | None]
    cpu_s: dict[str, float]
    oom: OomRisk
    levels: list[dict[str, Any]]
    """The backing stores of a stack, from top to bottom, without the pool."""
    headroom_bytes: float
    """Free memory and page cache above the min watermark, at the worst 1 % of the samples, no storm."""
    limit_hits: int
    pressure: dict[str, int]
    events_per_s: float
    series: npt.NDArray[np.int64] = field(repr=False)
    """A row a sample: free pages, page cache, pool pages, pages stored."""
    found: npt.NDArray[np.uint8] = field(repr=False)
    """Where each event's page went or was found; empty unless asked for."""

    @property
    def hit_rate(self) -> float | None:
        """Loads served from this host's RAM over all loads."""
        total = sum(self.loads.values())
        served = self.loads["pool"] + self.loads["zero"] + self.loads["resident"]
        return served / total if total else None

    def as_json(self) -> dict[str, Any]:
        """One element of ``policies`` in ``tmemlab.replay/1``."""
        return {
            "name": self.name,
            "params": self.params,
            "hit_rate": self.hit_rate,
            "loads": self.loads,
            "stores": self.stores,
            "writeback": self.writeback,
            "pool_bytes": self.pool_bytes,
            "ram_saved_bytes": self.ram_saved_bytes,
            "device_bytes": self.device_bytes,
            "load_latency_us": self.load_latency_us,
            "cpu_s": self.cpu_s,
            "levels": self.levels,
            "oom": self.oom.as_json(),
            "headroom_bytes": {"p1": self.headroom_bytes},
            "limit_hits": self.limit_hits,
            "pressure": self.pressure,
            "events_per_s": self.events_per_s,
        }


def latency_percentile(histogram: npt.NDArray[np.int64], share: float) -> float | None:
    """The latency, in us, that ``share`` of the loads stayed within (upper edge of its bucket)."""
    total = int(histogram.sum())
    if total == 0:
        return None
    bucket = int(np.searchsorted(np.cumsum(histogram), share * total))
    power, step = divmod(min(bucket, LATENCY_BUCKETS - 1), 8)
    return float((8 + step + 1) * 2.0**power / 1e3)


def storm_moments(duration_ns: int, plan: StormPlan) -> npt.NDArray[np.int64]:
    """When the storms begin: uniform over the trace, in time order, the same for every policy."""
    dice = np.random.default_rng(plan.seed)
    return np.sort(dice.integers(0, max(duration_ns, 1), plan.storms))


def _levels(state: State, stack: Stack | None) -> list[dict[str, Any]]:
    """What each backing store of a stack holds and did."""
    if stack is None:
        return []
    return [
        {
            "kind": level.kind,
            "capacity_bytes": level.capacity or None,
            "compressed": level.compressed,
            "entered_pages": int(row["entered"]),
            "held_pages": int(row["pages"]),
            "held_bytes": int(row["bytes"]),
            "peak_bytes": int(row["peak"]),
            "loads": int(row["loads"]),
            "read_bytes": int(row["read"]),
            "written_bytes": int(row["written"]),
        }
        for level, row in zip(stack.levels, state.levels, strict=True)
    ]


def score(
    columns: Columns,
    host: Host,
    policy: Policy,
    plan: StormPlan,
    next_load: npt.NDArray[np.int64] | None = None,
    keep_found: bool = False,
    cancelled: Event | None = None,
    stack: Stack | None = None,
) -> Score:
    """Replay the whole trace through one policy, in front of one disk or of a stack of backing stores.

    next_load: from :func:`.prepare.next_loads`, for a policy with ``needs_future``. Storms are skipped for
    an access trace, which has no host. Raises TmemlabError soon after ``cancelled`` is set.
    """
    kind = type(policy)
    hooks = [h.native for h in (kind.store, kind.load, kind.wake, kind.pressure)]
    access = columns.kind == "access"
    duration = int(columns.t[-1])
    moments = storm_moments(duration, plan) if plan.storms and not access else np.zeros(0, np.int64)
    most_anonymous = int(np.minimum(host.anonymous, host.balance[:, 3]).max()) if len(moments) else 0
    state = State.at_start(columns, host, policy, most_anonymous, stack)
    scratch = State(columns, host, policy, most_anonymous, stack) if len(moments) else None
    lengths = columns.lengths[(np.arange(most_anonymous) * 2654435761 % 2**32) * len(columns.lengths) >> 32]
    costs = np.array([host.costs.fault, host.costs.decompress], np.int64)
    histogram = np.zeros(LATENCY_BUCKETS, np.int64)
    series = np.full((len(host.balance), 4), -1, np.int64)
    found = np.empty(columns.events if keep_found else 0, np.uint8)
    future = next_load if next_load is not None and policy.needs_future else np.zeros(0, np.int64)
    outcomes = np.zeros((len(moments), 5), np.int64)
    parameters = np.array(
        [
            host.costs.zero_page, host.costs.drop_file_page, host.costs.compress, host.swappiness, host.ram,
        ],
        np.int64,
    )  # fmt: skip
    began = perf_counter()
    in_storms = 0.0
    at = 0
    storms = iter(enumerate(moments))
    number, moment = next(storms, (0, NEVER))
    for pause in sorted([*moments, *np.linspace(0, duration, _PAUSES).astype(np.int64), NEVER]):
        if cancelled is not None and cancelled.is_set():
            raise TmemlabError("the replay was cancelled")
        if access:
            at = run_accesses(state.world, columns.t, columns.page, future, found, at, pause, *hooks[:3])
            continue
        at = run(
            state.world, columns.t, columns.op, columns.page, columns.flags, columns.clen, future, host.balance,
            costs, histogram, series, found, at, pause,
            *hooks,
        )  # fmt: skip
        if scratch is None or pause != moment or moment == NEVER:
            continue
        paused = perf_counter()
        scratch.copy_from(state)
        h = scratch.world.host
        h.now, h.next_load = moment, NEVER
        sample = max(int(np.searchsorted(host.balance[:, 0], moment, "right")) - 1, 0)
        storm(
            scratch.world, min(int(host.anonymous[sample]), most_anonymous), lengths, parameters,
            int(plan.fraction * host.ram), outcomes[number],
            hooks[0], *hooks[2:],
        )  # fmt: skip
        number, moment = next(storms, (0, NEVER))
        in_storms += perf_counter() - paused
    elapsed = perf_counter() - began - in_storms
    h = state.world.host
    if access:
        record_latency(histogram, host.costs.fault, int(h.loads_pool))
        record_latency(histogram, host.costs.fault + host.disk.latency_ns, int(h.loads_disk))
        h.disk_read = h.loads_disk * PAGE_SIZE
    seen = series[series[:, 2] >= 0]
    room = (seen[:, 0] + seen[:, 1] - host.watermark_min) * PAGE_SIZE if len(seen) else np.zeros(1)
    span = max(duration, 1)
    return Score(
        name=policy.name,
        params=asdict(policy),
        loads={
            "pool": int(h.loads_pool), "remote": int(h.loads_remote), "disk": int(h.loads_disk),
            "zero": int(h.loads_zero), "resident": int(h.loads_resident),
        },
        stores={
            "accepted": int(h.accepted), "rejected": int(h.rejected), "zero": int(h.zero_stores),
            "refused": int(h.refused),
        },
        writeback={"pages": int(h.writeback_pages), "bytes": int(h.writeback_bytes)},
        pool_bytes={
            "mean": float(h.pool_area) / span * PAGE_SIZE, "peak": int(h.peak_pool_pages) * PAGE_SIZE,
        },
        ram_saved_bytes={"mean": float(h.saved_area) / span * PAGE_SIZE},
        device_bytes={"read": int(h.disk_read), "written": int(h.disk_written)},
        load_latency_us={"p50": latency_percentile(histogram, 0.5), "p99": latency_percentile(histogram, 0.99)},
        cpu_s={
            "compress": int(h.compressed) * host.costs.compress / 1e9,
            "decompress": int(h.decompressed) * host.costs.decompress / 1e9,
        },
        oom=assess(outcomes, host.ram, plan.fraction),
        levels=_levels(state, stack),
        headroom_bytes=float(np.percentile(room, 1)),
        limit_hits=int(h.limit_hits),
        pressure={
            "calls": int(h.pressure_calls),
            "pages": int(h.pressure_pages),
            "below_min_ms": int(h.below_min_ns) // 10**6,
        },
        events_per_s=columns.events / max(elapsed, 1e-9),
        series=series,
        found=found,
    )  # fmt: skip
