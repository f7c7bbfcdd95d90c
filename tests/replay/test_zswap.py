"""zswap against traces worked by hand, and against a brute-force twin of its rules."""

from collections import OrderedDict

from hypothesis import given, settings
from hypothesis import strategies as st

from tmemlab.datasets.trace.schema import Where

from .build import L, S, columns, host, replay, stores_and_loads

POOL, DISK, REJECTED = int(Where.POOL), int(Where.DISK), int(Where.REJECTED)
RAM = 1000  # pages; with max_pool_percent=1 the limit is 10, the threshold 9
ASLEEP = "worker_start_us=1000000"  # a worker that does not get the CPU within the test


def places(events: list[tuple[int, int]], policy: str, step_ns: int = 1_000_000) -> list[int]:
    return replay(columns(events, step_ns=step_ns), policy, host(RAM)).found.tolist()


def test_a_store_at_the_limit_is_rejected_and_goes_to_disk() -> None:
    events = [(S, page) for page in range(11)] + [(L, 10), (L, 0)]
    assert places(events, f"zswap.v6_18:max_pool_percent=1,{ASLEEP}") == [POOL] * 10 + [REJECTED, DISK, POOL]


def test_a_full_pool_accepts_again_at_the_threshold() -> None:
    # Full at 10 pages; after one load 9 are left, which is the threshold of 90 %.
    events = [(S, page) for page in range(11)] + [(L, 3), (S, 11)]
    assert places(events, f"zswap.v6_18:max_pool_percent=1,{ASLEEP}")[-1] == POOL
    # With a threshold of 80 % nine pages are still too many.
    low = f"zswap.v6_18:max_pool_percent=1,accept_threshold_percent=80,{ASLEEP}"
    assert places(events, low)[-1] == REJECTED


def test_the_worker_takes_second_chances_before_it_writes_back() -> None:
    # Ten entries, all referenced. The first rejected store starts the worker: it clears ten references,
    # round the list, meets the first entry again and writes it back, which reaches the threshold of 9.
    events = [(S, page) for page in range(11)] + [(S, 11), (L, 0), (L, 1)]
    row = replay(columns(events), "zswap.v6_18:max_pool_percent=1", host(RAM))
    assert row.writeback["pages"] == 1
    assert row.found.tolist() == [POOL] * 10 + [REJECTED, POOL, DISK, POOL]


def test_the_worker_gives_up_after_sixteen_failures() -> None:
    # 30 entries, all referenced: each run clears 16 references and then stops, so that the first entry is
    # written back in the second run, the one that the second rejected store starts.
    policy = "zswap.v6_18:max_pool_percent=3"
    one = replay(columns([(S, page) for page in range(32)]), policy, host(RAM))
    assert (one.stores["rejected"], one.writeback["pages"]) == (2, 0)
    two = replay(columns([(S, page) for page in range(33)]), policy, host(RAM))
    assert (two.stores["rejected"], two.writeback["pages"]) == (2, 3)


def test_stores_are_rejected_while_the_worker_is_at_work() -> None:
    policy = "zswap.v6_18:max_pool_percent=1,worker_start_us=1000,worker_visit_us=0,worker_page_us=0"
    events = [(S, page) for page in range(15)]
    assert places(events, policy, step_ns=300_000) == [POOL] * 10 + [REJECTED] * 4 + [POOL]


def test_a_run_that_is_asked_for_during_another_follows_it() -> None:
    # 30 entries: the second run meets the first one again. A run begins a millisecond after a rejected store and
    # takes 160 us, during which the next stores ask for another, which follows without that delay.
    policy = "zswap.v6_18:max_pool_percent=3,worker_start_us=1000,worker_visit_us=10,worker_page_us=0"
    before = columns([(S, page) for page in range(30 + 10)], step_ns=100_000)
    assert replay(before, policy, host(RAM)).writeback["pages"] == 0
    after = columns([(S, page) for page in range(30 + 16)], step_ns=100_000)
    assert replay(after, policy, host(RAM)).writeback["pages"] == 3


def test_a_run_that_follows_one_to_the_threshold_writes_nothing() -> None:
    # The run that reaches the threshold was asked for once more meanwhile; the next finds the pool low enough.
    policy = "zswap.v6_18:max_pool_percent=1,worker_start_us=0,worker_visit_us=10,worker_page_us=400"
    row = replay(columns([(S, page) for page in range(13)], step_ns=100_000), policy, host(RAM))
    assert row.stores["rejected"] == 3
    assert row.writeback["pages"] == 0
    more = replay(columns([(S, page) for page in range(20)], step_ns=100_000), policy, host(RAM))
    assert more.writeback["pages"] == 1


class Twin:
    """The rules of facts 4.2, 4.4 and 4.6 for one cgroup, in plain Python, time included (ns)."""

    def __init__(self, limit: int, percent: int, start: int, visit: int, page: int, again: int) -> None:
        self.limit, self.threshold = limit, limit * percent // 100
        self.start, self.visit, self.page_ns, self.again = start, visit, page, again
        self.entries: OrderedDict[int, bool] = OrderedDict()
        self.full = self.working = self.end_of_pass = self.asked = self.visiting = False
        self.attempts = 0
        self.clock = self.begins = self.failures = self.written = 0

    def turn(self) -> None:
        """One way round the loop: a visit ends, or the next one is begun, or there is nothing to visit."""
        if self.visiting:
            self.visiting = False
            self.attempts += 1
            page, referenced = next(iter(self.entries.items()), (-1, True))
            self.failures += referenced
            if page >= 0 and referenced:
                self.entries[page] = False
                self.entries.move_to_end(page)
            elif page >= 0:
                del self.entries[page]
                self.written += 1
        elif self.end_of_pass:  # the iterator over cgroups returned nothing: a turn of the loop of its own
            self.end_of_pass = False
            self.failures += self.attempts == 0
            self.attempts = 0
        else:
            self.end_of_pass = True
            if self.entries:
                self.visiting = True
                self.clock += self.visit + (0 if next(iter(self.entries.values())) else self.page_ns)

    def advance(self, now: int) -> None:
        while self.working and self.clock <= now:
            self.turn()
            if not self.visiting and (self.failures == 16 or len(self.entries) <= self.threshold):
                self.begin(self.clock + self.again)
                self.working, self.asked = self.asked, False

    def begin(self, when: int) -> None:
        self.failures, self.attempts, self.clock, self.begins = 0, 0, when, when

    def store(self, page: int, now: int) -> bool:
        self.entries.pop(page, None)
        if len(self.entries) >= self.limit:
            self.full = True
        elif self.full and len(self.entries) <= self.threshold:
            self.full = False
        if self.full:
            if self.working:
                self.asked |= now >= self.begins
            else:
                self.working = True
                self.begin(now + self.start)
            return False
        self.entries[page] = True
        return True

    def load(self, page: int) -> bool:
        return self.entries.pop(page, None) is not None


@given(
    st.lists(st.tuples(st.integers(0, 60), st.booleans()), min_size=20, max_size=400),
    st.integers(2, 40),
    st.integers(10, 100),
    st.sampled_from([0, 20_000, 400_000]),
    st.sampled_from([0, 500, 30_000]),
    st.sampled_from([0, 8_000, 90_000]),
    st.sampled_from([1_000, 100_000]),
    st.sampled_from([0, 3_000]),
)
@settings(max_examples=300, deadline=None)
def test_it_equals_its_brute_force_twin(
    wanted: list[tuple[int, bool]], limit: int, percent: int, start: int, visit: int, page_ns: int, step: int,
    again: int,
) -> None:  # fmt: skip
    events = stores_and_loads(wanted)

    twin = Twin(limit, percent, start, visit, page_ns, again)
    expected = []
    for number, (op, page) in enumerate(events):
        twin.advance(number * step)
        if op == S:
            expected.append(POOL if twin.store(page, number * step) else REJECTED)
        else:
            expected.append(POOL if twin.load(page) else DISK)
    policy = (
        f"zswap.v6_18:max_pool_percent={limit / 10},accept_threshold_percent={percent},"
        f"worker_start_us={start / 1e3},worker_visit_us={visit / 1e3},worker_page_us={page_ns / 1e3},"
        f"worker_again_us={again / 1e3},worker_late_share=0"
    )
    on = host(RAM, disk="nvme")
    row = replay(columns(events, step_ns=step), policy, on)
    if (
        on.disk.queue_depth * on.disk.page_ns > twin.written * on.disk.page_ns
    ):  # the disk never holds the worker up
        assert row.found.tolist() == expected
        assert row.writeback["pages"] == twin.written
