"""zswap before 6.18 and after 7.1: by hand, and event for event against brute force."""

from collections import OrderedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.replay.build import L, S, columns, host, replay, stores_and_loads
from tmemlab.datasets.trace.schema import Where

POOL, DISK, ZERO, REJECTED = (int(w) for w in (Where.POOL, Where.DISK, Where.ZERO, Where.REJECTED))
RAM = 1000  # pages; with max_pool_percent=1 the limit is 10, the threshold 9
ALONE = 3900  # bytes: a page of its own in every allocator
PAIR = 1900  # two to a page in zbud
NOW = "worker_start_us=0,worker_page_us=0"


def places(events: list[tuple[int, ...]], policy: str, clen: int = ALONE, step_ns: int = 1_000_000) -> list[int]:
    return replay(columns(events, clen=clen, step_ns=step_ns), policy, host(RAM)).found.tolist()  # type: ignore[arg-type]


def test_3_11_writes_back_in_the_store_and_goes_on_storing() -> None:
    # Full is more than 10 pages, so 11 are stored; the twelfth writes back the first and is stored.
    events = [(S, page) for page in range(12)] + [(L, 0), (L, 1), (L, 1)]
    assert places(events, "zswap.v3_11:max_pool_percent=1") == [POOL] * 12 + [DISK, POOL, POOL]


def test_3_11_writes_back_both_objects_of_a_zbud_page() -> None:
    # 22 objects in 11 pages: (0 1) (2 3) ... The next store writes back the oldest page, 0 and 1.
    events = [(S, page) for page in range(23)] + [(L, 0), (L, 1), (L, 2)]
    assert places(events, "zswap.v3_11:max_pool_percent=1", PAIR)[-3:] == [DISK, DISK, POOL]


def test_an_object_that_joins_makes_the_zbud_page_the_newest() -> None:
    # (0 1) (2 3) ... (18 19): ten pages, not too many. 0 leaves by being stored again and joins 1: their page
    # is the newest. 20 and 21 make eleven, so that 22 writes back the oldest page, which is 2 and 3.
    events = [(S, page) for page in [*range(20), 0, 20, 21, 22]] + [(L, page) for page in range(4)]
    assert places(events, "zswap.v3_11:max_pool_percent=1", PAIR)[-4:] == [POOL, POOL, DISK, DISK]


def test_5_6_closes_until_slots_are_freed() -> None:
    # 11 pages are more than 10: the next store is rejected, and the worker writes one back. Ten are left;
    # that is not below nine, so every store is rejected from here on, and no worker is queued.
    events = [(S, page) for page in range(20)]
    row = replay(columns(events, clen=ALONE), "zswap.v5_6:max_pool_percent=1,worker_start_us=0", host(RAM))
    assert row.found.tolist() == [POOL] * 11 + [REJECTED] * 9
    assert row.writeback["pages"] == 1


def test_5_6_with_zsmalloc_never_writes_back() -> None:
    events = [(S, page) for page in range(20)]
    policy = "zswap.v5_6:max_pool_percent=1,zpool=zsmalloc,worker_start_us=0"
    row = replay(columns(events, clen=ALONE), policy, host(RAM))
    assert (row.writeback["pages"], row.stores["accepted"]) == (0, 11)


def test_6_5_drains_to_its_threshold() -> None:
    # The twelfth store is rejected; the worker writes back until fewer than nine are left: 0, 1 and 2. A load
    # makes a page newer: 0 is loaded first, so that 1, 2 and 3 go.
    events = [(S, page) for page in range(12)] + [(S, 12)]
    row = replay(columns(events, clen=ALONE), f"zswap.v6_5:max_pool_percent=1,{NOW}", host(RAM))
    assert row.found.tolist() == [POOL] * 11 + [REJECTED, POOL]
    assert row.writeback["pages"] == 3
    events = [(S, page) for page in range(11)] + [(L, 0), (S, 11), (L, 0), (L, 3), (L, 4)]
    assert places(events, f"zswap.v6_5:max_pool_percent=1,{NOW}")[-3:] == [POOL, DISK, POOL]


def test_exclusive_loads_make_room() -> None:
    events = [(S, page) for page in range(11)] + [(L, 0), (S, 11), (S, 12)]
    for version in ("v6_5", "v6_8"):
        kept = places(events, f"zswap.{version}:max_pool_percent=1,zpool=zsmalloc,worker_start_us=1000000")
        gone = places(
            events,
            f"zswap.{version}:max_pool_percent=1,zpool=zsmalloc,exclusive_loads=on,worker_start_us=1000000",
        )
        assert (kept[-2:], gone[-2:]) == ([REJECTED, REJECTED], [POOL, REJECTED])


def test_6_8_ends_a_run_after_sixteen_rounds_of_one_cgroup() -> None:
    # Limit 100, threshold 90: 102 stores, of which the last is rejected. The worker needs 12 pages to get
    # below 90, which is less than 16: it stops there. With a threshold of 50 it stops after 16, because the
    # end of each round counts as a failure.
    for percent, written in ((90, 12), (50, 16)):
        cols = columns([(S, page) for page in range(103)], clen=ALONE)
        policy = f"zswap.v6_8:max_pool_percent=10,accept_threshold_percent={percent},{NOW},worker_visit_us=0"
        assert replay(cols, policy, host(RAM)).writeback["pages"] == written


def test_6_8_counts_empty_cgroups_as_failures() -> None:
    # Three cgroups, only the first with entries: a round writes one and fails three times, so 5 rounds
    # write back 5; the sixteenth failure comes after the sixth entry.
    cols = columns([(S, page) for page in range(103)], clen=ALONE, cgroups=[0] * 102 + [2])
    policy = f"zswap.v6_8:max_pool_percent=10,accept_threshold_percent=50,{NOW},worker_visit_us=0"
    assert replay(cols, policy, host(RAM)).writeback["pages"] == 6


def test_6_12_rejects_what_does_not_compress() -> None:
    events = [(S, 0, 4096), (S, 1, 4095), (L, 0), (L, 1)]
    assert places(events, "zswap.v6_12") == [REJECTED, POOL, DISK, POOL]
    assert places(events, "zswap.v6_12:zpool=zbud") == [REJECTED, REJECTED, DISK, DISK]
    assert places(events, "zswap.v6_18") == [POOL] * 4


def test_same_filled_pages_by_era() -> None:
    # Zero pages after the pool was closed by 11 ordinary ones and one more: rejected by 5.6 to 6.8, marked by
    # the swap core in 6.12. Before, they take no memory; in 3.11 they are ordinary pages.
    closed = [(S, page) for page in range(12)] + [(S, 12, 0), (L, 12)]
    asleep = "max_pool_percent=1,worker_start_us=1000000"
    for version in ("v5_6", "v6_5", "v6_8"):
        assert places(closed, f"zswap.{version}:{asleep}")[-2:] == [REJECTED, DISK]
        assert places([(S, 0, 0), (L, 0)], f"zswap.{version}") == [ZERO, ZERO]
        off = f"zswap.{version}:same_filled_pages_enabled=off"
        assert places([(S, 0, 0), (L, 0)], off) == [POOL, POOL]
    assert places(closed, f"zswap.v6_12:{asleep}")[-2:] == [ZERO, ZERO]
    assert places([(S, 0, 0), (L, 0)], "zswap.v3_11") == [POOL, POOL]


@pytest.mark.parametrize(("name", "runs"), [("zswap.v6_18", 67), ("zswap.next", 3)])
def test_walks_of_32_reach_the_first_write_in_the_third_run(name: str, runs: int) -> None:
    # 1000 entries of one cgroup, all with their second chance. The first run fails 16 times: it clears 16 of
    # them, or 16 x 32. Every later one begins at the end of the round, where not having tried any cgroup is a
    # failure, so it clears 15 or 15 x 32: 16 + 66 x 15 = 1006, or 512 + 480 = 992 and then the rest.
    policy = f"{name}:max_pool_percent=10,worker_start_us=0,worker_visit_us=0,worker_page_us=0,worker_late_share=0"
    # A run takes place before the store after it; the last one writes 100 entries in the millisecond until then
    # (the disk takes 0.9 ms for them), so that store is taken again.
    for stores, written in ((runs, False), (runs + 1, True)):
        row = replay(columns([(S, page) for page in range(1000 + stores)]), policy, host(10_000))
        assert row.stores["rejected"] == runs
        assert bool(row.writeback["pages"]) == written


def test_the_next_version_with_a_walk_of_one_is_6_18() -> None:
    events = [(S, page % 40) for page in range(300)]
    one = places(events, "zswap.next:max_pool_percent=1,nr_to_walk=1", 4096, 20_000)
    assert one == places(events, "zswap.v6_18:max_pool_percent=1", 4096, 20_000)
    assert one != places(events, "zswap.next:max_pool_percent=1", 4096, 20_000)


def test_the_shrinker_of_6_8_protects_what_was_added_lately() -> None:
    # 2000 entries were just added; additions protect up to a quarter of them. Pressure for 500 pages takes
    # entries in batches of 128 while more than the protected ones are left.
    full = columns([(S, page) for page in range(2000)], clen=ALONE, step_ns=1000)
    plan = {"storms": 20, "fraction": 0.9}
    off = replay(full, "zswap.v6_8:max_pool_percent=50", host(10_000, 9_900), **plan).oom
    on = replay(full, "zswap.v6_8:max_pool_percent=50,shrinker=on", host(10_000, 9_900), **plan).oom
    assert on.max_survivable is not None
    assert off.max_survivable is not None
    assert on.max_survivable > off.max_survivable


class Twin:
    """Facts 4.2 to 4.6 for one cgroup, pages of one object, and a worker that takes no time once it runs."""

    def __init__(self, version: str, limit: int, percent: int, exclusive: bool) -> None:
        self.version, self.limit, self.exclusive = version, limit, exclusive
        self.threshold = RAM * percent // 100 * limit // RAM
        self.entries: OrderedDict[int, None] = OrderedDict()
        self.full = self.queued = self.end_of_round = False
        self.written = 0

    def work(self) -> None:
        if not self.queued:
            return
        self.queued = False
        if self.version == "v3_11":
            return
        if self.version == "v6_8":
            self.go_round()
            return
        quota = {"v5_6": 1, "v6_5": 10**9}[self.version]
        while self.entries and quota:
            self.entries.popitem(last=False)
            self.written += 1
            quota -= 1
            if self.version != "v5_6" and len(self.entries) < self.threshold:
                break

    def go_round(self) -> None:
        """The cgroup and the end of the round in turn, from where the last run left off, to sixteen failures."""
        failures = 0
        while failures < 16:
            if self.end_of_round or not self.entries:
                failures += 1
            else:
                self.entries.popitem(last=False)
                self.written += 1
            self.end_of_round = not self.end_of_round
            if len(self.entries) < self.threshold:
                break

    def store(self, page: int) -> bool:
        self.entries.pop(page, None)
        over = len(self.entries) > self.limit
        if self.version == "v3_11":
            if over:
                self.entries.popitem(last=False)
                self.written += 1
        elif over:
            self.full = self.queued = True
            return False
        elif self.full:
            if len(self.entries) >= self.threshold:
                self.queued = self.version != "v5_6"
                return False
            self.full = False
        self.entries[page] = None
        return True

    def load(self, page: int) -> bool:
        if page not in self.entries:
            return False
        if self.version in ("v6_5", "v6_8"):
            self.entries.move_to_end(page)
            if self.exclusive:
                del self.entries[page]
        return True


@pytest.mark.parametrize("version", ["v3_11", "v5_6", "v6_5", "v6_8"])
@given(
    st.lists(st.tuples(st.integers(0, 60), st.booleans()), min_size=20, max_size=300),
    st.integers(2, 40),
    st.integers(10, 100),
    st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_it_equals_its_brute_force_twin(
    version: str, wanted: list[tuple[int, bool]], limit: int, percent: int, exclusive: bool
) -> None:
    events = stores_and_loads(wanted)
    exclusive = exclusive and version in ("v6_5", "v6_8")
    twin = Twin(version, limit, percent, exclusive)
    expected = []
    for op, page in events:
        twin.work()
        if op == S:
            expected.append(POOL if twin.store(page) else REJECTED)
        else:
            expected.append(POOL if twin.load(page) else DISK)
    policy = f"zswap.{version}:max_pool_percent={limit / 10}"
    if version != "v3_11":
        at_once = "worker_start_us=0" if version == "v5_6" else NOW
        policy += f",accept_threshold_percent={percent},{at_once}"
    if version in ("v6_5", "v6_8"):
        policy += f",worker_visit_us=0,exclusive_loads={'on' if exclusive else 'off'}"
    row = replay(columns(events, clen=ALONE), policy, host(RAM, disk="nvme"))
    assert row.found.tolist() == expected
    assert row.writeback["pages"] == twin.written


def test_a_frame_that_was_joined_stays_promoted_when_who_joined_it_leaves() -> None:
    # Frames A (page 0), B (1), C (2); 3 joins A, which is the newest then, and leaves it by being stored again,
    # into D; 4 makes E. Five are more than four: 5 writes back the oldest, which is B [mm/zbud.c:zbud_alloc,
    # zbud_free].
    events = [(S, 0, 3000), (S, 1, 2500), (S, 2, 2500), (S, 3, 300), (S, 3, 2500), (S, 4, 3000), (S, 5, 300)]
    row = replay(columns([*events, (L, 1), (L, 0)]), "zswap.v3_11:max_pool_percent=0.4", host(RAM))
    assert row.found[-2:].tolist() == [DISK, POOL]
