"""What the storms' experiment reads out of a kernel's report, and how it counts agreement: by hand."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from experiments.storm_state import Began, given_at_end, who_was_killed
from experiments.storms import agreement
from tests.replay.build import S, columns, host, replay

REPORT = """\
[   31.4] storm_load invoked oom-killer: gfp_mask=0x140cca(GFP_HIGHUSER_MOVABLE|__GFP_COMP), order=0
[   31.4] Mem-Info:
[   31.4] active_anon:10 inactive_anon:20 isolated_anon:0
[   31.4]  unevictable:90250 dirty:0 writeback:1
[   31.5] [    101]     0   101     1200      300    49152        0         -1000 storm_load
[   31.5] [    104]     0   104   200000    60000   900000    90000             0 storm_load
[   31.5] [    106]     0   106   118000    90000   750000        0             0 storm_load
[   31.5] Out of memory: Killed process 104 (storm_load) total-vm:800000kB
[   33.0] storm_load invoked oom-killer: gfp_mask=0x140cca, order=0
[   33.0] Mem-Info:
[   33.0]  unevictable:99999 dirty:0 writeback:0
"""
BEGAN = Began(118_000, 3000, (100, 200, 300), 700, 80_000, 1 << 20, 20_000, 90_000)


def test_the_first_kill_tells_how_far_the_storm_was(tmp_path: Path) -> None:
    (tmp_path / "dmesg").write_text(REPORT)
    (tmp_path / "start.meminfo").write_text("MemTotal:  472000 kB\nUnevictable:  1000 kB\n")
    assert given_at_end(tmp_path, BEGAN) == 90_250 - 250
    assert who_was_killed(tmp_path) == "filler"


def test_a_report_without_a_kill_is_a_survivor(tmp_path: Path) -> None:
    (tmp_path / "dmesg").write_text("[    1.0] nothing happened\n")
    (tmp_path / "start.meminfo").write_text("MemTotal:  472000 kB\nUnevictable:  1000 kB\n")
    assert given_at_end(tmp_path, BEGAN) is None
    assert who_was_killed(tmp_path) == ""


def test_cells_between_the_two_ends_disagree() -> None:
    row = {"fraction": 95, "killed_at": 0.71, "survives_predicted": 0.82}
    cells = agreement(row)
    assert [share for share, real, predicted in cells if real != predicted] == [0.75, 0.8]
    assert [share for share, real, _ in cells if real][-1] == 0.7
    assert cells[-1] == (0.95, False, False)


def test_a_storm_that_survived_decides_what_it_asked_for() -> None:
    cells = agreement({"fraction": 65, "killed_at": None, "survives_predicted": 0.6})
    assert cells[-2:] == [(0.6, True, True), (0.65, True, False)]


RAW = [
    row
    for row in pq.read_table(Path(__file__).parents[2] / "experiments/results/storms_zram.parquet").to_pylist()
    if row["killed_at"] and (row["zpool"] == "off" or (row["filler"] == 90 and row["contents"] == "random"))
]
"""Real kernel, pages that do not compress: no pool at all, or zram that was empty when the storm began."""


@pytest.mark.parametrize(
    "run", RAW, ids=lambda run: f"{run['zpool']}-{run['percent']}-{run['fraction']}-{run['run']}"
)
def test_pages_that_stay_as_large_are_progress_as_in_the_kernel(run: dict[str, float]) -> None:
    slots = run["ram_pages"] * run["percent"] // 100
    on = host(
        int(run["ram_pages"]), free=int(run["start_free"]), anon=int(run["start_anonymous"]),
        swap=int(run["swap_mib"] * 256 + slots), marks=(run["mark_min"], run["mark_low"], run["mark_high"]),
    )  # fmt: skip
    policy = "bounds.none" if run["zpool"] == "off" else f"zram.basic:disksize_percent={run['percent']}"
    row = replay(columns([(S, 0, 4096)]), policy, on, storms=1)
    assert row.oom.max_survivable == pytest.approx(run["killed_at"], abs=0.01)


def test_the_runs_are_there() -> None:
    kinds = {(run["zpool"], run["percent"]) for run in RAW}
    assert kinds == {("off", 0), ("zram", 20), ("zram", 50)}
