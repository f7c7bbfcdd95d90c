"""Swap writes that zram fails at its mem_limit: no stores of the pool, and no hits; zram counts them too."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tmemlab.datasets.trace.read import Trace
from tmemlab.datasets.trace.schema import Op, Where

from .conftest import Swap
from .oracle import TMEMLAB, collect, loads_in, stores_in

pytestmark = pytest.mark.live

OUT = 6_007
"""Pages of which about half are taken."""
BASE = Path("/sys/block/zram0")


def io_stat() -> int:
    return int((BASE / "io_stat").read_text().split()[1])


def test_a_failed_write_is_recorded_as_one(
    swap: Swap, swapper: Path, zram_device: Callable[[str], Path], tmp_path: Path
) -> None:
    zram = zram_device("60M")
    subprocess.run(["swapon", "-p", "100", zram], check=True)
    (BASE / "mem_limit").write_text("6M")
    try:
        before = io_stat()
        document, moved = collect(tmp_path / "trace", "--", swapper, "known", str(OUT), str(OUT), "1")
        failed = io_stat() - before
    finally:
        subprocess.run(["swapoff", zram], check=True)
        (BASE / "mem_limit").write_text("0")
    assert document["complete"], document
    trace = Trace.open(tmp_path / "trace")
    events = trace.events("op", "where")
    stores = events["op"] == Op.STORE
    recorded = int(np.count_nonzero(stores & (events["where"] == Where.FAILED)))
    assert failed > 1000
    assert abs(recorded - failed) <= stores_in(moved) - stores_in(document["kernel"])
    assert trace.manifest.extra["failed_writes"] == {"recorded": recorded, "zram": failed}
    assert np.count_nonzero(stores) == stores_in(document["kernel"])
    assert np.count_nonzero(events["op"] == Op.LOAD) == loads_in(document["kernel"])

    said = subprocess.run(
        [*TMEMLAB, "validate", tmp_path / "trace", "--json", "-"], capture_output=True, text=True, check=True
    )
    judged = json.loads(said.stdout)
    assert judged["policy"]["name"] == "zram.basic"
    assert judged["measured"]["stores_failed"] == recorded
    taken = int(np.count_nonzero(stores)) - recorded
    assert judged["measured"]["stores_accepted"] <= taken
    assert judged["predicted"]["stores_failed"] == pytest.approx(recorded, rel=0.05)
    assert judged["predicted"]["stores_accepted"] == pytest.approx(taken, rel=0.05)
