"""Nothing is imported that a command does not use: what is installed beside must not make it slower."""

import json
import subprocess
import sys

import pytest

HEAVY = {"numpy", "numba", "pyarrow", "pandas", "polars", "bcc", "fsspec", "huggingface_hub", "rich"}
PROGRAM = """
import contextlib, io, json, sys
from tmemlab.cli import main
sys.argv = ["tmemlab", *json.loads(sys.argv[1])]
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
    main()
print(json.dumps(sorted(sys.modules)))
"""
REPLAY = {"numpy", "numba", "pyarrow", "rich"}


@pytest.mark.parametrize(
    ("words", "used"),
    [
        (["--version"], set()), (["--help"], set()), (["collect", "--help"], set()), (["cache", "info"], set()),
        (["datasets", "list"], {"numpy", "pyarrow", "rich"}),
        (["datasets", "info", "redis-zswap"], {"numpy", "pyarrow", "rich"}),
        (["policies", "list"], {"numpy", "numba", "rich"}),
        (["replay", "redis-frontswap", "--storms", "5"], REPLAY),
        (["size", "redis-frontswap", "--storms", "5"], REPLAY), (["size", "--help"], set()),
        (["policies", "rank", "--help"], set()),
        (["advise", "redis-frontswap", "--storms", "5", "--time", "0.1s"], REPLAY), (["advise", "--help"], set()),
        (["curve", "redis-frontswap"], REPLAY), (["validate", "redis-frontswap"], REPLAY),
        (["datasets", "verify", "redis-frontswap"], REPLAY - {"rich"}),
        (["datasets", "stats", "redis-frontswap"], REPLAY),
    ],
    ids=lambda words: " ".join(words[:2]) if isinstance(words, list) else None,
)  # fmt: skip
def test_a_command_imports_what_it_uses(words: list[str], used: set[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(words)], capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert loaded & HEAVY <= used
    assert used <= loaded  # the program sees what is loaded


def test_a_replay_loads_the_loops_that_it_runs() -> None:
    program = (
        "from tmemlab.replay.compare import compare; from tmemlab.replay.scores.row import StormPlan\n"
        "from tmemlab.policies.catalogue import parse_policy\n"
        "from tmemlab.replay.loops import closed, open\n"
        "from tmemlab.datasets.share.bundled import bundled\n"
        "compare(bundled()['redis-frontswap'], [parse_policy('bounds.none')], plan=StormPlan(0))\n"
        "loops = open.run, open.run_accesses, closed.run_touches, closed.run_extended\n"
        "print([loop.is_loaded for loop in loops])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[True, False, False, False]"
