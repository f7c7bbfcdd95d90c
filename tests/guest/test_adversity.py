"""What happens to a whole machine while it is recorded, in a guest: 95 % of its RAM locked, suspended."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tmemlab.collect.matching.spool_to_trace import convert
from tmemlab.datasets.trace.read import Trace
from tmemlab.datasets.trace.schema import Pressure
from tmemlab.datasets.trace.verify import verify

from .kernel import prepare
from .machine import run
from .test_probe_sets import ROOT, need_guests

pytestmark = pytest.mark.guest


def happened(what: str, folder: Path) -> tuple[Any, dict[str, Any]]:
    """The manifest of the recording, and what the guest counted."""
    need_guests()
    share, disk = folder / "share", folder / "disk"
    share.mkdir()
    swapper = share / "swapper"
    subprocess.run(["gcc", "-O2", "-static", "-o", swapper, ROOT / "tests/live/swapper.c"], check=True)
    with disk.open("wb") as stream:
        stream.truncate(3 << 30)
    python = f"{sys.executable} -m tests.guest.adversity /run/share {what}"
    script = f"cd {ROOT}; export PYTHONDONTWRITEBYTECODE=1\n{python}"
    finished = run(prepare("6.12"), share, script, disks=(disk,), timeout=1200)
    disk.unlink()
    assert finished.exit_code == 0, finished.output
    result = json.loads((share / "results.json").read_text())
    assert "error" not in result and "recorder" not in result, result
    spool = folder / "spool"
    shutil.copytree(share / "recorded", spool)
    return convert(spool, folder / "trace"), result


def test_a_storm_of_95_percent_of_ram(tmp_path: Path) -> None:
    """The recorder lives, and its trace is complete or says what it lost, to the page."""
    manifest, result = happened("storm", tmp_path)
    kills = result["after"]["oom_kill"] - result["before"]["oom_kill"]
    print(f"\n{kills} killed, {manifest.certificate}")
    assert kills >= 1  # it was a storm
    assert verify(tmp_path / "trace") == []
    for part in (manifest.certificate.stores, manifest.certificate.loads):
        assert part.kernel == part.recorded + part.dropped, manifest.certificate
    assert manifest.certificate.stores.recorded > 10_000
    kinds = Trace.open(tmp_path / "trace").table("pressure")["kind"].to_pylist()
    assert kinds.count(Pressure.OOM_KILL) == kills


def test_suspended_and_woken(tmp_path: Path) -> None:
    """The recorder stands still with all others: nothing is lost, and a gap in the samples shows where."""
    manifest, result = happened("suspend", tmp_path)
    print(f"\nslept {result['happened']}, {manifest.certificate}")
    assert result["happened"]["slept_s"] > 4
    assert np.diff(Trace.open(tmp_path / "trace").column("samples", "t")).max() > 4e9
    assert verify(tmp_path / "trace") == []
    assert manifest.certificate.complete, manifest.certificate
    assert manifest.certificate.stores.recorded > 10_000
