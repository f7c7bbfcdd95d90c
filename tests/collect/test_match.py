"""Matching against hand-made records and against a slow model of the same rules."""

from typing import Any

import numpy as np
import pytest

from tmemlab.collect.matching.matcher import match
from tmemlab.collect.matching.settle import TALLIES, rounded, settle_backward, settle_forward
from tmemlab.collect.matching.state import (
    N_FREES,
    N_PAGES,
    N_ZSWAP,
    OP_DROPPED,
    OP_PRESSURE,
    ROW,
    State,
    new_state,
)
from tmemlab.collect.matching.table import reserve
from tmemlab.collect.records import RECORD, Kind, RecordFlag
from tmemlab.datasets.trace.schema import Flag, Op, Pressure, Where

MM = 0xFFFF888000123000
BASE = 0x7F1234567


def record(kind: Kind, **values: Any) -> Any:
    made = np.zeros(1, RECORD)
    made["kind"], made["pages"], made["tail"], made["phase"], made["where"] = kind, 1, 0xFFFF, 1, 4
    for name, value in values.items():
        made[name] = value
    return made


def store(t: int, vpn: int, slot: int, mm: int = MM, where: Where = Where.POOL, **more: Any) -> Any:
    flags = RecordFlag.ANON | more.pop("flags", 0)
    return record(Kind.STORE, t=t, mm=mm, address=vpn, entry=slot, where=where, flags=flags, pid=7, **more)


def load(t: int, vpn: int, slot: int, mm: int = MM, where: Where = Where.POOL, **more: Any) -> Any:
    return record(Kind.LOAD, t=t, mm=mm, address=vpn << 12, entry=slot, where=where, pid=7, **more)


def run(*records: Any, room: int = 1000, zswap: bool = True) -> tuple[Any, State]:
    """Rows with final pages, events only."""
    joined = np.concatenate(records)
    state = reserve(new_state(1, 200, 1), len(joined), int(joined["pages"].sum()) + len(joined))
    state.numbers[N_ZSWAP] = zswap
    out, rows = np.zeros(room, ROW), []
    rest = joined
    while len(rest):
        done, written = match(rest, state, out)
        rows.append(out[:written].copy())
        rest = rest[done:]
    matched = np.concatenate(rows)
    pages = int(state.numbers[N_PAGES])
    tally = np.zeros(TALLIES, np.int64)
    settle_backward(
        matched, np.full(pages, 255, np.uint8), np.full(pages, 0xFFFF, np.uint16),
        np.full(pages, 0xFFFFFFFF, np.uint32), np.zeros(pages, np.uint8), tally,
    )  # fmt: skip
    settle_forward(
        matched, np.full(pages, -1), np.zeros(pages, np.int64), np.full(pages, 0xFFFF, np.uint16),
        np.zeros(pages, np.uint8), 0, tally,
    )  # fmt: skip
    return matched[matched["op"] <= Op.INVALIDATE], state


def brief(rows: Any) -> list[tuple[str, int]]:
    return [(Op(row["op"]).name[0], int(row["page"])) for row in rows]


def test_a_load_finds_the_page_that_its_slot_holds() -> None:
    rows, _ = run(store(1, BASE, 50), store(2, BASE + 9, 51), load(3, BASE + 9, 51), load(4, BASE, 50))
    assert brief(rows) == [("S", 0), ("S", 1), ("L", 1), ("L", 0)]


def test_a_page_that_was_out_before_the_recording_is_marked_once() -> None:
    rows, _ = run(load(1, BASE, 50), load(2, BASE, 50), store(3, BASE + 1, 51), load(4, BASE + 1, 51))
    assert [int(f) & Flag.BEFORE for f in rows["flags"]] == [Flag.BEFORE, 0, 0, 0]


@pytest.mark.parametrize(("first", "last"), [(1, 4), (250, 260), (255, 257), (1000, 1205)])
def test_phases_are_told_apart_by_their_low_byte(first: int, last: int) -> None:
    """What was half done at the first cut, and what comes after the last, is no event of the recording."""
    phases = [first - 40, first - 1, first, last - 1, last, last + 9]
    stores = [store(i, BASE + i, 50 + i, phase=phase & 0xFF) for i, phase in enumerate(phases) if phase >= 0]
    state = reserve(new_state(first, last, 1), len(stores), 2 * len(stores))
    out = np.zeros(100, ROW)
    _, written = match(np.concatenate(stores), state, out)
    inside = [i for i, phase in enumerate(phases) if first <= phase < last]
    assert out[:written]["t"].tolist() == inside


def test_a_page_that_was_half_stored_at_the_first_cut_and_only_goes_is_none_of_the_recording() -> None:
    gone = record(Kind.UNMAP, t=3, mm=MM, address=BASE << 12, entry=(BASE + 2) << 12)
    rows, _ = run(store(1, BASE, 50, phase=0), store(2, BASE + 1, 51), gone)
    assert brief(rows) == [("S", 0), ("I", 0)]
    rows, _ = run(store(1, BASE, 50, phase=0), load(2, BASE, 50), gone)
    assert brief(rows) == [("L", 0), ("I", 0)]


def test_read_ahead_needs_no_address_of_its_own() -> None:
    rows, _ = run(store(1, BASE, 50), store(2, BASE + 1, 51), load(3, BASE, 50), load(3, BASE, 51))
    assert brief(rows) == [("S", 0), ("S", 1), ("L", 0), ("L", 1)]
    assert [int(f) & Flag.READAHEAD for f in rows["flags"]] == [0, 0, 0, Flag.READAHEAD]


def test_a_page_keeps_its_id_in_another_slot() -> None:
    rows, _ = run(store(1, BASE, 50), load(2, BASE, 50), store(3, BASE, 77), load(4, BASE, 77))
    assert brief(rows) == [("S", 0), ("L", 0), ("S", 0), ("L", 0)]


def test_a_slot_given_to_another_page_invalidates_the_first() -> None:
    rows, _ = run(store(1, BASE, 50), load(2, BASE, 50), store(3, BASE + 1, 50))
    assert brief(rows) == [("S", 0), ("L", 0), ("I", 0), ("S", 1)]


def test_the_same_address_of_two_processes_is_two_pages() -> None:
    rows, _ = run(store(1, BASE, 50), store(2, BASE, 51, mm=MM + 4096), load(3, BASE, 51, mm=MM + 4096))
    assert brief(rows) == [("S", 0), ("S", 1), ("L", 1)]


def test_a_child_loads_its_parents_page() -> None:
    fork = record(Kind.FORK, t=2, mm=MM + 4096, address=MM)
    rows, _ = run(store(1, BASE, 50), fork, load(3, BASE, 50, mm=MM + 4096))
    assert brief(rows) == [("S", 0), ("L", 0)]


def test_unmapping_invalidates_exactly_the_range() -> None:
    stores = [store(i, BASE + i, 50 + i) for i in range(6)]
    gone = record(Kind.UNMAP, t=9, mm=MM, address=(BASE + 2) << 12, entry=(BASE + 4) << 12)
    rows, _ = run(*stores, gone)
    assert brief(rows)[6:] == [("I", 2), ("I", 3)]


def test_a_huge_range_does_too() -> None:
    stores = [store(i, BASE + i, 50 + i) for i in range(6)]
    gone = record(Kind.UNMAP, t=9, mm=MM, address=(BASE + 2) << 12, entry=(BASE + 2_000_000) << 12)
    rows, _ = run(*stores, gone)
    assert sorted(brief(rows)[6:]) == [("I", 2), ("I", 3), ("I", 4), ("I", 5)]


def test_an_invalidate_that_a_load_contradicts_is_dropped() -> None:
    gone = record(Kind.UNMAP, t=2, mm=MM, address=BASE << 12, entry=(BASE + 1) << 12)
    rows, _ = run(store(1, BASE, 50), gone, load(3, BASE, 50))
    assert brief(rows) == [("S", 0), ("L", 0)]


def test_exit_invalidates_everything_even_in_a_small_buffer() -> None:
    stores = [store(i, BASE + i, 50 + i) for i in range(40)]
    rows, _ = run(*stores, record(Kind.SPACE_END, t=99, mm=MM), room=8)
    assert len(rows) == 80
    assert sorted(rows["page"][40:].tolist()) == list(range(40))
    assert set(rows["op"][40:].tolist()) == {Op.INVALIDATE}


def test_an_address_space_reused_is_another() -> None:
    rows, _ = run(store(1, BASE, 50), record(Kind.SPACE_END, t=2, mm=MM), store(3, BASE, 60))
    assert brief(rows) == [("S", 0), ("I", 0), ("S", 1)]


def test_files_mapped_privately_do_not_share_pages() -> None:
    """Their index is a page of the file; the anon_vma in the upper bits tells two files apart."""
    one, two = 1 << 63 | 111 << 20 | 5, 1 << 63 | 222 << 20 | 5
    rows, _ = run(store(1, one, 50), store(2, two, 51), load(3, BASE, 50), store(4, one, 90))
    assert brief(rows) == [("S", 0), ("S", 1), ("L", 0), ("S", 0)]


def test_a_large_folio_is_a_row_a_page() -> None:
    rows, _ = run(store(1, BASE, 512, pages=16, flags=RecordFlag.LARGE), load(2, BASE + 3, 515))
    assert len(rows) == 17
    assert (rows["flags"][:16] & Flag.LARGE_FOLIO).all()
    assert brief(rows)[16] == ("L", 3)


def test_two_loads_in_a_row_leave_the_copy() -> None:
    rows, _ = run(store(1, BASE, 50), load(2, BASE, 50), load(3, BASE, 50), store(4, BASE, 50))
    assert [bool(f & Flag.COPY_STAYS) for f in rows["flags"]] == [False, True, False, False]


def test_disk_while_the_pool_is_on_is_rejected() -> None:
    on, _ = run(store(1, BASE, 50, where=Where.DISK))
    off, _ = run(store(1, BASE, 50, where=Where.DISK), zswap=False)
    assert (on["where"][0], off["where"][0]) == (Where.REJECTED, Where.DISK)


def test_records_outside_of_the_cuts_make_no_rows_and_are_remembered() -> None:
    early, late = store(1, BASE, 50), load(9, BASE, 50)
    early["phase"], late["phase"] = 0, 200
    rows, state = run(early, load(2, BASE, 50), late)
    assert brief(rows) == [("L", 0)]
    assert state.counts.tolist() == [0, 0, 1, 0, 0, 0, 0, 0]


def test_a_content_belongs_to_the_store_before_it_and_to_the_loads_of_it() -> None:
    content = record(Kind.CONTENT, t=3, entry=50, tail=1234)
    rows, _ = run(
        store(1, BASE, 50), load(2, BASE, 50), store(3, BASE, 50), content, load(4, BASE, 50), store(5, BASE, 50)
    )
    assert rows["clen"].tolist() == [0xFFFF, 0xFFFF, 1234, 1234, 1234]


def test_a_page_first_seen_by_its_slot_is_joined_to_its_identity() -> None:
    """Two loads of one fault, stored before the recording: the second has no address until its store."""
    rows, _ = run(
        load(1, BASE, 50), load(1, BASE, 51, folio=0xABC000), store(5, BASE + 1, 51, folio=0xABC000),
        load(6, BASE + 1, 51),
    )  # fmt: skip
    assert brief(rows) == [("L", 0), ("L", 1), ("S", 1), ("L", 1)]


@pytest.mark.parametrize("seed", range(8))
def test_random_traffic_equals_a_model_with_the_truth_at_hand(seed: int) -> None:
    """A kernel of dictionaries swaps pages of several processes; every operation must be on the right page."""
    random = np.random.default_rng(seed)
    slots: dict[int, tuple[int, int]] = {}
    where: dict[tuple[int, int], int] = {}
    records, truth = [], []
    for t in range(1, 3000):
        page = (MM + 4096 * int(random.integers(3)), BASE + int(random.integers(60)))
        if page in where and random.random() < 0.6:
            slot = where.pop(page)
            del slots[slot]
            fault = BASE + int(random.integers(60)) if random.random() < 0.3 else page[1]
            records.append(load(t, fault, slot, mm=page[0]))
            truth.append((Op.LOAD, page))
        elif page not in where:
            slot = int(random.integers(1, 4000))
            if slot in slots:
                continue
            slots[slot], where[page] = page, slot
            records.append(store(t, page[1], slot, mm=page[0]))
            truth.append((Op.STORE, page))
    rows, _ = run(*records, room=64)
    kept = rows[rows["op"] != Op.INVALIDATE]
    assert kept["op"].tolist() == [op for op, _ in truth]
    names: dict[int, tuple[int, int]] = {}
    for number, (_, page) in zip(kept["page"].tolist(), truth, strict=True):
        assert names.setdefault(number, page) == page
    assert len(set(names.values())) == len(names)
    assert OP_DROPPED not in rows["op"]


def test_a_freed_slot_invalidates_its_page_once() -> None:
    free = record(Kind.SLOT_FREE, t=3, entry=50)
    again = record(Kind.SLOT_FREE, t=4, entry=50)
    rows, _ = run(store(1, BASE, 50), load(2, BASE, 50), free, again, store(5, BASE, 61))
    assert brief(rows) == [("S", 0), ("L", 0), ("I", 0), ("S", 0)]


def test_a_cluster_of_slots_is_freed_at_once() -> None:
    stores = [store(i, BASE + i, 50 + i) for i in range(6)]
    rows, _ = run(*stores, record(Kind.SLOT_FREE, t=9, entry=51, pages=4))
    assert brief(rows)[6:] == [("I", 1), ("I", 2), ("I", 3), ("I", 4)]


def test_where_frees_are_told_an_exit_invalidates_nothing() -> None:
    state = reserve(new_state(1, 200, 1), 9, 9)
    state.numbers[N_FREES] = 1
    out = np.zeros(100, ROW)
    records = np.concatenate([store(1, BASE, 50), record(Kind.SPACE_END, t=2, mm=MM), store(3, BASE, 51)])
    _, written = match(records, state, out)
    # the address space that follows at the same place is another
    assert [(int(row["op"]), int(row["page"])) for row in out[:written]] == [(Op.STORE, 0), (Op.STORE, 1)]


def test_the_end_of_a_disk_read_belongs_to_the_load_before_it() -> None:
    end = record(Kind.READ_END, t=4, entry=50, latency=7000)
    rows, _ = run(store(1, BASE, 50), load(2, BASE, 50, where=Where.DISK), end, load(5, BASE, 50, latency=90))
    assert rows["latency"].tolist() == [0xFFFFFFFF, 7000, 90]


def test_a_writeback_with_a_slot_is_a_row_of_pressure() -> None:
    state = reserve(new_state(1, 200, 1), 9, 9)
    out = np.zeros(100, ROW)
    told = record(Kind.WRITEBACK, t=2, entry=77, where=Where.DISK)
    of_zram = record(Kind.WRITEBACK, t=3, entry=78, where=Where.DISK, flags=RecordFlag.UNCOUNTED)
    untold = record(Kind.WRITEBACK, t=4, where=Where.DISK)
    _, written = match(np.concatenate([told, of_zram, untold]), state, out)
    assert out["op"][:written].tolist() == [OP_PRESSURE + Pressure.WRITEBACK] * 2
    assert out["slot"][:written].tolist() == [77, 78]
    # zram's own writes to its backing device are none of vmstat's
    assert state.counts[[1, 4]].tolist() == [2, 2]


def test_latencies_keep_six_significant_bits() -> None:
    given = np.array([1, 63, 64, 127, 1000, 123_456_789, 0xFFFFFFFE, 0xFFFFFFFF], np.uint32)
    kept = rounded(given)
    assert kept.tolist() == [1, 63, 64, 126, 992, 123_456_789 >> 21 << 21, 0xFC000000, 0xFFFFFFFF]
    assert ((given - kept) <= given / 32).all()
