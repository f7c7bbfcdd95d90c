"""Backing stores by hand, and what the text of a stack may be."""

import pytest

from tmemlab.datasets.trace.schema import Where
from tmemlab.errors import InvalidInputError
from tmemlab.policies.catalogue import parse_policy
from tmemlab.policies.interface import Policy
from tmemlab.replay.scores.row import Score, StormPlan
from tmemlab.replay.scores.score import score
from tmemlab.world.reclaim import W_REMOTE
from tmemlab.world.stack import parse_stack

from .build import L, S, columns, host, replay

GIB = 2**30
PAGE = 4096
POOL, DISK, REMOTE = int(Where.POOL), int(Where.DISK), W_REMOTE


def through(events: list[tuple[int, int]], policy: str | Policy, stack: str, clen: int = 4096) -> Score:
    chosen = parse_policy(policy) if isinstance(policy, str) else policy
    return score(
        columns(events, clen=clen), host(), chosen, StormPlan(storms=0), keep_found=True,
        stack=parse_stack(stack, GIB),
    )  # fmt: skip


def test_pages_trickle_down_oldest_first() -> None:
    # Room for two pages in the pool, three at the neighbour: of 0..7, stored in turn, 6 and 7 are in the pool, 3,
    # 4 and 5 at the neighbour, 0, 1 and 2 on disk.
    stores, loads = [(S, page) for page in range(8)], [(L, page) for page in range(8)]
    row = through([*stores, *loads], "order.fifo:max_pool_pages=2", "ram,remote:12K,disk")
    assert row.found[8:].tolist() == [DISK] * 3 + [REMOTE] * 3 + [POOL] * 2
    assert row.loads == {"pool": 2, "remote": 3, "disk": 3, "zero": 0, "resident": 0, "refused": 0}
    remote, disk = row.levels
    assert (remote["entered_pages"], remote["loads"], remote["peak_bytes"]) == (6, 3, 3 * PAGE)
    assert (disk["entered_pages"], disk["written_bytes"], disk["read_bytes"]) == (3, 3 * PAGE, 3 * PAGE)
    # The neighbour's RAM is read for the loads and for what it hands to the disk.
    assert remote["read_bytes"] == 6 * PAGE
    assert row.device_bytes == {"read": 3 * PAGE, "written": 3 * PAGE}
    assert row.hit_rate == 2 / 8  # the neighbour's RAM is not this host's
    assert row.ram_rate == 5 / 8


def test_compressed_bytes_travel_as_they_are_unless_a_store_takes_pages() -> None:
    stores = [(S, page) for page in range(10)]
    plain = through(stores, "bounds.none", "ram,disk", clen=1000)
    packed = through(stores, "bounds.none", "ram,disk@compressed@packed", clen=1000)
    assert plain.levels[0]["held_bytes"] == 10 * PAGE
    assert packed.levels[0]["held_bytes"] == 10 * 1000


def test_a_store_above_the_pool_takes_pages_first() -> None:
    stores = [(S, page) for page in range(6)]
    row = through(
        [*stores, *[(L, page) for page in range(6)]], "order.fifo:max_pool_pages=2", "remote:8K,ram,disk@nvme"
    )
    # 4 and 5 at the neighbour, 2 and 3 in the pool, 0 and 1 on disk.
    assert row.found[6:].tolist() == [DISK] * 2 + [POOL] * 2 + [REMOTE] * 2


def test_what_the_last_store_has_no_room_for_stays_in_ram() -> None:
    stores = [(S, page) for page in range(5)]
    row = through([*stores, *[(L, page) for page in range(5)]], "bounds.none", "ram,disk:12K")
    assert row.stores["rejected"] == 3 and row.stores["refused"] == 2
    assert row.loads["disk"] == 3 and row.loads["refused"] == 2 and row.hit_rate == 0


def test_a_slow_store_makes_its_readers_wait() -> None:
    events = [(S, 0), (L, 0)]
    far = through(events, "bounds.none", "ram,remote@5ms,disk").load_latency_us["p50"]
    close = through(events, "bounds.none", "ram,remote@5us,disk").load_latency_us["p50"]
    assert far is not None and close is not None and far > 5000 > 100 > close


def test_sizes_may_be_shares_of_ram_and_details_add_up() -> None:
    stack = parse_stack("ram:25%,remote:1G@40us@2.5GB/s@plain,disk:2G@hdd@compressed", GIB)
    assert stack.pool_bytes == GIB // 4 and stack.above == 0
    remote, disk = stack.levels
    assert (remote.capacity, remote.latency_ns, remote.bytes_per_s, remote.compressed) == (
        GIB, 40_000, 2_500_000_000, False,
    )  # fmt: skip
    assert (disk.capacity, disk.latency_ns, disk.compressed) == (2 * GIB, 8_000_000, True)


@pytest.mark.parametrize(
    "text",
    [
        "disk", "ram", "ram,ram,disk", "disk,ram", "ram,tape", "ram,disk@fast", "ram@5us,disk", "ram,disk:1K",
        "ram,remote@0B/s,disk", "ram,disk@compressed@1024", "ram,disk@512",
        "ram," + ",".join(["disk"] * 8), "", "ram,,disk",
    ],
)  # fmt: skip
def test_a_stack_that_makes_no_sense_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        parse_stack(text, GIB)
    assert "\n" not in str(error.value)


UNITS = [(4096, "4096", 4096), (512, "512", 1024), (1, "packed", 1000)]
"""Of a device, as a word, and what a page of 1000 compressed bytes takes there."""


@pytest.mark.parametrize(("unit", "word", "size"), UNITS)
def test_compressed_bytes_come_back_as_they_went(unit: int, word: str, size: int) -> None:
    # The pool has room for a zspage: every store writes back what is in it, so 29 of 30 pages are on disk at the
    # end.
    events = [*[(S, page) for page in range(30)], *[(L, page) for page in range(30)]]
    policy = "vm.pressure:max_pool_pages=1"
    row = replay(columns(events, clen=1000), policy, host(unit=unit))
    out = row.writeback["pages"]
    assert (out, row.loads["disk"], row.stores["rejected"]) == (29, 29, 0)
    assert row.writeback["bytes"] == row.device_bytes["written"] == row.device_bytes["read"] == 29 * size
    assert row.cpu_s["decompress"] == pytest.approx(30 * 2.5e-6)  # each page once, when it is read
    assert row.load_latency_us["p50"] > replay(columns(events, clen=1000), "bounds.none").load_latency_us["p50"]
    # One path: a stack that ends in such a disk says the same.
    stacked = through(events, policy, f"ram,disk@compressed@{word}", clen=1000)
    for key in ("writeback", "device_bytes", "cpu_s", "load_latency_us", "loads", "stores"):
        assert getattr(stacked, key) == getattr(row, key)


def test_whole_pages_are_decompressed_when_they_are_written() -> None:
    events = [*[(S, page) for page in range(30)], *[(L, page) for page in range(30)]]
    row = replay(columns(events, clen=1000), "vm.pressure:max_pool_pages=1,compressed_writeback=off", host(unit=1))
    assert row.device_bytes == {"read": 29 * PAGE, "written": 29 * PAGE}
    assert row.cpu_s["decompress"] == pytest.approx(30 * 2.5e-6)
