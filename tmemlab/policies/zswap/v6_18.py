"""zswap as of Linux 6.18."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ...compiled import inner
from ...kernels import DEF_PRIORITY, MAX_RECLAIM_RETRIES, SHRINK_BATCH, SWAP_CLUSTER_MAX
from ..interface import ACCEPT, REJECT, PercentPool, hook, oldest, param, push_tail, register, unlink, write_back
from . import worker
from .worker import end_run, is_due, next_visit, next_wake, queue_worker


class Own(worker.Own):
    """Registers of the worker, and of the shrinker."""

    deferred: int  # entries that are still to be scanned
    disk_loads: int  # of which the shrinker knows
    scanned: int  # pages that this reclaim has scanned
    passes: int  # of it
    passed: int  # pages since the last pass


@inner
def _second_chance(w: Any, page: int) -> None:
    w.pages[page].mark = 0
    which = w.pages[page].cgroup % w.host.cgroups
    unlink(w, page)
    push_tail(w, which, page)


@inner
def _visit(w: Any) -> None:
    """A visit's effect comes at its end: a page is decompressed, and its entry freed, before its write returns."""
    own = w.own
    victim = oldest(w, own.visits - 1)
    own.visits = 0
    own.attempts += 1
    if victim < 0 or w.pages[victim].mark:
        if victim >= 0:
            _second_chance(w, victim)
        own.failures += 1  # visited, not written: -EAGAIN
    else:
        write_back(w, victim, False)


@inner
def _shrinker_count(w: Any) -> int:
    """zswap_shrinker_count: recent reads from the device protect that many entries; the rest scaled by
    the compression ratio.
    """
    h, own = w.host, w.own
    freeable = h.pool_count
    recent = min(h.loads_disk - own.disk_loads, freeable)
    own.disk_loads += recent
    if h.pool_count == 0:
        return 0
    return int((freeable - recent) * h.pool_bytes // (h.pool_count * 4096))


@inner
def _oldest_anywhere(w: Any) -> int:
    for which in range(w.host.cgroups):
        victim = oldest(w, which)
        if victim >= 0:
            return victim
    return -1


@inner
def _shrink_slab(w: Any, priority: int) -> int:
    """do_shrink_slab with zswap's count and scan; pages of RAM given back.

    A batch that only took second chances freed nothing: zswap_shrinker_scan answers SHRINK_STOP, and none of it is
    taken off what is still to be scanned.
    """
    h, own = w.host, w.own
    before = h.pool_pages
    freeable = _shrinker_count(w)
    if freeable == 0:
        return 0
    delta = 2 * (freeable >> priority)
    total = min((own.deferred >> priority) + delta, 2 * freeable)
    scanned = 0
    while total >= SHRINK_BATCH or (total >= freeable and total > 0):
        batch = min(SHRINK_BATCH, total)
        written = 0
        for _ in range(batch):
            victim = _oldest_anywhere(w)
            if victim < 0:
                break
            if w.pages[victim].mark:
                _second_chance(w, victim)
            else:
                write_back(w, victim, False)
                written += 1
        if written == 0:
            break
        total -= batch
        scanned += batch
    own.deferred = min(max(own.deferred + delta - scanned, 0), 2 * freeable)
    return int(before - h.pool_pages)


@inner
def _reclaim(w: Any) -> None:
    """A page of a cgroup at its limit leaves: the shrinker is called at the end of every pass over the list.

    A charge that does not fit reclaims SWAP_CLUSTER_MAX pages: passes at priorities 12, 11, ..., each over
    (inactive pages >> priority), and after each one the shrinker at that priority [do_try_to_free_pages,
    shrink_node_memcgs, get_scan_count]. What was used lately is passed over: a pass gets a share of what it scans.
    Pages that go to disk count as reclaimed, which is early by a pass.
    """
    own = w.own
    own.scanned += 1
    own.passed += 1
    priority = DEF_PRIORITY - own.passes
    if own.passed < max((w.p.inactive_pages >> priority) * w.p.reclaimed_share, 1.0):
        return
    own.passed = 0
    own.passes += 1
    if own.scanned >= SWAP_CLUSTER_MAX or priority == 0:
        own.scanned = 0
        own.passes = 0
    _shrink_slab(w, priority)


@hook
def store(w: Any, page: int) -> int:
    """zswap_check_limits, then the entry to the tail of its cgroup's list with its second chance."""
    h, own = w.host, w.own
    if w.p.shrinker:
        _reclaim(w)
    if h.pool_pages >= w.p.limit:
        h.limit_hits += 1
        own.full = 1
    elif own.full and h.pool_pages <= w.p.threshold:
        own.full = 0
    if own.full:
        queue_worker(w)
        return REJECT
    w.pages[page].mark = 1
    push_tail(w, w.pages[page].cgroup % h.cgroups, page)
    return ACCEPT


@hook
def wake(w: Any, page: int) -> int:
    """shrink_worker, in time: it visits and writes while stores go on and are rejected."""
    h, own = w.host, w.own
    now = h.now
    while is_due(w, now):
        h.now = own.clock  # what it writes is queued at its own time, not at that of the next event
        if own.visits:
            _visit(w)
        else:
            next_visit(w, 1)
            if own.visits:
                continue
        if own.failures == MAX_RECLAIM_RETRIES or h.pool_pages <= w.p.threshold:
            end_run(w)
    h.now = now
    h.wake = next_wake(w)
    return 0


@hook
def pressure(w: Any, need: int) -> int:
    """Global reclaim: the shrinker, where it is on, at rising urgency; nothing otherwise."""
    freed = 0
    if w.p.shrinker:
        for priority in range(DEF_PRIORITY, -1, -1):
            freed += _shrink_slab(w, priority)
            if freed >= need:
                break
    return freed


@register("zswap.v6_18")
@dataclass(frozen=True)
class Zswap618(PercentPool):
    """zswap in front of a disk, as Linux 6.18 runs it.

    A store is rejected while the pool is full: from the moment it reaches ``max_pool_percent`` of RAM until
    it has come down to ``accept_threshold_percent`` of that. Each rejected store queues the worker, which
    goes round the memory cgroups taking one entry of each at a time: an entry stored since its last visit
    loses its second chance and goes to the tail, which counts as a failure; otherwise it is written back,
    decompressed, to its own slot. Sixteen failures, or reaching the threshold, end a run; one that was asked
    for meanwhile follows. The worker takes time, and stores are rejected while it works. The times' defaults
    are medians over 17 recordings of three programs on Linux 6.18, two shared x86-64 CPUs. Loads remove the
    entry, so the order is that of the last store. Pages that do not compress are kept raw. With
    ``shrinker=on``, reclaim also writes back entries, fewer where pages had to be read from disk lately.
    """

    max_pool_percent: float = param(
        20.0, "pool limit", unit="percent of RAM", low=0, high=100, kernel="max_pool_percent"
    )
    accept_threshold_percent: float = param(
        90.0,
        "a full pool accepts again at this share of its limit",
        unit="percent of the limit",
        low=0,
        high=100,
        kernel="accept_threshold_percent",
    )
    shrinker: str = param("off", "reclaim shrinks the pool", choices=("off", "on"), kernel="shrinker_enabled")
    worker_visit_us: float = param(8.3, "time the worker takes to look at an entry", unit="us", low=0, high=1e6)
    worker_page_us: float = param(55.0, "time it takes to write one back", unit="us", low=0, high=1e6)
    worker_start_us: float = param(19.0, "from a rejected store until the worker runs", unit="us", low=0, high=1e6)
    worker_late_share: float = param(0.042, "share of its runs that begin late", low=0, high=1)
    worker_late_us: float = param(2750.0, "how late those begin", unit="us", low=0, high=1e7)
    worker_again_us: float = param(
        3.4, "from the end of a run to the next, asked for meanwhile", unit="us", low=0, high=1e6
    )
    inactive_pages: int = param(
        25600, "inactive pages of a cgroup that swaps: the length of its passes of reclaim", unit="pages", low=1,
        high=1 << 32,
    )  # fmt: skip
    reclaimed_share: float = param(
        1.0, "share of the pages that reclaim scans which it gets: the others were used lately", low=0.001, high=1
    )

    awake: ClassVar[dict[str, dict[str, Any]]] = {
        "inactive_pages": {"shrinker": "on"},
        "reclaimed_share": {"shrinker": "on"},
        "worker_late_us": {"worker_late_share": 1.0},
    }
    since = (6, 15)  # zsmalloc alone, and pages that do not compress are kept raw
    follows_runs = True
    sources = (
        "Linux 6.18 mm/zswap.c:zswap_check_limits, zswap_store, zswap_load, shrink_worker, shrink_memcg_cb",
        "Linux 6.18 mm/zswap.c:zswap_shrinker_count, zswap_shrinker_scan; mm/shrinker.c:do_shrink_slab",
        "Linux 6.18 mm/zswap.c:zswap_compress (incompressible pages are kept raw)",
    )
    own = Own
    store = store
    wake = wake
    pressure = pressure

    def derived(self, ram_pages: int) -> Mapping[str, float]:
        """Limit and threshold in pages; the worker's times in ns."""
        limit = super().derived(ram_pages)["limit"]
        return {
            "limit": limit,
            "threshold": int(limit * self.accept_threshold_percent // 100),
            "visit_ns": int(1e3 * self.worker_visit_us),
            "page_ns": int(1e3 * self.worker_page_us),
            "start_ns": int(1e3 * self.worker_start_us),
            "late_ns": int(1e3 * self.worker_late_us),
            "again_ns": int(1e3 * self.worker_again_us),
        }
