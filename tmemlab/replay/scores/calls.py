"""Vectored calls: what it costs to cross into the pool's owner one page at a time, or many in one call.

In 2011 the objection was that a hypercall for each page is bad and a vmexit for each page kills KVM. Here every
store, load and invalidate of the pool is a call into whoever owns it, at so many cycles a call and a page.
Stores and invalidates may wait in a vector: it is handed over when it is full, when its oldest entry has waited
long enough, or never, where the page is loaded or freed before. A load cannot wait, for a task does; only the
pages that readahead brings in with it share its call.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...compiled import njit
from ...datasets.trace.schema import Flag, Op, Where
from ...errors import InvalidInputError
from ...units import format_duration, format_share, parse_duration
from ...world.host import Host
from ...world.latency import LATENCY_BUCKETS, bucket_of, latency_percentile
from ..inputs.columns import Columns

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)

_STORE, _LOAD = int(Op.STORE), int(Op.LOAD)
_READAHEAD = int(Flag.READAHEAD)
_POOL, _ZERO, _REJECTED = int(Where.POOL), int(Where.ZERO), int(Where.REJECTED)

CPU_SHARE, DISK_SHARE = 0.1, 0.5
"""Of a CPU, and of the time of a load from disk: beyond either, calls destroy the performance that a pool is
for.
"""

CALLS, PAGES, SAVED, DELAY_NS, LONGEST_NS = range(5)


@dataclass(frozen=True)
class Profile:
    """What a call into the pool's owner costs."""

    name: str
    call_cycles: int
    """There and back, whatever the call does."""
    page_cycles: int
    """A page in it, beyond what the pool itself does: finding and mapping the caller's page."""
    ghz: float = 3.0
    wait_ns: int = 1_000_000
    """The longest a store or an invalidate waits for its vector to fill."""
    source: str = ""


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("bare", 50, 0, source="a function call in the same kernel: a round figure"),
        Profile(
            "xen-hypercall", 1228, 400,
            source="x86 hypercall under Xen, C. Dall et al., ISCA 2016, table II; cycles a page are an assumption",
        ),
        Profile(
            "kvm-vmexit", 2000, 400,
            source="direct cost of an exit, A. Landau et al., SplitX, WIOV 2011, table 1; "
            "cycles a page are an assumption",
        ),
    )
}  # fmt: skip


def parse_profile(text: str) -> Profile:
    """``kvm-vmexit`` or ``kvm-vmexit:call_cycles=1300,page_cycles=0,ghz=2.6,wait=100us``."""
    name, _, settings = text.partition(":")
    if name not in PROFILES:
        raise InvalidInputError(f"{name!r} is not a call profile: choose {', '.join(PROFILES)}")
    profile = PROFILES[name]
    for setting in filter(None, settings.split(",")):
        key, _, value = (part.strip() for part in setting.partition("="))
        try:
            if key == "wait":
                profile = replace(profile, wait_ns=round(1e9 * parse_duration(value)))
            elif key == "ghz" and float(value) > 0:
                profile = replace(profile, ghz=float(value))
            elif key == "call_cycles" and int(value) >= 0:
                profile = replace(profile, call_cycles=int(value))
            elif key == "page_cycles" and int(value) >= 0:
                profile = replace(profile, page_cycles=int(value))
            else:
                raise ValueError
        except ValueError:
            raise InvalidInputError(
                f"{setting!r} does not set a call profile: call_cycles=N, page_cycles=N, ghz=X, wait=DURATION"
            ) from None
    return profile


@njit(cache=True, nogil=True)
def _hand_over(pages: Any, count: int, since: Any, waiting: Any, at: int, totals: Any, delays: Any) -> int:
    """The vector goes in one call; entries that were taken back in the meantime (-1) are not in it."""
    sent = 0
    for i in range(count):
        if pages[i] >= 0:
            delay = at - since[i]
            totals[DELAY_NS] += delay
            totals[LONGEST_NS] = max(totals[LONGEST_NS], delay)
            delays[bucket_of(delay)] += 1
            waiting[pages[i]] = -1
            sent += 1
    totals[CALLS] += sent > 0
    totals[PAGES] += sent
    return 0


@njit(cache=True, nogil=True)
def count_calls(events: Any, found: Any, pages: int, batch: int, wait_ns: int, delays: Any) -> Any:
    """Calls of a whole replay, int64 (5,): calls, pages in them, pages that needed none, delays and the longest.

    events: t, op, page, flags. found: where the replay put or found each event's page. delays: histogram of the ns
    that stores and invalidates waited. Entries of a vector keep their order: no invalidate overtakes a store.
    """
    t, op, page, flags = events
    totals = np.zeros(5, np.int64)
    vector, since = np.empty(batch, np.int64), np.empty(batch, np.int64)
    waiting = np.full(pages, -1, np.int64)  # a page: its store's place in the vector
    count = 0
    last_load, in_call = -1, 0
    for i in range(t.shape[0]):
        now, p, kind, where = t[i], page[i], op[i], found[i]
        if count and now - since[0] >= wait_ns:
            count = _hand_over(vector, count, since, waiting, since[0] + wait_ns, totals, delays)
        held = waiting[p] >= 0
        if kind == _LOAD:
            if where != _POOL:
                continue  # the frontend's own bitmap says that there is nothing to ask for
            if held:  # not handed over yet: nothing to ask for either
                vector[waiting[p]] = -1
                waiting[p] = -1
                totals[SAVED] += 1
                continue
            ahead = flags[i] & _READAHEAD and last_load == i - 1 and in_call < batch
            totals[CALLS] += not ahead
            in_call = in_call + 1 if ahead else 1
            last_load = i
            totals[PAGES] += 1
            continue
        if held:  # overwritten, or freed, before it was handed over
            vector[waiting[p]] = -1
            waiting[p] = -1
            totals[SAVED] += 1
            if kind != _STORE:
                continue
        if kind == _STORE:
            if where == _ZERO:
                continue
            waiting[p] = count
        elif where != _POOL:
            continue
        vector[count] = p
        since[count] = now
        count += 1
        if count == batch:
            count = _hand_over(vector, count, since, waiting, now, totals, delays)
    if count:
        _hand_over(vector, count, since, waiting, t[-1], totals, delays)
    return totals


def price_calls(columns: Columns, host: Host, found: npt.NDArray[np.uint8], profile: Profile) -> dict[str, Any]:
    """Calls, cycles and latencies of a replay for every batch size: the ``calls`` object of tmemlab.replay/1."""
    rows = []
    for batch in BATCHES:
        delays = np.zeros(LATENCY_BUCKETS, np.int64)
        totals = count_calls(
            (columns.t, columns.op, columns.page, columns.flags), found, columns.pages, batch, profile.wait_ns,
            delays,
        )  # fmt: skip
        calls, pages = int(totals[CALLS]), int(totals[PAGES])
        cycles = calls * profile.call_cycles + pages * profile.page_cycles
        rows.append(
            {
                "batch": batch,
                "calls": calls,
                "pages": pages,
                "pages_saved": int(totals[SAVED]),
                "cycles": cycles,
                "cycles_per_page": cycles / pages if pages else None,
                "cpu_s": cycles / profile.ghz / 1e9,
                "load_added_us": (profile.call_cycles + profile.page_cycles) / profile.ghz / 1e3,
                "store_delay_us": {
                    "mean": int(totals[DELAY_NS]) / 1e3 / max(int(delays.sum()), 1),
                    "p99": latency_percentile(delays, 0.99) if totals[LONGEST_NS] else 0.0,
                    "longest": int(totals[LONGEST_NS]) / 1e3,
                },
            }
        )
    return {"profile": asdict(profile), "batches": rows, "verdict": _verdict(columns, host, rows[0])}


def _verdict(columns: Columns, host: Host, single: dict[str, Any]) -> dict[str, Any]:
    """Whether calls of one page destroy performance, from the row of ``batch`` 1, and why in a sentence.

    They do where they take more than CPU_SHARE of a CPU, or make a load from the pool take more than DISK_SHARE
    of one from the disk.
    """
    seconds = max(int(columns.t[-1]), 1) / 1e9
    share, added = single["cpu_s"] / seconds, single["load_added_us"]
    from_pool = (host.costs.fault + host.costs.decompress) / 1e3 + added
    from_disk = (host.costs.fault + host.disk.latency_ns) / 1e3
    destroys = share > CPU_SHARE or from_pool > DISK_SHARE * from_disk
    sentence = (
        f"Does a call for each page destroy performance? {'Yes' if destroys else 'No'}: the calls take "
        f"{format_share(share)} of one CPU ({format_duration(single['cpu_s'])} in {format_duration(seconds)}). "
        f"A load from the pool takes {from_pool:.1f} us, {added:.1f} of them the call, and one from an idle "
        f"{host.disk.name} {from_disk:.0f} us. Not counted: what a call does to caches and TLB, locks of the "
        "pool's owner, and the waiting of other guests."
    )
    return {
        "destroys": destroys, "cpu_share": share, "load_us": from_pool, "disk_load_us": from_disk,
        "sentence": sentence,
    }  # fmt: skip
