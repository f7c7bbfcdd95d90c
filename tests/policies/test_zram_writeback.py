"""zram's writeback, worked by hand."""

from tests.replay.build import L, S, columns, host, replay
from tmemlab.datasets.trace.schema import Where
from tmemlab.replay.scores.score import Score

POOL, DISK = int(Where.POOL), int(Where.DISK)
SECOND = 10**9


def row(events: list[tuple[int, ...]], times: list[int], policy: str) -> Score:
    cols = columns(events)  # type: ignore[arg-type]
    cols.t[:] = [t * SECOND for t in times]
    return replay(cols, f"zram.writeback:writeback_interval=10,{policy}", host(1000))


def test_idle_pages_go_to_the_device() -> None:
    # 0 and 1 are stored at 0, 2 at 15; 1 is read (and kept) at 12. The turns are at 10, 20, 30, 40, seen by the
    # next event. At 21 the turn of 20 finds 0 idle for 21 s; 1 was read 9 s ago, 2 written 6 s ago.
    events = [(S, 0, 900), (S, 1, 900), (L, 1), (S, 2, 900), (L, 0), (L, 1), (L, 2)]
    times = [0, 0, 12, 15, 21, 22, 23]
    kept = row(events, times, "idle_age=20,free_on_load=off")
    assert kept.found.tolist() == [POOL] * 4 + [DISK, POOL, POOL]
    assert kept.writeback == {"pages": 1, "bytes": 4096, "pulled_back": 0}


def test_huge_and_huge_idle_take_only_what_did_not_compress() -> None:
    # 3625 bytes are the first that are kept raw. 0 is idle at 21, 2 is not.
    events = [(S, 0, 3625), (S, 1, 3624), (S, 2, 4096), (L, 0), (L, 1), (L, 2)]
    times = [0, 0, 15, 21, 22, 23]
    assert row(events, times, "mode=huge,idle_age=20").found.tolist() == [POOL] * 3 + [DISK, POOL, DISK]
    assert row(events, times, "mode=huge_idle,idle_age=20").found.tolist() == [POOL] * 3 + [DISK, POOL, POOL]


def test_the_limit_stops_writing_and_is_set_again() -> None:
    # Four idle pages, one may be written until the limit is set again, 20 s later: 0 at 11, nothing at 21
    # (10 s after the limit was set at 11), 1 at 31.
    events = [(S, 0, 900), (S, 1, 2000), (S, 2, 3000), (S, 3, 100)] + [(S, 4, 50)] * 3
    times = [0, 0, 0, 0, 11, 21, 31]
    policy = "idle_age=5,writeback_limit=1,limit_interval=20"
    assert row(events[:6], times[:6], policy).writeback["pages"] == 1
    assert row(events, times, policy).writeback["pages"] == 2
    seen = row([*events[:5], *[(L, page) for page in range(4)]], [*times[:5], 12, 13, 14, 15], policy)
    assert seen.found[5:].tolist() == [DISK, POOL, POOL, POOL]
    largest = row(
        [*events[:5], *[(L, page) for page in range(4)]], [*times[:5], 12, 13, 14, 15], f"{policy},candidates=size"
    )
    assert largest.found[5:].tolist() == [POOL, POOL, DISK, POOL]


def test_without_a_turn_it_is_zram_without_writeback() -> None:
    events = [(S, page % 7, 200 + 300 * page) for page in range(10)]
    one = replay(columns(events), "zram.writeback", host(1000))  # type: ignore[arg-type]
    two = replay(columns(events), "zram.basic", host(1000))  # type: ignore[arg-type]
    assert (one.found == two.found).all()
    assert one.pool_bytes == two.pool_bytes
