"""Build the state a replay starts from."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ...compiled import njit
from ...datasets.trace.schema import Where
from ...policies.interface import (
    DISK,
    HOST,
    LISTS,
    NEVER,
    PAGE,
    ZERO,
    ZSPAGE,
    Policy,
    World,
)
from ...world.allocators.tables import tables
from ...world.allocators.zspages import GROUPS, make_heads
from ...world.host import Host
from ...world.latency import LATENCY_BUCKETS
from ...world.reclaim import follow_sample, swap_out
from ...world.records import KEPT, LEVEL, RUN
from ...world.stack import Stack
from ...world.stores import make_lists, send_down
from ..inputs.columns import Columns
from .resident import COUNTERS, make_near


@njit(cache=True, nogil=True)
def _preload(w: Any, pages: Any, lengths: Any, first: Any, store: Any) -> None:
    """first: the event at which each page of the trace is met, where the policy wants to know; else empty."""
    for i in range(pages.shape[0]):
        if first.shape[0]:
            w.host.next_load = first[pages[i]]
        swap_out(w, np.uint32(pages[i]), np.uint16(lengths[i]), store)


@njit(cache=True, nogil=True)
def _fill_last_store(w: Any, pages: Any) -> None:
    for i in range(pages.shape[0]):
        send_down(w, np.uint32(pages[i]), w.host.levels - 1)


class State:
    """A world and the arrays behind it, so that it can be copied into another of the same shape."""

    def __init__(
        self,
        columns: Columns,
        host: Host,
        policy: Policy,
        storm_pages: int,
        stack: Stack | None = None,
        runs: npt.NDArray[Any] | None = None,
        resident: npt.NDArray[np.uint16] | None = None,
    ) -> None:
        """resident: compressed lengths of the trace's pages, where a resident set stands in front of the pool."""
        total = columns.pages + storm_pages + LISTS
        self.host = np.zeros(1, HOST)
        self.pages = np.zeros(total, PAGE)
        self.class_of, self.classes, buddies, chunks = tables(policy.allocator())
        layout = policy.layout()
        self.own = layout.registers_array(total)
        self.lengths = np.zeros(LISTS, np.int64)
        self.frames = np.zeros(total, np.int32)
        # At worst every object has a zspage of its own.
        self.zspages = np.zeros(total + len(self.classes) * GROUPS, ZSPAGE)
        self.levels = stack.table() if stack else np.zeros(0, LEVEL)
        self.kept = np.zeros(total + len(self.levels) if stack else 0, KEPT)
        self.runs = np.zeros(0, RUN) if runs is None else runs
        self.latencies = np.zeros(LATENCY_BUCKETS, np.int64)
        self.near = make_near(columns.pages if resident is not None else 0)
        self.counts = np.zeros(COUNTERS, np.int64)
        self.clens = np.zeros(0, np.uint16) if resident is None else resident.copy()
        arrays = {
            "host": self.host, "pages": self.pages, "classes": self.classes, "class_of": self.class_of,
            "p": layout.numbers_array(policy.numbers(host.ram)), "own": self.own, "lengths": self.lengths,
            "frames": self.frames, "zspages": self.zspages, "levels": self.levels, "kept": self.kept,
            "runs": self.runs, "latencies": self.latencies, "near": self.near, "counts": self.counts,
            "clens": self.clens,
        }  # fmt: skip
        self.world = World(arrays, layout)
        h = self.world.host
        h.levels, h.above = len(self.levels), stack.above if stack else 0
        h.buddies, h.chunks, h.zeros = buddies, chunks, policy.zeros()

    @classmethod
    def at_start(
        cls,
        columns: Columns,
        host: Host,
        policy: Policy,
        storm_pages: int,
        stack: Stack | None = None,
        cache: bool = False,
        runs: npt.NDArray[Any] | None = None,
        resident: npt.NDArray[np.uint16] | None = None,
    ) -> "State":
        """What the trace found: pages already on disk or in the pool when it began.

        cache: the pool is RAM itself, a plain cache for an access trace. runs: records of RUN for a policy that
        follows them. resident: as above.
        """
        state = cls(columns, host, policy, storm_pages, stack, runs, resident)
        h, pages = state.world.host, state.pages
        heads = np.arange(len(pages) - LISTS, len(pages))
        pages["prev"][heads] = pages["next"][heads] = heads
        pages["cgroup"][: columns.pages] = columns.cgroup_of_page
        make_heads(state.world)
        h.wake = min([policy.first_wake(), *state.runs["began"][:1].tolist()])
        h.next_load = NEVER
        h.ram = host.ram
        h.watermark_min, h.watermark_low, h.watermark_high = (
            host.watermark_min, host.watermark_low, host.watermark_high,
        )  # fmt: skip
        h.cgroups = min(int(columns.cgroup_of_page.max(initial=0)) + 1, LISTS)
        h.trace_pages = columns.pages
        h.accesses = cache
        below = stack.levels[stack.above] if stack else host.disk
        h.disk_page_ns = below.page_ns
        h.disk_latency_ns = below.latency_ns
        h.disk_queue_ns = below.queue_depth * below.page_ns
        h.disk_unit = host.disk_unit
        h.fault_ns, h.decompress_ns = host.costs.fault, host.costs.decompress
        make_lists(state.world)
        follow_sample(state.world, *host.balance[0, 1:].tolist())
        found_in = columns.first_seen_in
        outside = np.flatnonzero(found_in == Where.DISK)
        if stack:
            _fill_last_store(state.world, outside)
        else:
            pages["place"][outside] = DISK
        pages["place"][: columns.pages][found_in == Where.ZERO] = ZERO
        inside = np.flatnonzero(found_in == Where.POOL)
        if len(inside) and columns.kind == "swap":
            lengths = columns.lengths[np.arange(len(inside)) * len(columns.lengths) // len(inside)]
            first = np.zeros(0, np.int64)
            if policy.needs_future:  # such a page is loaded before anything else becomes of it
                first = np.zeros(columns.pages, np.int64)
                first[columns.page[::-1]] = np.arange(columns.events - 1, -1, -1)
            _preload(state.world, inside, lengths, first, policy.hooks()[0].native)
            h.next_load = NEVER
        for counter in (
            "accepted", "rejected", "refused", "compressed", "decompressed", "disk_written", "disk_read",
            "limit_hits", "disk_busy", "writeback_pages", "writeback_bytes",
        ):  # fmt: skip
            state.host[counter] = 0
        for counter in ("busy", "written", "read", "entered"):
            state.levels[counter] = 0
        return state

    def copy_from(self, other: "State") -> None:
        """Take over everything that a storm changes, as bytes: NumPy copies records field by field."""
        for name in ("host", "pages", "classes", "own", "lengths", "frames", "levels", "kept"):
            mine, theirs = getattr(self, name), getattr(other, name)
            mine.view(np.uint8)[:] = theirs.view(np.uint8)
        used, heads = int(other.host["fresh_zspage"][0]), len(self.classes) * GROUPS
        for part in (slice(0, used), slice(len(self.zspages) - heads, None)):
            self.zspages[part].view(np.uint8)[:] = other.zspages[part].view(np.uint8)
