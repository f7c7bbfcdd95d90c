"""Xen's selfshrink, zcache and zcache2: by hand, and against brute force."""

from collections import OrderedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.replay.build import I, L, S, columns, dense, host, replay
from tmemlab.datasets.trace.schema import Where

POOL, DISK, ZERO, REJECTED = (int(w) for w in (Where.POOL, Where.DISK, Where.ZERO, Where.REJECTED))
SECOND = 10**9
XEN = "tmem.xen_selfshrink:selfballooning=off,selfballoon_interval=1"


@pytest.mark.parametrize(("rhythm", "back"), [("3.8", 4), ("3.16", 2)])
def test_selfshrink_waits_for_its_inertia_and_keeps_its_rhythm(rhythm: str, back: int) -> None:
    # 40 pages at once, a tick a second. Tick 1 sees growth; ticks 2 and 3 count down; tick 4 pulls back 2
    # (a twentieth of 40). In 3.8 tick 5 pulls back 1 more (38 // 20) and tick 6 another; in 3.16 the count
    # begins again and tick 7 would be the next. The last event comes before tick 7.
    events = [(S, page) for page in range(40)]
    cols = columns([*events, (L, 39)], step_ns=1)
    cols.t[-1] = 6 * SECOND + 1
    row = replay(cols, f"{XEN},rhythm={rhythm}", host(1000))
    # What was pulled back is in RAM: load all of it and see.
    asked = columns([*events, *[(L, page) for page in range(40)]], step_ns=1)
    asked.t[40:] += 6 * SECOND
    seen = replay(asked, f"{XEN},rhythm={rhythm}", host(1000))
    assert (seen.loads["resident"], seen.loads["pool"]) == (back, 40 - back)
    assert row.loads["pool"] == 1


def test_a_page_in_ram_again_takes_memory_until_it_is_loaded() -> None:
    # 20 pages, all pulled back at tick 4 (20 is not more than the hysteresis); no pool is left. Nothing but
    # 20 pages of RAM is in use, and after the load of one 19.
    events = [(S, page) for page in range(20)]
    cols = columns([*events, (L, 0), (L, 0)], step_ns=1)
    cols.t[20:] = [4 * SECOND, 5 * SECOND]
    on = host(1000)
    on.balance.resize((3, 4), refcheck=False)
    on.balance[:] = [[t, 1000, 0, 1000] for t in (0, 4 * SECOND - 1, 5 * SECOND)]
    row = replay(cols, XEN, on)
    assert row.series[:, 0].tolist() == [1000, 980, 981]
    assert row.series[:, 3].tolist() == [0, 20, 0]
    assert row.loads["resident"] == 1


def test_nothing_is_pulled_back_without_memory_for_it() -> None:
    events = [(S, page) for page in range(20)]
    cols = columns([*events, *[(L, page) for page in range(20)]], step_ns=1)
    cols.t[20:] += 9 * SECOND
    row = replay(cols, XEN, host(1000, free=35, marks=(1, 2, 3)))
    assert (row.loads["resident"], row.loads["pool"]) == (0, 20)


def test_pressure_swaps_out_what_was_pulled_back() -> None:
    # 70 pages free; 20 pages come back by the fourth tick and take 20. Then a sample says 10 are free without
    # them, which is below the low mark: the VM wants memory up to its high mark and gets the 20 pages, which
    # go to disk.
    events = [(S, page) for page in range(20)]
    cols = columns([*events, (S, 20), *[(L, page) for page in range(20)]], step_ns=1)
    cols.t[20:] += 7 * SECOND
    cols.t[21:] += 2 * SECOND
    on = host(1000, free=70, marks=(10, 20, 30))
    on.balance.resize((2, 4), refcheck=False)
    on.balance[:] = [[0, 70, 0, 1000], [8 * SECOND, 10, 0, 1000]]
    row = replay(cols, XEN, on)
    assert row.loads["disk"] == 20
    assert row.pressure["pages"] == 20


def test_the_balloon_bounds_the_pool() -> None:
    # 262144 pages (1 GiB), a reserve of 1 % (2621): 259523 are useful, more than 512 MiB, so the guest keeps
    # 2621 + 25344 + (259523 - 25344) // 32 = 35283 pages even if it uses none. 200000 in use leave
    # 62144 - 2621 = 59523 for the pool; the pool's own pages come off that as it fills.
    row = replay(columns([(S, page) for page in range(3)]), "tmem.xen_selfshrink", host(262144, free=62144))
    assert row.stores["accepted"] == 3
    nothing = replay(columns([(S, page) for page in range(3)]), "tmem.xen_selfshrink", host(262144, free=2000))
    assert nothing.stores["accepted"] == 0


class Selfshrink:
    """Facts 2, in plain Python, for pages that take a page each."""

    def __init__(self, limit: int, hysteresis: int, inertia: int, resets: bool) -> None:
        self.limit, self.hysteresis, self.inertia, self.resets = limit, hysteresis, inertia, resets
        self.pool: OrderedDict[int, None] = OrderedDict()
        self.back: set[int] = set()
        self.pages = self.counter = 0

    def tick(self) -> None:
        last, self.pages = self.pages, len(self.pool)
        if self.pages == 0 or self.pages > last:
            self.counter = self.inertia
            return
        if self.counter:
            self.counter -= 1
            if self.counter:
                return
        if self.resets:
            self.counter = self.inertia
        target = 0 if self.pages <= self.hysteresis else self.pages - self.pages // self.hysteresis
        while len(self.pool) > target:
            self.back.add(self.pool.popitem(last=False)[0])


@given(
    st.lists(st.tuples(st.integers(0, 60), st.booleans(), st.integers(0, 3)), min_size=1, max_size=200),
    st.integers(1, 40),
    st.integers(1, 30),
    st.integers(0, 4),
    st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_selfshrink_equals_its_brute_force_twin(
    wanted: list[tuple[int, bool, int]], limit: int, hysteresis: int, inertia: int, resets: bool
) -> None:
    ids, stored, events = dense([page for page, _, _ in wanted]), set[int](), []
    for page, (_, frees, _) in zip(ids, wanted, strict=True):
        op = (I if frees else L) if page in stored else S
        (stored.add if op == S else stored.discard)(page)
        events.append((op, page))
    cols = columns(events)
    cols.t[:] = [SECOND // 2 + SECOND * sum(wait for *_, wait in wanted[: n + 1]) for n in range(len(wanted))]
    twin = Selfshrink(limit, hysteresis, inertia, resets)
    loads = {"pool": 0, "resident": 0, "disk": 0}
    rejected = ticks = 0
    for (op, page), now in zip(events, cols.t.tolist(), strict=True):
        while (ticks + 1) * SECOND <= now:
            ticks += 1
            twin.tick()
        if op == S:
            twin.back.discard(page)
            twin.pool.pop(page, None)
            if len(twin.pool) >= twin.limit:
                rejected += 1
            else:
                twin.pool[page] = None
        elif op == L:
            loads["pool" if page in twin.pool else "resident" if page in twin.back else "disk"] += 1
            twin.back.discard(page)
        else:
            twin.pool.pop(page, None)
            twin.back.discard(page)
    policy = (
        f"{XEN},max_pool_percent={limit / 10},frontswap_hysteresis={hysteresis},frontswap_inertia={inertia},"
        f"rhythm={'3.16' if resets else '3.8'}"
    )
    row = replay(cols, policy, host(1000, 500, marks=(1, 2, 3)))
    assert row.stores["rejected"] == rejected
    assert {k: row.loads[k] for k in loads} == loads


def places(events: list[tuple[int, ...]], policy: str, **on: int) -> list[int]:
    return replay(columns(events), policy, host(1000, **on)).found.tolist()  # type: ignore[arg-type]


def test_zcache_refuses_by_single_length_and_by_mean() -> None:
    # Above 3584 never. 3000 bytes with header and no handle (3040) take 3072 each, four to three pages: the
    # first is taken (the pool is empty), the next finds a mean of 12288 (three pages for one object).
    assert places([(S, 0, 3585), (S, 1, 3584)], "tmem.zcache") == [REJECTED, POOL]
    assert places([(S, 0, 3000), (S, 1, 3000), (S, 2, 2560)], "tmem.zcache") == [POOL, REJECTED, POOL]
    # 40 objects of 500 bytes (540: class 544, chain of 2, 15 objects) take 6 pages: a mean of 614.
    small = [(S, page, 500) for page in range(40)]
    assert places([*small, (S, 40, 3000)], "tmem.zcache")[-1] == POOL


def test_zcache_counts_pages_stored_and_keeps_them() -> None:
    # 1 % of 1000 pages: refused when more than ten are stored, whatever they take.
    events = [(S, page, 100) for page in range(12)] + [(L, 0), (L, 0)]
    assert places(events, "tmem.zcache:zv_page_count_policy_percent=1") == [POOL] * 11 + [REJECTED, POOL, POOL]


def test_zcache_refuses_below_the_min_watermark() -> None:
    assert places([(S, 0, 100)], "tmem.zcache", free=100) == [REJECTED]
    assert places([(S, 0, 100)], "tmem.zcache", free=102) == [POOL]


def test_zcache2_loads_are_exclusive_and_its_zbud_is_denser() -> None:
    assert places([(S, 0, 900), (L, 0), (L, 0)], "tmem.zcache2") == [POOL, POOL, DISK]
    assert places([(S, 0, 900), (L, 0), (L, 0)], "tmem.zcache2:exclusive_gets=off") == [POOL, POOL, POOL]
    # With its handle of 32 bytes, 2016 bytes are 32 chunks: two fill a page of 64.
    row = replay(columns([(S, page, 2016) for page in range(10)]), "tmem.zcache2", host(1000))
    assert row.pool_bytes["peak"] == 5 * 4096
    row = replay(columns([(S, page, 2017) for page in range(10)]), "tmem.zcache2", host(1000))
    assert row.pool_bytes["peak"] == 10 * 4096
    assert places([(S, 0, 0), (L, 0)], "tmem.zcache2") == [ZERO, ZERO]
    assert places([(S, 0, 0), (L, 0)], "tmem.zcache2:zero_filled=off") == [POOL, POOL]


def test_zcache2_as_designed_writes_back_pages_of_zbud() -> None:
    # 10 pages of two objects each; 993 of 1000 pages are free without the pool, so 7 are in use, and the pool
    # is to have no more than 7. Free memory is always below the low mark, so that each time the pool has
    # more than 7 pages its oldest leaves. The eighth page comes with one object, the fifteenth: 0 and 1 go.
    events = [(S, page, 2000) for page in range(20)] + [(L, page) for page in range(20)]
    marks = {"marks": (10, 1000, 1000)}
    off = replay(columns(events), "tmem.zcache2", host(1000, 993, **marks))  # type: ignore[arg-type]
    on = replay(columns(events), "tmem.zcache2:writeback=on", host(1000, 993, **marks))  # type: ignore[arg-type]
    assert off.loads["disk"] == 0
    assert on.found[20:].tolist() == [DISK] * 6 + [POOL] * 14
