"""need(h) against a trace worked by hand, clairvoyant replays, and every policy on random traces."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.replay.build import L, S, columns, host, replay, stores_and_loads
from tests.replay.size.twenty import ALL, HELD, MS, SIX_OF_EIGHT, TRACE
from tmemlab.datasets.share.bundled import bundled
from tmemlab.datasets.trace.read import Trace
from tmemlab.policies.catalogue import parse_policy
from tmemlab.replay.inputs.columns import next_loads
from tmemlab.replay.inputs.kept import columns_for
from tmemlab.replay.size.holds import find_holds
from tmemlab.replay.size.need import measure_need
from tmemlab.replay.size.occupancy import Occupancy
from tmemlab.replay.size.regret import pool_over_time
from tmemlab.world.host import build_host

EXCLUSIVE = '''"""Takes what will be loaded, and gives it up when it is."""
from dataclasses import dataclass
from tmemlab.policies.interface import ACCEPT, NEVER, REJECT, Policy, hook, register


@hook
def store(w, page):
    return REJECT if w.host.next_load == NEVER else ACCEPT


@register("test.exclusive_clairvoyant")
@dataclass(frozen=True)
class Exclusive(Policy):
    """Unlimited, clairvoyant, with exclusive loads."""
    store = store
    needs_future = True
'''


def test_the_holds_of_twenty_events() -> None:
    holds = find_holds(TRACE)
    began, ended = holds.times(TRACE.t)
    assert list(zip((began // MS).tolist(), (ended // MS).tolist(), strict=True)) == HELD
    assert (holds.loads, holds.free, holds.unservable) == (8, 0, 0)


@pytest.mark.parametrize(
    ("share", "pages", "hit_rate"), [(1, ALL, 1), (0.75, SIX_OF_EIGHT, 0.75), (0, [0] * 20, 0)]
)
def test_need_of_twenty_events(share: float, pages: list[int], hit_rate: float) -> None:
    need = measure_need(TRACE, host(), share)
    assert need.hit_rate == hit_rate
    assert need.occupancy.at(TRACE.t).tolist() == pages
    assert need.occupancy.mean(19 * MS) * 19 == pytest.approx(sum(pages))


def test_what_can_be_missed_is_rounded_down() -> None:
    """Of eight loads 99 % are all eight, and 87.5 % are seven."""
    assert measure_need(TRACE, host(), 0.99).hit_rate == 1
    assert measure_need(TRACE, host(), 0.875).hit_rate == 0.875


def test_the_dearest_is_bytes_times_time() -> None:
    """A page of 4 KiB for 3 ms is dearer than one of 512 bytes for 7 ms, and goes first."""
    trace = columns([(S, 0, 512), (S, 1, 4096), (S, 2), (S, 3), (L, 1), (S, 4), (S, 5), (L, 0)])
    both, one = (measure_need(trace, host(), share).occupancy.at(trace.t) for share in (1, 0.5))
    assert (both - one).tolist() == [0, 1, 1, 1, 0, 0, 0, 0]
    assert one[0] > 0
    assert (one[:7] == one[0]).all()


def test_pages_of_zero_bytes_need_nothing() -> None:
    need = measure_need(columns([(S, 0, 0), (S, 1, 4096), (L, 0), (L, 1)]), host(), 1)
    assert need.hit_rate == 1
    assert need.occupancy.at(np.arange(4) * MS).tolist() == [0, 1, 1, 0]


def test_a_load_that_no_pool_can_serve_is_said() -> None:
    need = measure_need(columns([(L, 0), (S, 1), (L, 1)]), host(), 0.99)
    assert need.hit_rate == 0.5
    assert not need.reachable
    assert need.occupancy.pages.max() == 1  # what can be had is kept all the same


def test_page_accesses_need_ram_from_one_to_the_next() -> None:
    touches = columns([(L, page) for page in (0, 1, 0, 2, 1, 0)], kind="access")
    touches = type(touches)(**{**vars(touches), "op": np.zeros(0, np.uint8), "loads": 6})
    need = measure_need(touches, host(), 1)
    assert need.hit_rate == 0.5  # three of six are first touches
    assert need.occupancy.at(touches.t).tolist() == [1, 2, 2, 2, 1, 0]


def test_an_occupancy_is_a_step_function() -> None:
    steps = Occupancy(np.array([10, 20, 20, 30]), np.array([5, 9, 2, 0]))
    assert steps.at(np.array([0, 10, 19, 20, 30, 99])).tolist() == [0, 5, 5, 2, 0, 0]
    assert steps.peaks(np.array([0, 10, 20, 25, 30, 40])).tolist() == [0, 5, 9, 2, 0]
    assert steps.mean(40) == (10 * 5 + 10 * 2) / 40


@pytest.fixture(scope="module")
def exclusive(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("clairvoyant") / "exclusive.py"
    path.write_text(EXCLUSIVE)
    return str(path)


def test_all_of_twenty_events_is_an_unlimited_clairvoyant_pool(exclusive: str) -> None:
    future = next_loads(TRACE.op, TRACE.page, TRACE.pages)
    for name in ("bounds.clairvoyant:max_pool_percent=100", exclusive):
        after = pool_over_time(TRACE, host(), parse_policy(name), TRACE.t + 1, future)
        assert after.tolist() == ALL, name


@pytest.mark.parametrize("name", list(bundled()))
def test_all_of_a_bundled_trace_is_an_unlimited_clairvoyant_pool(name: str, exclusive: str) -> None:
    """To the page, holes included, at 3,000 moments; and it has as many hits as an unbounded pool."""
    trace = Trace.open(bundled()[name])
    columns, on = columns_for(trace), build_host(trace)
    moments = np.linspace(0, columns.t[-1], 3000).astype(np.int64)
    future = next_loads(columns.op, columns.page, columns.pages)
    pool = pool_over_time(columns, on, parse_policy(exclusive), moments, future)
    need = measure_need(columns, on, 1)
    assert (need.occupancy.at(moments - 1) == pool).all()
    assert pool.max() > 1000
    holds = find_holds(columns)
    loads = replay(columns, "bounds.unbounded", on).loads
    assert (len(holds), holds.free) == (loads["pool"], loads["zero"])


@pytest.mark.parametrize("name", list(bundled()))
def test_fewer_hits_need_less_and_never_more_than_any_pool(name: str) -> None:
    trace = Trace.open(bundled()[name])
    columns, on = columns_for(trace), build_host(trace)
    duration = int(columns.t[-1])
    means = [measure_need(columns, on, share).occupancy.mean(duration) for share in (0.5, 0.9, 0.99, 1)]
    assert means == sorted(means)
    for policy in ("order.lru:exclusive_loads=on,max_pool_pages={}", "tmem.frontswap:max_pool_pages={}"):
        for pages in (500, 2000, 20000):
            row = replay(columns, policy.format(pages), on)
            least = measure_need(columns, on, row.hit_rate or 0.0).occupancy.mean(duration)
            assert least * 4096 <= row.pool_bytes["mean"], (policy, pages)


@given(
    st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=2, max_size=120), st.integers(1, 8),
    st.sampled_from(["order.lru", "order.arc", "tmem.frontswap", "zswap.v6_18", "vm.pressure:largest=4097"]),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_no_policy_takes_less_over_time_and_hits_as_often(
    wanted: list[tuple[int, bool]], pages: int, name: str
) -> None:
    trace = columns(stores_and_loads(wanted))
    policy = parse_policy(name).with_pool(pages * 4096, (1 << 20) * 4096)
    row = replay(trace, policy)
    need = measure_need(trace, host(), row.hit_rate or 0.0)
    assert need.occupancy.mean(int(trace.t[-1])) * 4096 <= row.pool_bytes["mean"] + 1e-6


def test_the_default_trace_needs_what_the_page_says() -> None:
    page = (Path(__file__).parents[3] / "docs/size.md").read_text()
    trace = Trace.open(bundled()["sqlite-limit"])
    need = measure_need(columns_for(trace), build_host(trace), 0.99)
    mean, peak = need.occupancy.mean(int(columns_for(trace).t[-1])) / 256, need.occupancy.pages.max() / 256
    assert f"needs {mean:.0f} MiB in the mean and {peak:.0f} MiB at the peak" in " ".join(page.split())
