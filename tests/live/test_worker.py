"""The runs of zswap's worker that a recording saw, against the kernel's own counters."""

import json
from pathlib import Path

import pytest

from tmemlab.collect.host.cgroup import find_hierarchy

from .conftest import ZSWAP, Swap
from .oracle import collect

pytestmark = pytest.mark.live

LIMIT_HITS = Path("/sys/kernel/debug/zswap/pool_limit_hit")

# Four thousand pages that nobody wants back, and a limit that becomes nothing: every store of the other program
# is rejected and asks for the worker, which takes all second chances, sixteen a run, then writes the rest back.
SQUEEZED = """
HOLD=1 {swapper} known 4001 0 1 > /dev/null & cold=$!
PAUSE_US=2000 {swapper} sweep 60 1000 > /dev/null & program=$!
sleep 1.5
echo 0 > {limit}
sleep 3
kill $program $cold
wait $program $cold
sleep 1  # for a run that goes on: it is recorded when it ends
"""


@pytest.mark.parametrize("shrinker", ["N", "Y"])
def test_its_runs_wrote_back_what_the_kernel_counted(
    swap: Swap, swapper: Path, tmp_path: Path, shrinker: str
) -> None:
    """All of it, also with the shrinker on where the memory controller is on cgroup v1: it finds nothing there."""
    if shrinker == "Y" and find_hierarchy().version != 1:
        pytest.skip("the memory controller is on cgroup v2: the shrinker writes back too")
    swap.pool(shrinker=shrinker)
    hits = int(LIMIT_HITS.read_text()) if LIMIT_HITS.exists() else 0
    shell = SQUEEZED.format(swapper=swapper, limit=ZSWAP / "max_pool_percent")
    document, moved = collect(tmp_path / "trace", "--memory-limit", "30M", "--", "sh", "-c", shell)
    assert document["complete"]
    manifest = json.loads((tmp_path / "trace" / "manifest.json").read_text())
    assert manifest["memory_cgroups"] == find_hierarchy().version
    worker = manifest["zswap_worker"]
    assert worker["pages"] == document["kernel"]["zswpwb"] > 1000
    # what the recorder's own cgroup leaves behind may still be stored, rejected and ask for a run
    assert 0 <= moved["zswpwb"] - worker["pages"] <= 8
    # a run without a page has taken at most sixteen second chances, and every entry had one
    assert worker["runs"] > worker["pages"] / 16
    if LIMIT_HITS.exists():
        assert int(LIMIT_HITS.read_text()) - hits >= worker["runs"]
    assert worker["visit_us"] > 0
    assert worker["page_us"] > 0
    assert worker["delay_us"] > 0


def test_a_pool_below_its_limit_has_no_runs(swap: Swap, swapper: Path, tmp_path: Path) -> None:
    swap.pool()
    collect(tmp_path / "trace", "--", swapper, "known", "1009", "0", "1")
    manifest = json.loads((tmp_path / "trace" / "manifest.json").read_text())
    assert manifest["zswap_worker"] == {"runs": 0, "pages": 0}
    assert not any("worker" in text for text in manifest["probe_set"]["cannot_see"])
