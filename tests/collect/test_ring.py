"""Draining a ring: against a file that is laid out as the kernel lays one out."""

import mmap
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from tmemlab.collect.recording.ring import Ring
from tmemlab.collect.records import RECORD

SIZE, PAGE, SLOT = 4096, mmap.PAGESIZE, 64
BUSY, DISCARDED = 1 << 31, 1 << 30


class FakeRing:
    """The three areas in a file, the data written twice as the double mapping shows it."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(2 * PAGE + 2 * SIZE))
        self.file = os.open(path, os.O_RDWR)
        self.produced = 0

    def put(self, t: int, bits: int = 0) -> int:
        record = np.zeros(1, RECORD)
        record["t"] = t
        data = struct.pack("<II", RECORD.itemsize | bits, 0) + record.tobytes()
        at = self.produced % SIZE
        for copy in (0, SIZE):
            os.pwrite(self.file, data, 2 * PAGE + copy + at)
        self.produced += SLOT
        os.pwrite(self.file, struct.pack("<Q", self.produced), PAGE)
        return at

    def mark(self, at: int, bits: int) -> None:
        for copy in (0, SIZE):
            os.pwrite(self.file, struct.pack("<I", RECORD.itemsize | bits), 2 * PAGE + copy + at)

    def consumed(self) -> int:
        return int(struct.unpack("<Q", os.pread(self.file, 8, 0))[0])


@pytest.fixture
def fake(tmp_path: Path) -> FakeRing:
    return FakeRing(tmp_path / "ring")


def test_everything_once_and_in_order_across_the_wrap(fake: FakeRing) -> None:
    ring, got, sent = Ring(fake.file, SIZE), [], 0
    for batch in (3, 40, 1, 60, 63, 64, 17):
        for _ in range(batch):
            fake.put(sent)
            sent += 1
        assert ring.backlog() == batch
        got += ring.drain()["t"].tolist()
        assert fake.consumed() == fake.produced
    assert got == list(range(sent))
    assert len(ring.drain()) == 0


def test_a_busy_record_holds_back_what_follows(fake: FakeRing) -> None:
    ring = Ring(fake.file, SIZE)
    fake.put(1)
    at = fake.put(2, BUSY)
    fake.put(3)
    assert ring.drain()["t"].tolist() == [1]
    assert ring.drain()["t"].tolist() == []
    fake.mark(at, 0)
    assert ring.drain()["t"].tolist() == [2, 3]


def test_discarded_records_are_skipped(fake: FakeRing) -> None:
    ring = Ring(fake.file, SIZE)
    fake.put(1, DISCARDED)
    fake.put(2)
    fake.put(3, DISCARDED)
    assert ring.drain()["t"].tolist() == [2]
    assert fake.consumed() == fake.produced


def test_a_size_that_is_no_power_of_two_is_refused(fake: FakeRing) -> None:
    with pytest.raises(ValueError, match="power of two"):
        Ring(fake.file, 5000)
