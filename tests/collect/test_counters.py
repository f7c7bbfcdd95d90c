"""--counters-only as an ordinary user, and capabilities given up, each in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tmemlab.collect.kernel import privileges
from tmemlab.datasets.trace.read import Trace
from tmemlab.datasets.trace.verify import verify

AS_NOBODY = """
import os, sys, tmemlab.cli
import tmemlab.commands.collect, tmemlab.collect.recording.run, tmemlab.datasets.trace.write
import tmemlab.collect.matching.spool_to_trace
import tmemlab.collect.matching.matcher, tmemlab.collect.matching.settle
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
tmemlab.cli.main(["collect", sys.argv[1], "--counters-only", "--duration", "1s", "--json", "-"])
"""


@pytest.mark.skipif(not Path("/proc/vmstat").exists(), reason="reads Linux's /proc")
def test_counters_without_root(tmp_path: Path) -> None:
    made = [parent for parent in tmp_path.parents if parent.name.startswith(("pytest-", "popen-"))]
    for folder in made:
        folder.chmod(folder.stat().st_mode | 0o111)  # pytest makes them for their owner alone
    tmp_path.chmod(0o1777)
    out = tmp_path / "trace"
    environment = {**os.environ, "TMEMLAB_CACHE": str(tmp_path / "cache")}
    run = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, out], capture_output=True, text=True, timeout=300, env=environment
    )
    assert run.returncode == 0, run.stderr
    document = json.loads(run.stdout)
    assert (document["stores"], document["loads"], document["complete"]) == (0, 0, False)
    assert verify(out) == []
    trace = Trace.open(out)
    samples = trace.table("samples")
    assert samples.num_rows >= 3
    assert min(samples["mem_total"].to_pylist()) > 0
    assert "no events" in trace.manifest.certificate.note
    assert {file.stat().st_mode & 0o777 for file in out.iterdir()} == {0o600}


DROPPING = """
import sys
from pathlib import Path
from tmemlab.collect.kernel import privileges
assert privileges.drop(set(map(int, sys.argv[1:])))
print([line.split()[1] for line in Path("/proc/self/status").read_text().splitlines()
       if line.startswith(("CapPrm", "CapEff", "CapInh", "NoNewPrivs"))])
"""


def test_only_the_named_capabilities_are_left() -> None:
    keep = {privileges.CAP_KILL, privileges.CAP_IPC_LOCK}
    run = subprocess.run(
        [sys.executable, "-c", DROPPING, *map(str, keep)], capture_output=True, text=True, check=True
    )
    inherited, permitted, effective, no_new = eval(run.stdout)
    assert (int(inherited, 16), no_new) == (0, "1")
    allowed = 1 << 5 | 1 << 14
    # what was not held before is not held after either
    assert int(permitted, 16) == int(effective, 16) == (allowed if os.geteuid() == 0 else 0)


def test_a_parent_of_somebody_elses_needs_an_override(tmp_path: Path) -> None:
    assert privileges.CAP_DAC_OVERRIDE not in privileges.needed(tmp_path / "trace")
    if os.geteuid() == 0:
        os.chown(tmp_path, 65534, 65534)
        assert privileges.CAP_DAC_OVERRIDE in privileges.needed(tmp_path / "trace")
