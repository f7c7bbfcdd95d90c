"""Pages that were read and not written: against plain Python, by hand, and counted."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tmemlab.datasets.trace.schema import Flag, Op, Where
from tmemlab.replay.inputs.columns import _SURVEYED, _survey
from tmemlab.replay.inputs.unwritten import DROPPED, ENOUGH, RETRIED, UNKNOWN_SHARE, UNWRITTEN, habits

from .build import I, L, S, columns, host, replay

STAYS = int(Flag.COPY_STAYS)

EVENTS = st.lists(
    st.tuples(st.sampled_from(list(Op)), st.integers(0, 5), st.sampled_from([Where.POOL, Where.DISK, Where.ZERO])),
    min_size=1, max_size=60,
)  # fmt: skip


def survey(
    op: np.ndarray, page: np.ndarray, where: np.ndarray, residence: int, share: float, keeps: bool = False
) -> np.ndarray:
    flags, nothing = np.zeros(len(op), np.uint8), np.zeros(len(op), np.uint16)
    events = op, page, where, nothing, flags
    _survey(events, np.zeros(6, _SURVEYED), np.zeros(3, np.int64), residence, int(share * 2**16), keeps)
    return flags


def arrays(events: list[tuple[Op, int, Where]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    op, page, where = (np.array(column) for column in zip(*events, strict=True))
    return op.astype(np.uint8), page.astype(np.uint32), where.astype(np.uint8)


@settings(deadline=None)
@given(EVENTS, st.integers(1, 10), st.sampled_from([0.0, 1.0]), st.booleans())
def test_bits_equal_those_of_a_twin(
    events: list[tuple[Op, int, Where]], residence: int, share: float, keeps: bool
) -> None:
    expected = [0] * len(events)
    for i, (op, page, where) in enumerate(events):
        if op != Op.LOAD:
            continue
        after = next((j for j in range(i + 1, len(events)) if events[j][1] == page), None)
        late = (len(events) if after is None else after) - i > residence
        following = None if after is None else events[after][0]
        if following == Op.LOAD:
            expected[i] |= STAYS | DROPPED * late
        elif following == Op.STORE and where == Where.POOL and share == 1 and not keeps:
            expected[after] |= UNWRITTEN * (events[after][2] != Where.ZERO)
        elif following != Op.STORE and (where == Where.DISK or (keeps and where == Where.POOL)) and late:
            expected[i] |= DROPPED
    assert survey(*arrays(events), residence, share, keeps).tolist() == expected


def test_the_share_drawn_is_the_share_asked_for() -> None:
    page = np.arange(30_000, dtype=np.uint32) // 3 % 6
    op = np.tile(np.array([S, L, S], np.uint8), 10_000)
    flags = survey(op, page, np.zeros(30_000, np.uint8), 5, 0.25)
    assert abs((flags[2::3] == UNWRITTEN).mean() - 0.25) < 0.02  # 4.6 deviations of a binomial
    assert not flags[:2].any()


def test_habits_by_hand() -> None:
    # Each page is loaded from disk and stored 6 rows later, or loaded again; one of four is written.
    rows = [(S, p) for p in range(4)]
    for _ in range(ENOUGH):
        rows += [(L, p) for p in range(4)] + [(I, 9)] * 2 + [(S, 0)]
    op, page = (np.array(column) for column in zip(*rows, strict=True))
    on_disk = np.full(len(op), int(Where.DISK), np.uint8)
    residence, unwritten = habits(op.astype(np.uint8), page.astype(np.uint32), on_disk, 10)
    assert residence == 6
    assert abs(unwritten - 3 / 4) < 0.01
    in_pool = np.zeros(len(op), np.uint8)
    assert habits(op.astype(np.uint8), page.astype(np.uint32), in_pool, 10) == (6, UNKNOWN_SHARE)
    assert habits(op[:4].astype(np.uint8), page[:4].astype(np.uint32), in_pool[:4], 10)[0] == 0


def test_a_page_from_the_pool_is_stored_again_when_it_left() -> None:
    # Recorded: page 0 comes from disk at row 1, is dropped two rows later, read again at row 5.
    cols = columns([(S, 0), (L, 0), (S, 1), (S, 2), (S, 3), (L, 0)])
    cols.flags[1] = STAYS | DROPPED
    cols = replace(cols, residence=2)
    row = replay(cols, "zswap.v6_18")
    assert row.loads["pool"] == 2
    assert (row.stores["again"], row.stores["accepted"]) == (1, 5)
    # Of ten pages of RAM the pool may have two: page 1 and, before the store at row 3, page 0 again. So page 2 is
    # rejected, and the worker, a millisecond per event, empties the pool down to its threshold until page 3 comes.
    row = replay(cols, "zswap.v6_18:accept_threshold_percent=0", host(10, free=1000))
    assert row.found.tolist() == [Where.POOL, Where.POOL, Where.POOL, Where.REJECTED, Where.POOL, Where.DISK]
    assert row.writeback["pages"] == 2
    # A pool that keeps what it gives back stores nothing again.
    assert replay(cols, "zswap.v5_6").stores["again"] == 0


def test_a_page_read_again_before_its_time_is_stored_at_once() -> None:
    cols = columns([(S, 0), (L, 0), (L, 0)])
    cols.flags[1] = STAYS
    row = replay(replace(cols, residence=5), "zswap.v6_18")
    assert (row.stores["again"], row.loads["pool"]) == (1, 2)


def test_a_page_on_disk_that_was_not_written_stays_there() -> None:
    # Recorded: from the pool and stored again; here the pool has no room, so that its copy on disk is still good.
    cols = columns([(S, 0), (L, 0), (S, 0), (L, 0)])
    cols.flags[2] = UNWRITTEN
    cols = replace(cols, residence=9)
    row = replay(cols, "zswap.v6_18:max_pool_percent=0")
    assert row.found.tolist() == [Where.REJECTED, Where.DISK, Where.DISK, Where.DISK]
    assert (row.stores["rejected"], row.stores["unwritten"]) == (1, 1)
    # Where the pool has it, it was made dirty: stored as recorded.
    row = replay(cols, "zswap.v6_18")
    assert (row.stores["accepted"], row.stores["unwritten"]) == (2, 0)


@settings(deadline=None)
@given(EVENTS, st.integers(1, 10), st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.5, 5.0, 100.0]))
def test_every_page_that_leaves_ram_is_counted_once(
    events: list[tuple[Op, int, Where]], residence: int, share: float, percent: float
) -> None:
    cols = columns([(int(op), page) for op, page, _ in events], clen=2048)
    cols.flags[:] = survey(*arrays(events), residence, share)
    row = replay(replace(cols, residence=residence), f"zswap.v6_18:max_pool_percent={percent}", host(200))
    stores = row.stores
    left = cols.stores - stores["unwritten"] + stores["again"]
    assert stores["accepted"] + stores["rejected"] + stores["zero"] + stores["refused"] == left
    assert sum(row.loads.values()) == cols.loads


def test_a_pool_that_keeps_its_copy_is_spared_the_store_as_the_disk_is() -> None:
    """Eras on equal terms: what a copy spares depends on where it is, not on whose it is."""
    cols = columns([(S, 0), (L, 0), (S, 0), (L, 0)], clen=1000)
    cols.flags[2] = UNWRITTEN
    cols = replace(cols, residence=9)
    for policy in ("tmem.frontswap", "zswap.v6_5:zpool=zsmalloc", "zram.basic:free_on_load=off"):
        row = replay(cols, policy)
        assert (row.stores["accepted"], row.stores["unwritten"], row.loads["pool"]) == (1, 1, 2), policy
    for policy in (
        "tmem.frontswap:exclusive_gets=on",
        "zswap.v6_5:zpool=zsmalloc,exclusive_loads=on",
        "zram.basic",
    ):
        row = replay(cols, policy)
        assert (row.stores["accepted"], row.stores["unwritten"], row.loads["pool"]) == (2, 0, 2), policy
    assert replay(cols, "order.lru").stores["accepted"] == 2  # what was recorded, as it was


def test_a_store_that_failed_is_not_tried_again_where_it_was_taken() -> None:
    cols = columns([(S, 0), (S, 0), (S, 0), (L, 0)], clen=1000)
    cols.where[:2] = int(Where.FAILED)
    cols.flags[:] = survey(cols.op, cols.page, cols.where, 0, 0.0)
    assert cols.flags.tolist() == [0, RETRIED, RETRIED, 0]
    row = replay(cols, "zswap.v6_18")
    assert (row.stores["accepted"], row.stores["unwritten"], row.loads["pool"]) == (1, 2, 1)
    row = replay(cols, "zram.basic:mem_limit_percent=0.00001", host(100))
    assert (row.stores["refused"], row.loads["refused"], row.hit_rate) == (3, 1, 0.0)
