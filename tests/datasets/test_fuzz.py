"""A minute of the fuzzer, from the seeds that an hour of it left; and that it finds what is there to be found.

Issue: believe nothing, 9. TMEMLAB_FUZZ_SECONDS and TMEMLAB_FUZZ_SEED ask for more, and for another minute.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools/fuzz_datasets.py"


@pytest.fixture
def fuzz():
    spec = importlib.util.spec_from_file_location("fuzz_datasets", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_minute_finds_nothing():
    seconds, seed = (os.environ.get(f"TMEMLAB_FUZZ_{n}", d) for n, d in (("SECONDS", "60"), ("SEED", "1")))
    done = subprocess.run(
        [sys.executable, TOOL, "--seconds", seconds, "--seed", seed], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 findings" in done.stdout and int(done.stdout.split()[0]) > 1000


def test_what_is_there_is_found(fuzz, tmp_path):
    def careless(data, _):
        if data[:1] != b"s":
            raise ZeroDivisionError

    assert "not ours" in fuzz.one_child(([b"seed"], careless), 1, tmp_path, set())
    assert (tmp_path / "current").read_bytes()[:1] != b"s"


def test_a_crash_is_found(fuzz, tmp_path):
    assert "signal 9" in fuzz.one_child(([b"seed"], lambda *_: os.kill(os.getpid(), 9)), 1, tmp_path, set())


def test_what_reaches_new_lines_is_a_seed(fuzz, tmp_path):
    from tmemlab.units import parse_size

    def sizes(data, _):
        parse_size(data.decode("latin-1"))

    lines = set()
    assert fuzz.one_child(([b"512M", b"1G"], sizes), 1, tmp_path, lines) == ""
    seeds = fuzz.learnt(tmp_path, lines)
    assert seeds and len(lines) > 5
    assert {Path(file).name for file, _ in lines} >= {"units.py"}
    assert fuzz.one_child(([b"512M", b"1G"], sizes), 1, tmp_path, lines) == ""
    assert fuzz.learnt(tmp_path, lines) == []  # nothing new
