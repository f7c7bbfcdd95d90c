"""The right size at any given time: need, room and the band between, of one trace on one host."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event

from ...datasets.trace.read import Trace
from ...errors import InvalidInputError, TraceError
from ...policies.catalogue import parse_policy
from ...policies.interface import Policy
from ...units import PAGE_SIZE
from ...world.described import Described
from ...world.host import build_host
from ..curve.curve import curve
from ..inputs.columns import Columns, next_loads
from ..inputs.group_limit import group_limit
from ..inputs.kept import columns_for
from ..scores.row import StormPlan
from .band import Band, make_grid, measure_band
from .fixed import LRU, Fixed, Replays
from .judged import judge, replay_policy
from .need import measure_need
from .result import Size
from .room import FullPool, Work, measure_room, survivable

DEFAULTS = ("tmem.frontswap", "zswap.v6_18", "vm.pressure")
"""Judged where no policy is named: a static pool; zswap, of the trace's kernel where that has one; and a pool
that gives back."""
WINDOWS = 60
PLAN = StormPlan(storms=200)
"""Storms of 90 % of RAM: the interval of a P(OOM) is at most fourteen points wide."""
HITS = 0.99
PARTS = 4
"""What is done beside the policies: need, the two fixed sizes, and room."""


def default_policies(trace: Trace) -> list[Policy]:
    """Those of :data:`DEFAULTS`; none for page accesses."""
    if trace.manifest.kind == "access":
        return []
    static, zswap, giving = (parse_policy(text) for text in DEFAULTS)
    with suppress(InvalidInputError):  # of no known kernel, or of one without zswap
        zswap = parse_policy("zswap", trace.manifest.kernel.release or "")
    return [static, zswap, giving]


def size(
    path: Path | str,
    policies: Sequence[Policy] | None = None,
    *,
    ram_bytes: int | None = None,
    hits: float = HITS,
    plan: StormPlan = PLAN,
    windows: int = WINDOWS,
    window_ns: int | None = None,
    disk: str = "ssd",
    allow_lossy: bool = False,
    threads: int | None = None,
    on_done: Callable[[object], object] = lambda _: None,
    described: Described | None = None,
) -> Size:
    """Measure need and room of the trace at ``path``, and how policies stand to them.

    policies: :func:`default_policies` where none is given. ram_bytes: RAM of the host, as recorded by default.
    hits: the share of all loads that must be hits. plan: the fraction of RAM that a storm locks, and how many
    storms measure P(OOM) of policies and fixed sizes. windows: how many of equal length; window_ns: how long
    each is, instead. described: a host instead of that of the trace, with its RAM and disk. on_done is called
    when one of :data:`PARTS` parts, or of the policies, is done. The numbers do not depend on ``threads``. Raises
    TraceError for an incomplete trace unless allowed, InvalidInputError for a policy that page accesses cannot be
    replayed with.
    """
    trace = Trace.open(path)
    if not trace.manifest.certificate.complete and not allow_lossy:
        raise TraceError(f"{trace.path} is incomplete: record again, or pass --allow-lossy")
    policies = default_policies(trace) if policies is None else list(policies)
    _refuse_unfit(trace, policies)
    columns = columns_for(trace)
    host = described.for_trace(columns) if described is not None else build_host(trace, ram_bytes, disk)
    has_room = columns.kind == "swap" and host.is_known
    plan = plan if has_room else StormPlan(0, plan.fraction, plan.seed)
    grid = make_grid(columns, host, window_ns or _window_of(columns, windows))
    need = measure_need(columns, host, hits)
    on_done(need)
    wanted = min(hits, 1.0 if need.hit_rate is None else need.hit_rate)
    future = None
    if any(policy.needs_future for policy in policies):
        future = next_loads(columns.op, columns.page, columns.pages)
    cancelled = Event()

    def replays(policy: Policy) -> Replays:
        return Replays(columns, host, policy, future, cancelled)

    lru = replays(parse_policy(LRU))
    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        try:
            smallest = pool.submit(_smallest_fixed, trace, lru, wanted)
            replayed = [pool.submit(replay_policy, replays(each), grid.looks, wanted, plan) for each in policies]
            smallest.add_done_callback(on_done)
            for later in replayed:
                later.add_done_callback(on_done)
            room = None
            if has_room:
                room = measure_room(columns, host, plan.fraction, grid.edges, _in_parts(pool))
            band = measure_band(columns, need, room, grid, lambda: FullPool(columns, host, plan.fraction))
            on_done(band)
            fixed, best = _fixed_sizes(lru, plan, smallest.result(), band)
            on_done(best)
            judged = [judge(later.result(), band) for later in replayed]
        except BaseException:
            cancelled.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    most = None if room is None else survivable(columns, host, plan.fraction)
    group = group_limit(trace)
    return Size(trace, columns, host, hits, plan, need, most, band, fixed, best, judged, group)


def _refuse_unfit(trace: Trace, policies: Sequence[Policy]) -> None:
    """InvalidInputError where a policy cannot replay this kind of trace."""
    unfit = [policy.name for policy in policies if not policy.takes_accesses]
    if trace.manifest.kind == "access" and unfit:
        raise InvalidInputError(
            f"{', '.join(unfit)} needs swap traffic, and {trace.path} has page accesses: give an order, such as "
            "-p order.lru"
        )


def _window_of(columns: Columns, windows: int) -> int:
    """ns of each of so many windows."""
    return -(-(int(columns.t[-1]) + 1) // windows)


def _in_parts(pool: ThreadPoolExecutor) -> Callable[[Work, list[int]], list[int]]:
    """A way to run a function over parts of its items at once: every second one in one thread, or third."""

    def each(work: Work, items: list[int]) -> list[int]:
        count = os.cpu_count() or 1
        joined = [0] * len(items)
        for part, result in enumerate(pool.map(work, [items[part::count] for part in range(count)])):
            joined[part::count] = result
        return joined

    return each


def _smallest_fixed(trace: Trace, lru: Replays, wanted: float) -> int | None:
    """Pages of the smallest LRU pool with the hits.

    Stack distances tell the size without holes, which is all for page accesses: RAM has none.
    """
    if not lru.columns.loads:
        return None
    found = curve(trace.path, replays=0, allow_lossy=True).smallest(wanted)
    if found is None or lru.columns.kind == "access":
        return None if found is None else found // PAGE_SIZE
    return lru.smallest(wanted, found // PAGE_SIZE)


def _fixed_sizes(
    lru: Replays, plan: StormPlan, smallest: int | None, band: Band
) -> tuple[Fixed | None, Fixed | None]:
    """The smallest LRU pool with the hits, and the best one: see :class:`.result.Size`."""

    def replay(pages: int) -> Fixed:
        done = lru.run(lru.limited(pages), plan)
        return Fixed(pages, done.hit_rate, done.oom.p)

    fixed = None if smallest is None else replay(smallest)
    largest = band.least_room
    if largest is None:
        return fixed, None
    return fixed, fixed if fixed is not None and fixed.pages <= largest else replay(largest)
