"""Proactive reclaim: by hand and against brute force, on access traces, where RAM is the pool."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.replay.build import L, S, columns, dense, host, replay
from tmemlab.datasets.trace.schema import Where

POOL, DISK = int(Where.POOL), int(Where.DISK)
SECOND = 10**9


def found(asked: list[tuple[int, int]], policy: str) -> list[bool]:
    """(second, page) requests; hits."""
    cols = columns([(L, page) for _, page in asked], kind="access")
    cols.t[:] = [t * SECOND for t, _ in asked]
    return [where == POOL for where in replay(cols, policy, host(1000)).found]


def test_a_page_that_is_never_used_again_leaves_after_one_period() -> None:
    # Nothing is used again, so the threshold is one period of 10 s. The turn of 10 finds 0 at 10 s: it leaves.
    # The turn of 20 finds 1 at 10 s, which leaves, and 2 at 8 s.
    policy = "proactive.cold_age:scan_interval=10,warmup=0"
    asked = [(0, 0), (10, 1), (12, 2), (20, 3), (20, 1), (20, 2), (20, 0)]
    assert found(asked, policy) == [False, False, False, False, False, True, False]


def test_a_promotion_beyond_the_target_raises_the_threshold() -> None:
    # Page 0 is used every 25 s and moved out in between: at 25 it is promoted at the age of two periods, which
    # with a target of 0 is one too many. From the turn of 30 on the threshold is three periods (30 s), the
    # highest of the best ones: at 50 and 75 page 0 is still there.
    policy = "proactive.cold_age:scan_interval=10,warmup=0,promotion_rate_target=0,percentile=100"
    asked = [(0, 0), (10, 1), (20, 2), (25, 0), (30, 3), (40, 4), (50, 0), (60, 5), (70, 6), (75, 0)]
    hits = found(asked, policy)
    assert [hit for (_, page), hit in zip(asked, hits, strict=True) if page == 0] == [False, False, True, True]


class ColdAge:
    def __init__(self, scan: int, target: float, percentile: float, warmup: int) -> None:
        self.scan, self.target, self.percentile, self.warmup = scan, target / 100, percentile / 100, warmup
        self.used: dict[int, int] = {}
        self.held: set[int] = set()
        self.ages: list[int] = []
        self.bests: list[int] = []
        self.next = scan

    def request(self, page: int, now: int) -> bool:
        if now >= self.next:
            self.turn(now)
            while self.next <= now:
                self.next += self.scan
        hit = page in self.held
        if page in self.used:
            self.ages.append(min((now - self.used[page]) // self.scan, 255))
        self.used[page] = now
        self.held.add(page)
        return hit

    def turn(self, now: int) -> None:
        working = sum(now - self.used[page] < self.scan for page in self.held)
        allowed = self.target * working * (self.scan * 1e9) / 60e9
        best = next(b for b in range(1, 257) if sum(age >= b for age in self.ages) <= allowed)
        self.ages = []
        self.bests.append(min(best, 255))
        enough = [b for b in range(256) if sum(x <= b for x in self.bests) >= self.percentile * len(self.bests)]
        threshold = max(best, enough[0])
        if now >= self.warmup:
            self.held = {page for page in self.held if now - self.used[page] < threshold * self.scan}


@given(
    st.lists(st.tuples(st.integers(0, 15), st.integers(0, 9)), min_size=1, max_size=150),
    st.integers(1, 20),
    st.sampled_from([0, 0.2, 20, 100]),
    st.sampled_from([0, 50, 98, 100]),
    st.sampled_from([0, 60]),
)
@settings(max_examples=200, deadline=None)
def test_cold_age_equals_its_brute_force_twin(
    wanted: list[tuple[int, int]], scan: int, target: float, percentile: float, warmup: int
) -> None:
    now, asked = 0, []
    for page, (_, wait) in zip(dense([page for page, _ in wanted]), wanted, strict=True):
        now += wait
        asked.append((now, page))
    twin = ColdAge(scan, target, percentile, warmup)
    policy = (
        f"proactive.cold_age:scan_interval={scan},promotion_rate_target={target},percentile={percentile},"
        f"warmup={warmup}"
    )
    assert found(asked, policy) == [twin.request(page, t) for t, page in asked]


def test_senpai_takes_the_least_recently_used_while_nothing_stalls() -> None:
    # Four pages, a quarter a period: at 10 one goes (1, because 0 was used since), at 20 three quarters of a
    # page are owed, at 30 one and a half: 2 goes. The disk is given no weight by a threshold of 100 %.
    policy = "proactive.senpai:interval=10,reclaim_ratio=0.25,max_step=1,psi_threshold=100"
    asked = [(0, 0), (0, 1), (0, 2), (0, 3), (5, 0), (10, 0), (20, 0), (29, 2), (29, 1)]
    assert found(asked, policy) == [False] * 4 + [True, True, True, True, False]


def test_senpai_stops_where_reads_from_disk_take_its_share_of_the_time() -> None:
    # Two reads before the first turn take a small part of a second. With a threshold of all the time a little
    # less than both pages are owed, so the older one goes; with one of a billionth nothing does.
    policy = "proactive.senpai:interval=1,reclaim_ratio=1,max_step=1,psi_threshold={}"
    asked = [(0, 0), (0, 1), (1, 2), (1, 0), (1, 1)]
    assert found(asked, policy.format(100))[3:] == [False, True]
    assert found(asked, policy.format(1e-7))[3:] == [True, True]


@pytest.mark.parametrize("name", ["proactive.cold_age", "proactive.senpai"])
def test_a_swap_trace_is_reclaimed_one_tier_lower(name: str) -> None:
    # Pages stored once and never read leave the pool for the disk in time; a limit of ten rejects at first.
    cols = columns([(S, page) for page in range(12)] + [(L, 0)])
    cols.t[12] = 10**6 * SECOND
    row = replay(cols, f"{name}:max_pool_pages=10", host(1000))
    assert row.stores == {"accepted": 10, "rejected": 2, "zero": 0, "refused": 0, "again": 0, "unwritten": 0}
    assert row.loads["disk"] == 1
    assert row.writeback["pages"] == 10
