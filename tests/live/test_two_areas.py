"""zram beside a file: which of them each page went to, against zram's own counters and /proc/swaps."""

import contextlib
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tmemlab.datasets.trace.read import Trace
from tmemlab.datasets.trace.schema import Op

from .conftest import Swap
from .oracle import TMEMLAB, collect, loads_in, stores_in

pytestmark = pytest.mark.live

OUT = 14_983
"""Pages, more than 40 MiB hold."""


def page_counts() -> tuple[int, int]:
    """Pages that zram0 has read and written, by its sectors."""
    fields = [int(word) for word in Path("/sys/block/zram0/stat").read_text().split()]
    return fields[2] // 8, fields[6] // 8


def used_kib(device: str) -> int:
    rows = [line.split() for line in Path("/proc/swaps").read_text().splitlines()[1:]]
    return next(int(used) for name, _, _, used, _ in rows if name == device)


def swap_file(path: Path, size: str) -> Path:
    subprocess.run(["fallocate", "-l", size, path], check=True)
    path.chmod(0o600)
    subprocess.run(["mkswap", "-q", path], check=True)
    return path


@contextlib.contextmanager
def swapped_on(*areas: tuple[Path, int]) -> Iterator[None]:
    """Areas with their priorities, in this order, after a number that is free again by then."""
    hole = swap_file(Path("/var/tmp/tmemlab-hole.swap"), "8M")
    subprocess.run(["swapon", hole], check=True)
    on: list[Path] = []
    try:
        for area, priority in areas:
            subprocess.run(["swapon", "-p", str(priority), area], check=True)
            on.append(area)
        subprocess.run(["swapoff", hole], check=True)
        yield
    finally:
        for area in on:
            subprocess.run(["swapoff", area], check=True)
        hole.unlink()


@pytest.mark.parametrize(
    ("zram_first", "zram_size"), [(True, "40M"), (False, "40M"), (False, "24M")],
    ids=["zram first", "file first", "sizes differ"],
)  # fmt: skip
def test_every_slot_is_on_its_device(
    swap: Swap, swapper: Path, zram_device: Callable[[str], Path], tmp_path: Path, zram_first: bool, zram_size: str
) -> None:
    zram, file = zram_device(zram_size), swap_file(Path("/var/tmp/tmemlab-second.swap"), "40M")
    areas = [(zram, 100), (file, 50)]
    try:
        with swapped_on(*(areas if zram_first else areas[::-1])):
            before = page_counts()
            shell = f"{swapper} known {OUT} {OUT} 1"
            document, moved = collect(tmp_path / "trace", "--", "sh", "-c", shell)
            read, written = (now - then for now, then in zip(page_counts(), before, strict=True))
            on_file_kib = used_kib(str(file))
    finally:
        file.unlink()
    assert document["complete"], document
    trace = Trace.open(tmp_path / "trace")
    by_name = {Path(area.device).name: row for row, area in enumerate(trace.manifest.swap)}
    assert trace.manifest.swap[by_name["zram0"]].type == "zram"
    assert trace.manifest.extra["swap_type_numbers"] == "read from the kernel"
    events = trace.events("op", "slot")
    row = events["slot"] >> 28
    on_zram = row == by_name["zram0"]
    stores, loads = events["op"] == Op.STORE, events["op"] == Op.LOAD
    # zram and /proc/vmstat were read a moment before and after: what swapped then is in no trace
    inside = document["kernel"]
    early_or_late = stores_in(moved) - stores_in(inside), loads_in(moved) - loads_in(inside)
    on_file = row == by_name["tmemlab-second.swap"]
    assert 0 <= written - np.count_nonzero(stores & on_zram) <= early_or_late[0]
    assert 0 <= read - np.count_nonzero(loads & on_zram) <= early_or_late[1]
    assert max(early_or_late) < 100
    assert np.count_nonzero(stores & on_zram) > 5000  # both devices had their part
    assert np.count_nonzero(stores & on_file) > 1000
    assert np.count_nonzero(stores & (on_zram | on_file)) == stores_in(inside)
    assert np.count_nonzero(loads & (on_zram | on_file)) == loads_in(inside)
    assert on_file_kib <= 4 * np.count_nonzero(stores & ~on_zram)

    said = subprocess.run(
        [*TMEMLAB, "validate", tmp_path / "trace", "--json", "-"], capture_output=True, text=True, check=True
    )
    judged = json.loads(said.stdout)
    assert judged["measured"]["loads_pool"] == np.count_nonzero(loads & on_zram)
    assert judged["predicted"]["loads_pool"] == pytest.approx(read, abs=0.01 * read)
    info = subprocess.run([*TMEMLAB, "datasets", "info", tmp_path / "trace"], capture_output=True, text=True)
    assert "zram" in info.stdout
