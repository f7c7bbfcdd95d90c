"""Recording a part: a sample of pages, one command; everything else is counted and left out inside the kernel."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tmemlab.datasets.trace.read import Trace
from tmemlab.datasets.trace.schema import Op
from tmemlab.datasets.trace.verify import verify

from .conftest import Swap
from .oracle import collect

pytestmark = pytest.mark.live

SHARE = 8


def test_a_sample_is_the_same_pages_throughout(swap: Swap, swapper: Path, tmp_path: Path) -> None:
    swap.pool()
    path = tmp_path / "trace"
    document, _ = collect(
        path, "--sample", f"1/{SHARE}", "--memory-limit", "40M", "--", swapper, "sweep", "110", "4"
    )
    assert document["complete"], document
    assert verify(path) == []
    trace = Trace.open(path)
    assert trace.manifest.ram_bytes == round(trace.manifest.extra["host_ram_bytes"] / SHARE)
    events, pages = trace.events("op", "page"), trace.table("pages")
    left_out = trace.manifest.extra["left_out"]
    for op, name in ((Op.STORE, "zswpout"), (Op.LOAD, "zswpin")):
        kept = int((events["op"] == op).sum())
        # SHARDS: binomial over 28,160 pages, each swapped about as often as the others; six deviations
        assert abs(kept * SHARE / (kept + left_out[name]) - 1) < 6 * np.sqrt(SHARE / 28160)
    # the region is swept in order, so a page that is in has about as many stores as rounds, and one address space
    space = pages["space"].to_numpy()
    ours = space == np.bincount(space).argmax()
    assert abs(int(ours.sum()) * SHARE / 28160 - 1) < 6 * np.sqrt(SHARE / 28160)
    times = np.bincount(events["page"][events["op"] == Op.STORE], minlength=len(space))[ours]
    assert np.median(times) >= 3


def test_pages_of_one_command_whoever_reclaims_them(swap: Swap, swapper: Path, tmp_path: Path) -> None:
    swap.pool()
    for name in ("wanted", "unwanted"):
        shutil.copy(swapper, tmp_path / name)
    path = tmp_path / "trace"
    shell = f"{tmp_path}/unwanted sweep 60 4 & {tmp_path}/wanted sweep 60 4; wait"
    document, counted = collect(path, "--comm", "wanted", "--memory-limit", "40M", "--", "sh", "-c", shell)
    assert document["complete"], document
    trace = Trace.open(path)
    events, pages, tasks = trace.events("op", "page", "task"), trace.table("pages"), trace.table("tasks")
    stored = events["page"][events["op"] == Op.STORE]
    # 60 MB are 15,360 pages; both programs hold that many
    assert 10_000 < len(np.unique(stored)) <= 15_700
    space = pages["space"].to_numpy()
    assert np.bincount(space[stored]).max() > 0.99 * len(stored)
    comms = np.array(tasks["comm"].to_pylist())
    loads = events["op"] == Op.LOAD
    # slots of both programs lie side by side: readahead for one brings in pages of the other
    assert (comms[events["task"][loads]] == "wanted").mean() > 0.5
    assert document["stores"] < 0.8 * counted["zswpout"]
