"""No function that a loop calls counts references: an array as argument costs an atomic count each time."""

import json
import os
import subprocess
import sys
from pathlib import Path

LOOPS = (
    ("tmemlab.replay.loops.open", "run"), ("tmemlab.replay.loops.open", "run_accesses"),
    ("tmemlab.replay.loops.closed", "run_touches"), ("tmemlab.replay.loops.closed", "run_extended"),
    ("tmemlab.replay.scores.storm", "storm"),
)  # fmt: skip

PROGRAM = """
import importlib, json, re, sys
counting = {}
for module, name in json.loads(sys.argv[1]):
    loop = getattr(importlib.import_module(module), name).compiled
    (signature,) = loop.signatures
    function = ""
    for line in loop.inspect_asm(signature).splitlines():
        label = re.match(r"([A-Za-z_][\\w.$]*):", line)
        function = label[1] if label else function
        counts = re.search(r"\\bNRT_(inc|dec)ref\\b", line) and not line.lstrip().startswith(".")
        if counts and "NRT_" not in function:
            counting.setdefault(name, []).append(function)
print(json.dumps(counting))
"""


def test_only_the_loops_themselves_count_references(tmp_path: Path) -> None:
    """Of what they take, once a call. Compiled anew: code from a cache has no assembly to look at."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(LOOPS)], capture_output=True, text=True, check=True,
        env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
    )  # fmt: skip
    counting = json.loads(done.stdout)
    assert set(counting) == {name for _, name in LOOPS}  # the program sees counting where there is some
    for loop, functions in counting.items():
        own = [
            function for function in functions if f"{len(loop)}{loop}" in function and "cpython" not in function
        ]
        assert len(own) <= 4, f"{loop} counts more than it takes: once a page, in something that was inlined?"
        inner = {function for function in functions if f"{len(loop)}{loop}" not in function}
        assert inner == set(), f"{loop} calls functions that count references"
