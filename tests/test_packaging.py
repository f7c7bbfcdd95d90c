"""The systemd units: sound by systemd's own judgement, and they call what there is."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.test_commands import run

PACKAGING = Path(__file__).parent.parent / "packaging"
UNITS = sorted(PACKAGING.iterdir())


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    for unit in UNITS:
        shutil.copy(unit, tmp_path)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(tmp_path / unit.name for unit in UNITS)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "tmemlab" in line]
    assert (done.returncode, ours) == (0, [])
    # and it would say so
    (tmp_path / UNITS[0].name).write_text("[Service]\nType=sometimes\nExecStart=/nowhere\n")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / UNITS[0].name],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode and "/nowhere" in done.stderr


def test_the_recorders_options_are_options() -> None:
    unit = (PACKAGING / "tmemlab-recorder.service").read_text()
    (line,) = re.findall(r"^ExecStart=/usr/bin/env tmemlab (.*)$", unit, re.MULTILINE)
    settings = dict(
        pair.split("=", 1)
        for line in re.findall(r"^Environment=(.*)$", unit, re.MULTILINE)
        for pair in line.split()
    )
    words = [
        re.sub(r"\$\{(\w+)\}", lambda name: settings[name[1]].replace("%%", "%"), word) for word in line.split()
    ]
    help_text = run("collect", "--help").stdout
    for word in words:
        assert not word.startswith("--") or word in help_text
    # as somebody who may not record: every value is taken, and then root is missing, or no trigger would be
    done = run(*words[:1], "/dev/null/out", *words[2:])
    assert done.returncode in (2, 3) and "/dev/null/out" in done.stderr, done.stderr
