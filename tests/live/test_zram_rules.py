"""zram's own rules, with /dev/zram0 as the judge: what its limit takes, and what zsmalloc makes of objects."""

import contextlib
import fcntl
import mmap
import os
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.replay.build import I, S, columns, host, replay
from tmemlab.datasets.trace.schema import Where
from tmemlab.policies.zram.basic import ZramBasic
from tmemlab.world.host import DISKS, Costs, Host

pytestmark = pytest.mark.live

BASE = Path("/sys/block/zram0")
RAM = 1 << 16
"""Pages of the replay's host."""
BLKDISCARD = 0x1277

Maker = Callable[[str], Path]


class Device:
    """Pages of zram0, written and freed one by one past the page cache."""

    def __init__(self) -> None:
        self._file = os.open("/dev/zram0", os.O_RDWR | os.O_DIRECT)
        self._buffer = mmap.mmap(-1, 4096)

    def write(self, page: int, content: bytes) -> bool:
        """Whether the device took it."""
        self._buffer[:] = content
        try:
            return os.pwritev(self._file, [self._buffer], page * 4096) == 4096
        except OSError:
            return False

    def free(self, page: int) -> None:
        fcntl.ioctl(self._file, BLKDISCARD, struct.pack("QQ", page * 4096, 4096))

    def close(self) -> None:
        os.close(self._file)


@contextlib.contextmanager
def fresh(limit: int = 0) -> Iterator[Device]:
    """An empty zram0 with a limit in bytes."""
    (BASE / "reset").write_text("1")
    (BASE / "disksize").write_text("64M")
    (BASE / "mem_limit").write_text(str(limit))
    device = Device()
    try:
        yield device
    finally:
        device.close()
        (BASE / "mem_limit").write_text("0")


def mm_stat() -> tuple[int, int]:
    """Compressed bytes, and pages of the allocator."""
    fields = [int(word) for word in (BASE / "mm_stat").read_text().split()]
    return fields[1], fields[2] // 4096


def failed_writes() -> int:
    return int((BASE / "io_stat").read_text().split()[1])


def content(dice: random.Random, length: int) -> bytes:
    """A page of which ``length`` bytes do not compress."""
    return dice.randbytes(length) + bytes(4096 - length)


def lengths_of(pages: list[bytes]) -> list[int]:
    """What the kernel's compressor makes of each page: mm_stat grows by that much."""
    found, before = [], 0
    with fresh() as device:
        for number, page in enumerate(pages):
            assert device.write(number, page)
            now, _ = mm_stat()
            found.append(now - before)
            before = now
    return found


def limited(limit: int) -> ZramBasic:
    return ZramBasic(mem_limit_percent=100 * limit / (RAM * 4096))


LENGTHS = {
    "one page, two halves": [1900] * 4,
    "ten pages, nine in eight": [3560] * 14,
    "all lengths": random.Random(5).choices(range(100, 4096), k=400),
    "raw pages": [4096] * 40,
}


@pytest.mark.parametrize(
    ("what", "limit"),
    [("one page, two halves", 4096), ("one page, two halves", 1), ("one page, two halves", 8192),
     ("ten pages, nine in eight", 10 * 4096), ("all lengths", 77 * 4096), ("all lengths", 200 * 4096 + 1),
     ("raw pages", 33 * 4096)],
)  # fmt: skip
def test_a_limit_takes_what_the_kernel_takes(zram_device: Maker, what: str, limit: int) -> None:
    dice = random.Random(11)
    pages = [content(dice, length) for length in LENGTHS[what]]
    lengths = lengths_of(pages)
    with fresh(limit) as device:
        before = failed_writes()
        taken = [device.write(number, page) for number, page in enumerate(pages)]
        failed, (_, held) = failed_writes() - before, mm_stat()
    assert failed == taken.count(False) > 0 or limit == 8192
    row = replay(
        columns([(S, number, length) for number, length in enumerate(lengths)]), limited(limit), host(RAM)
    )
    assert [where == Where.POOL for where in row.found] == taken
    assert row.stores["refused"] == failed
    assert held <= -(-limit // 4096)


def test_holes_are_the_kernels(zram_device: Maker) -> None:
    """Pages come and go in any order; at every look the allocator has as many pages as in the replay."""
    dice = random.Random(3)
    kinds = [content(dice, length) for length in dice.choices(range(100, 3600), k=60)]
    lengths = lengths_of(kinds)
    events: list[tuple[int, int, int]] = []
    looks: dict[int, int] = {}
    held: set[int] = set()
    with fresh() as device:
        for step in range(6000):
            page = dice.randrange(1500)
            if page in held and dice.random() < 0.7:
                device.free(page)
                held.discard(page)
                events.append((I, page, 0))
            else:
                kind = dice.randrange(len(kinds))
                if page in held:  # zram frees the old object once it has the new one; a swap slot is freed before
                    device.free(page)
                    events.append((I, page, 0))
                assert device.write(page, kinds[kind])
                held.add(page)
                events.append((S, page, lengths[kind]))
            if step % 500 == 499:
                looks[len(events)] = mm_stat()[1]
    first = {page: number for number, page in enumerate(dict.fromkeys(page for _, page, _ in events))}
    cols = columns([(op, first[page], length) for op, page, length in [*events, (I, events[0][1], 0)]])
    at = np.array(list(looks), np.int64)
    plenty = np.full(len(at), RAM)
    balance = np.stack([cols.t[at], plenty, 0 * plenty, plenty], axis=1)
    on = Host(
        RAM, RAM, 1, 2, 3, np.ascontiguousarray(balance), 0 * plenty, DISKS["ssd"], Costs(), plenty
    )  # fmt: skip
    row = replay(cols, ZramBasic(), on)
    assert row.series[:, 2].tolist() == list(looks.values())
