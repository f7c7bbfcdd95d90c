"""room(f) against the storms that it stands for: by hand, and on every bundled trace, and by policies."""

from collections.abc import Iterator

import numpy as np
import pytest

from tests.replay.build import S, columns, host
from tmemlab.datasets.share.bundled import bundled
from tmemlab.datasets.trace.read import Trace
from tmemlab.policies.catalogue import parse_policy
from tmemlab.replay.inputs.columns import Columns
from tmemlab.replay.inputs.kept import columns_for
from tmemlab.replay.loops.choose import Run, make_loop
from tmemlab.replay.loops.state import State
from tmemlab.replay.scores.row import StormPlan
from tmemlab.replay.scores.storm import BATCH, DEMAND
from tmemlab.replay.scores.storming import Storms, most_anonymous
from tmemlab.replay.size.need import measure_need
from tmemlab.replay.size.room import (
    NO_ROOM,
    TOLERANCE,
    FullPool,
    Room,
    first_order,
    largest_with,
    measure_room,
    samples_of,
)  # fmt: skip
from tmemlab.world.host import Host, build_host

NEAR = 2 * BATCH
"""Pages: a real pool goes over its limit by a zspage, and a storm takes memory by batches."""
ONE = columns([(S, 0, 4096)])
HOSTS = [
    ("sqlite-limit", 10 << 30, 0.9), ("sqlite-limit", 10 << 30, 0.91), ("sqlite-limit", 11 << 30, 0.9),
    ("sqlite-limit", 4 << 30, 0.75), ("redis-zswap", 4 << 30, 0.75), ("redis-zswap", 3 << 30, 0.66),
    ("redis-frontswap", None, 0.61), ("redis-frontswap", 1100 << 20, 0.66), ("sqlite-shrinker", None, 0.58),
    ("sqlite-shrinker", 1100 << 20, 0.63),
]  # fmt: skip
"""Trace, RAM, and a share of it near what no pool survives, where a pool of these traces can be too large."""


def room_of(on: Host, fraction: float) -> int:
    (pages,) = measure_room(ONE, on, fraction, np.array([0, 1])).pages.tolist()
    return int(pages)


def test_free_memory_above_the_min_watermark_less_the_storm() -> None:
    # 9000 pages free, 5000 locked, 100 are the watermark; the storm takes memory by 32.
    assert room_of(host(10_000, free=9000), 0.5) == pytest.approx(3900, abs=BATCH + TOLERANCE)


def test_page_cache_and_anonymous_memory_with_a_slot_are_room() -> None:
    assert room_of(host(10_000, free=9000, file=400), 0.5) == pytest.approx(4300, abs=BATCH + TOLERANCE)
    assert room_of(host(10_000, free=9000, anon=500), 0.5) == pytest.approx(4400, abs=BATCH + TOLERANCE)
    full = host(10_000, free=9000, anon=500, swap=300)
    assert room_of(full, 0.5) == pytest.approx(4200, abs=BATCH + TOLERANCE)


def test_where_no_pool_survives_there_is_none() -> None:
    assert room_of(host(10_000, free=5000), 0.6) == NO_ROOM


def test_the_largest_is_found_from_every_guess() -> None:
    for truth in (0, 1, 31, 4096, 100_000):
        for guess in (-5, 0, 1, 4000, 5000, 99_999, 200_000):
            found = largest_with(lambda pages: pages <= truth, guess, 4)  # noqa: B023
            assert truth - 4 < found <= truth


def test_a_window_has_the_samples_in_force_in_it() -> None:
    t = np.array([5, 10, 20])
    assert [part.tolist() for part in samples_of(t, np.array([0, 10, 15, 21]))] == [[0], [1], [1, 2]]
    assert Room(t, np.array([7, 8, 9])).at(np.array([0, 5, 10, 19, 20, 99])).tolist() == [7, 7, 8, 8, 9, 9]


@pytest.fixture(scope="module", params=HOSTS, ids=str)
def case(request: pytest.FixtureRequest) -> Iterator[tuple[Columns, Host, float]]:
    name, ram, fraction = request.param
    trace = Trace.open(bundled()[name])
    yield columns_for(trace), build_host(trace, ram), fraction


def windows(columns: Columns, count: int) -> np.ndarray:
    return np.linspace(0, columns.t[-1] + 1, count + 1).astype(np.int64)


def test_with_room_a_storm_is_survived_and_with_a_little_more_not(case: tuple[Columns, Host, float]) -> None:
    """Exact at each window's worst moment; within two batches of that in the others of the window."""
    columns, on, fraction = case
    edges = windows(columns, 20)
    room, pool, guess = measure_room(columns, on, fraction, edges), FullPool(*case), first_order(on, fraction)
    dice, exact = np.random.default_rng(1), 0
    for samples in samples_of(room.t, edges):
        worst = int(samples[guess[samples].argmin()])
        for sample in (worst, int(dice.choice(samples))):
            pages, slack = int(room.pages[sample]), 0 if sample == worst else NEAR
            if pages == NO_ROOM:
                assert not pool.survives(sample, NEAR if slack else 0)
                continue
            assert pool.survives(sample, max(pages - slack, 0))
            assert not pool.survives(sample, pages + max(slack, TOLERANCE))
            exact += 1
    assert exact > 10


def storm_at(columns: Columns, on: Host, policy: str, moment: int, fraction: float) -> tuple[bool, int]:
    """A replay up to ``moment`` and a storm there, as scores make them: survived; the pool's pages after it."""
    most, chosen = most_anonymous(columns, on, None), parse_policy(policy)
    run = Run(columns, on, chosen, State.at_start(columns, on, chosen, most), np.zeros(0, np.int64), False)
    make_loop(run, None).advance(0, moment)
    storms = Storms(run, np.array([moment]), most, StormPlan(1, fraction), None, None)
    storms.strike(0, None)
    return bool(storms.outcomes[0, DEMAND] >= int(fraction * on.ram)), int(storms.world.host.pool_pages)


def seen_samples(columns: Columns, on: Host) -> dict[int, int]:
    """Samples that a replay has followed when the next one comes, and the moment of that: it follows one with
    the first event after it.
    """
    t = on.balance[:, 0]
    first = np.searchsorted(columns.t, t)
    inside = (first < columns.events) & (
        columns.t[np.minimum(first, columns.events - 1)] < np.append(t[1:], 1 << 62)
    )
    return {int(sample): int(columns.t[first[sample]]) + 1 for sample in np.flatnonzero(inside)}


@pytest.mark.parametrize("policy", ["tmem.frontswap:", "order.lru:exclusive_loads=on,"])
@pytest.mark.parametrize(
    ("name", "ram"),
    [
        ("sqlite-limit", None), ("sqlite-limit", 10 << 30), ("redis-zswap", None), ("redis-zswap", 3 << 30),
        ("redis-frontswap", None), ("redis-frontswap", 1100 << 20), ("sqlite-shrinker", None),
        ("sqlite-shrinker", 1100 << 20),
    ],
)  # fmt: skip
def test_a_limit_below_room_survives_and_a_pool_that_is_filled_above_it_does_not(
    policy: str, name: str, ram: int | None
) -> None:
    """The policies' own storms at the worst moment of each window, of a fraction that leaves half of need."""
    trace = Trace.open(bundled()[name])
    columns, on = columns_for(trace), build_host(trace, ram)
    moments, guess = seen_samples(columns, on), first_order(on, 0.0)
    need = measure_need(columns, on, 1).occupancy
    filled, fractions = 0, set()
    for samples in samples_of(on.balance[:, 0], windows(columns, 12)):
        known = [int(sample) for sample in samples if int(sample) in moments]
        if not known:
            continue
        worst = min(known, key=lambda sample: guess[sample])
        moment = moments[worst]
        target = int(need.at(np.array([moment]))[0]) // 2
        fraction = (int(guess[worst]) - target) / on.ram
        if target < 2 * NEAR or fraction >= 1:
            continue
        pages = FullPool(columns, on, fraction).room(worst, target)
        assert pages == pytest.approx(target, abs=BATCH + TOLERANCE)
        survived, _ = storm_at(columns, on, f"{policy}max_pool_pages={pages - NEAR}", moment, fraction)
        assert survived, (moment, pages)
        survived, held = storm_at(columns, on, f"{policy}max_pool_pages={pages + NEAR}", moment, fraction)
        if held > pages + BATCH:
            assert not survived, (moment, pages, held)
            filled += 1
            fractions.add(round(fraction, 3))
    assert filled >= 2
    assert len(fractions) >= 2
