"""RAMster by hand."""

import numpy as np
import pytest

from tests.replay.build import L, S, columns, host
from tmemlab.datasets.trace.schema import Where
from tmemlab.policies.catalogue import parse_policy
from tmemlab.replay.scores.row import Score, StormPlan
from tmemlab.replay.scores.score import score
from tmemlab.world.reclaim import W_REMOTE
from tmemlab.world.stack import parse_stack

SECOND = 10**9


def run(stored: int, until: list[int], settings: str, clen: int = 1900) -> Score:
    """``stored`` pages at once, then each of them is loaded at the moment ``until`` gives (s)."""
    cols = columns([*[(S, p) for p in range(stored)], *[(L, p) for p in range(stored)]], clen=clen, step_ns=1)
    cols.t[stored:] = np.array(until) * SECOND + np.arange(stored)
    policy = parse_policy(f"tmem.ramster:{settings}")
    return score(
        cols, host(), policy, StormPlan(storms=0), keep_found=True, stack=parse_stack(policy.stack(), 2**30)
    )


def test_every_second_the_oldest_page_frames_go_to_the_neighbour() -> None:
    # Two objects of 1900 + 32 bytes share a frame, so 12 pages are 6 frames. Two a second: after 1 s pages 0..3
    # are away, after 2 s pages 0..7. At 2.5 s the rest is still here.
    row = run(12, [2] * 12, "remotify_frames=2,selfshrinking=off")
    assert row.loads["remote"] == 8 and row.loads["pool"] == 4
    assert row.levels[0]["written_bytes"] == 8 * 1900  # compressed as they are
    assert row.device_bytes["written"] == 0


def test_no_neighbour_no_pages_away() -> None:
    row = run(12, [5] * 12, "remotify_frames=0,selfshrinking=off")
    assert row.loads["pool"] == 12 and row.levels[0]["entered_pages"] == 0


def test_what_is_refused_goes_to_disk_and_not_to_the_neighbour() -> None:
    row = run(5, [0] * 5, "selfshrinking=off", clen=3600)
    assert row.loads["disk"] == 5 and row.stores["rejected"] == 5
    assert row.levels[0]["entered_pages"] == 0 and row.levels[1]["entered_pages"] == 5


def test_selfshrink_brings_local_pages_home() -> None:
    # Ticks at 1, 6, 11 and 16 s: the first sees growth, two count down, the fourth pulls back 2 of 40.
    row = run(40, [17] * 40, "remotify_frames=0")
    assert row.loads["resident"] == 2 and row.loads["pool"] == 38 and row.writeback["pulled_back"] == 2


def test_a_frame_that_was_joined_stays_promoted_when_who_joined_it_leaves() -> None:
    # Page 2 joins page 0's frame and is loaded; a second later one frame goes to the neighbour: that of page 1.
    cols = columns([(S, 0, 2900), (S, 1, 2500), (S, 2, 900), (L, 2), (L, 0), (L, 1)], step_ns=1)
    cols.t[4:] += 3 * SECOND // 2
    policy = parse_policy("tmem.ramster:remotify_frames=1,selfshrinking=off")
    stack = parse_stack(policy.stack(), 2**30)
    row = score(cols, host(), policy, StormPlan(storms=0), keep_found=True, stack=stack)
    assert row.found[3:].tolist() == [Where.POOL, Where.POOL, W_REMOTE]
    assert row.hit_rate == pytest.approx(2 / 3)
    assert row.ram_rate == 1
