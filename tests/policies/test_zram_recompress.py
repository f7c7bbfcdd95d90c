"""zram's recompression, worked by hand."""

from tests.replay.build import L, S, columns, host, replay
from tmemlab.datasets.trace.schema import Where
from tmemlab.replay.scores.score import Score

POOL, DISK = int(Where.POOL), int(Where.DISK)
SECOND = 10**9


def row(events: list[tuple[int, ...]], times: list[int], policy: str) -> Score:
    cols = columns(events)  # type: ignore[arg-type]
    cols.t[:] = [t * SECOND for t in times]
    return replay(cols, f"zram.recompress:interval=10,{policy}", host(1000))


def test_what_becomes_smaller_by_a_class_is_kept_and_what_does_not_is_written() -> None:
    # Tried at 10, seen at 11. Half of 3700 is 1850: the class of 1888 bytes, 13 objects in a zspage of 6 pages.
    # One raw page becomes a zspage that others could share; beside it are 900 bytes in one of 7 (912: 31 objects).
    # With 0.99 it would be 3663, a page again: incompressible, and written.
    events = [(S, 0, 3700), (S, 1, 900), (L, 0), (L, 1)]
    times = [0, 0, 11, 12]
    smaller = row(events, times, "type=huge,second_share=0.5,writeback=incompressible")
    assert smaller.found.tolist() == [POOL] * 4
    assert smaller.pool_bytes["peak"] == (6 + 7) * 4096
    larger = row(events, times, "type=huge,second_share=0.99,writeback=incompressible")
    assert larger.found.tolist() == [POOL, POOL, DISK, POOL]
    assert (larger.writeback["pages"], larger.writeback["bytes"]) == (1, 4096)
    assert row(events, times, "type=huge,second_share=0.99").found.tolist() == [POOL] * 4


def test_only_idle_pages_of_at_least_the_threshold_are_tried_once() -> None:
    # Four stores. The event at 10 s brings the first turn: page 0 is idle for 10 s and large enough, 1 and 2 are
    # too small, 3 is not there yet. The event at 21 s brings the next: 3 is idle for 11 s, 0 was tried.
    events = [(S, 0, 3000), (S, 1, 500), (S, 2, 500), (S, 3, 3000), (L, 1), (L, 2)]
    times = [0, 0, 0, 10, 11, 21]
    found = row(events, times, "idle_age=5,threshold=1000,second_share=0.3")
    assert round(found.cpu_s["compress"] / 8e-6) == 4 + 2
    none = row(events, times, "idle_age=5,threshold=3001,second_share=0.3")
    assert round(none.cpu_s["compress"] / 8e-6) == 4


def test_a_turn_takes_as_many_as_it_may_in_the_order_of_slots() -> None:
    events = [(S, 0, 3700), (S, 1, 3700), (S, 2, 3700), (L, 0), (L, 1), (L, 2)]
    policy = "type=huge,second_share=1,writeback=incompressible,max_pages={}"
    assert row(events, [0, 0, 0, 11, 12, 13], policy.format(2)).found.tolist() == [POOL] * 3 + [DISK, DISK, POOL]
    assert row(events, [0, 0, 0, 11, 12, 13], policy.format(0)).found.tolist() == [POOL] * 3 + [DISK] * 3


def test_without_a_turn_it_is_zram_without_recompression() -> None:
    events = [(S, page % 7, 200 + 300 * page) for page in range(10)]
    one = replay(columns(events), "zram.recompress", host(1000))  # type: ignore[arg-type]
    two = replay(columns(events), "zram.basic", host(1000))  # type: ignore[arg-type]
    assert (one.found == two.found).all()
    assert one.pool_bytes == two.pool_bytes
