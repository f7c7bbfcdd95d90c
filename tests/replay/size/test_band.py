"""The band, its conflicts, and the regret of policies, on twenty events worked by hand."""

from dataclasses import replace

import numpy as np
import pytest

from tests.replay.build import host
from tests.replay.size.twenty import ALL, MS, TRACE
from tmemlab.policies.catalogue import parse_policy
from tmemlab.replay.inputs.columns import next_loads
from tmemlab.replay.size.band import Band, make_grid, measure_band
from tmemlab.replay.size.need import measure_need
from tmemlab.replay.size.regret import Regret, measure_regret, pool_over_time
from tmemlab.replay.size.room import NO_ROOM, FullPool, Room, measure_room

# Four pages may stay until 14 ms, two from then on. Need is three pages from 15 to 16 ms: the conflict.
ROOM = Room(np.array([0, 14 * MS]), np.array([4, 2]))
NEAR = 1e-4
"""The trace ends a nanosecond after its last event."""


@pytest.fixture(scope="module")
def band() -> Band:
    return measure_band(TRACE, measure_need(TRACE, host(), 1), ROOM, make_grid(TRACE, host(), MS))


def regret_of(policy: str, band: Band) -> Regret:
    future = next_loads(TRACE.op, TRACE.page, TRACE.pages)
    return measure_regret(band, pool_over_time(TRACE, host(), parse_policy(policy), band.grid.looks, future))


def ms(share: float) -> float:
    """Of the 19 that the trace lasts."""
    return share * 19


def test_windows_have_the_peak_of_need_and_the_least_room(band: Band) -> None:
    need, room = band.windows()
    assert room is not None
    assert need.tolist() == ALL
    assert room.tolist() == [4] * 14 + [2] * 6
    assert band.loads.tolist() == [0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 1, 1, 0, 1]


def test_windows_of_several_steps_are_in_conflict_only_where_both_are_true_at_once() -> None:
    """One window of all has need 3 and room 2, at different moments if room is back at 4 by then."""
    need = measure_need(TRACE, host(), 1)
    apart = Room(np.array([0, 9 * MS, 10 * MS]), np.array([4, 2, 4]))
    wide = measure_band(TRACE, need, apart, make_grid(TRACE, host(), 100 * MS))
    assert [part.tolist() for part in wide.windows() if part is not None] == [[3], [2]]
    one = replace(wide.grid, steps=np.union1d(wide.grid.steps, apart.t))
    assert measure_band(TRACE, need, apart, one).conflict_share == 0


def test_the_conflict_is_where_need_is_more_than_room(band: Band) -> None:
    assert band.conflict_share is not None
    assert ms(band.conflict_share) == pytest.approx(1, abs=NEAR)
    assert band.excess.max() == 1
    assert band.least_room == 2
    assert band.lost_share == 0


def test_a_pool_that_follows_the_band_has_no_regret(band: Band) -> None:
    """What is needed and nothing else: an unlimited clairvoyant pool. In the conflict, too."""
    regret = regret_of("bounds.clairvoyant:max_pool_percent=100", band)
    assert regret.outside_share == 0
    assert regret.over is not None
    assert regret.over.share == regret.under.share == 0
    assert regret.over.pages_max == regret.under.pages_max == 0


def test_frontswap_is_too_large_for_as_long_as_copies_pile_up(band: Band) -> None:
    # Copies stay until they are stored again or freed, so after each event the pool has
    #   1 2 3 3 4  4 4 4 5 5  5 4 4 4 4  4 4 4 5 5
    # More than four from 8 to 11 ms, by 1; more than two from 14 on: by 2, but in the conflict, from 15 to 16,
    # by 1 (need is 3), and at the end, from 18 to 19, by 3.
    regret = regret_of("tmem.frontswap", band)
    assert regret.over is not None
    assert ms(regret.over.share) == pytest.approx(3 + 5, abs=NEAR)
    assert regret.over.pages_mean == pytest.approx((3 * 1 + 2 + 1 + 2 + 2 + 3) / 8, abs=NEAR)
    assert regret.over.pages_max == 3
    assert regret.under.share == 0
    assert regret.outside_share == regret.over.share


@pytest.mark.parametrize("policy", ["tmem.zcache", "bounds.none"])
def test_who_takes_none_of_the_pages_is_too_small(policy: str, band: Band) -> None:
    """zcache refuses pages that do not compress. Something is needed for 18 ms: all but from 9 to 10."""
    regret = regret_of(policy, band)
    assert regret.over is not None
    assert regret.over.share == 0
    assert ms(regret.under.share) == pytest.approx(18, abs=NEAR)
    # 29 page-milliseconds, of which the conflict's third page is not asked for.
    assert regret.under.pages_mean * 18 == pytest.approx(29 - 1, abs=0.01)
    assert regret.under.pages_max == 3


def test_an_unbounded_pool_keeps_what_is_never_loaded(band: Band) -> None:
    # Page 3 from 4 to 11 ms, page 4 from 8 on, page 5 from 18 on, beside what is needed: over room, or over need
    # in the conflict, at 14 (3 > 2), 15 (4 > 3), 16 (3 > 2), 18 (3 > 2).
    regret = regret_of("bounds.unbounded", band)
    assert regret.over is not None
    assert ms(regret.over.share) == pytest.approx(4, abs=NEAR)
    assert regret.over.pages_mean == pytest.approx(1)


def test_where_not_even_no_pool_survives_no_size_is_blamed() -> None:
    lost = Room(np.array([0, 10 * MS]), np.array([4, NO_ROOM]))
    band = measure_band(TRACE, measure_need(TRACE, host(), 1), lost, make_grid(TRACE, host(), MS))
    assert ms(band.lost_share or 0) == pytest.approx(9, abs=NEAR)
    assert band.conflict_share == 0
    regret = regret_of("tmem.frontswap", band)
    assert regret.over is not None
    assert ms(regret.over.share) == pytest.approx(2, abs=NEAR)  # from 8 to 10 ms


def test_without_a_host_one_side_is_known() -> None:
    band = measure_band(TRACE, measure_need(TRACE, host(), 1), None, make_grid(TRACE, host(), MS))
    assert band.conflict_share is None
    assert band.windows()[1] is None
    regret = regret_of("bounds.none", band)
    assert regret.over is None
    assert regret.under.pages_mean * 18 == pytest.approx(29, abs=0.01)


def test_what_is_given_back_in_time_saves_the_host() -> None:
    """Room for 2,000 pages, and a pool that needs 3,000: it kills as it is, and not with 1,000 less."""
    on = host(10_000, free=9000, anon=500)
    room = measure_room(TRACE, on, 0.74, np.array([0, 1]))
    pool = FullPool(TRACE, on, 0.74)
    need = 3000
    excess = need - int(room.pages[0])
    assert excess == pytest.approx(1000, abs=36)
    given, ns = pool.strike(0, need)
    assert given < 7400
    assert not pool.survives(0, need)
    assert pool.survives(0, need - excess)
    # Some 6,400 pages are given before the kernel kills, 1 us each; reclaim takes time besides.
    assert 6_300_000 < ns < 30_000_000
