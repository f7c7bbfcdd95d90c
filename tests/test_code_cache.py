"""Compiled code that was kept and is damaged is compiled anew; no compiled function takes another one."""

import gc
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from numba import types
from numba.core.dispatcher import Dispatcher

PROGRAM = """
from tmemlab.compiled import njit

@njit("int64(int64)", cache=True)
def twice(number):
    return 2 * number

print(twice(21), sum(twice.stats.cache_hits.values()))
"""


def run(folder: Path) -> str:
    """What the program prints: 42, and how much came from the cache."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder / "cache")}
    done = subprocess.run(
        [sys.executable, folder / "program.py"], capture_output=True, text=True, check=True, env=environment
    )
    return done.stdout.strip()


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def overwritten(path: Path) -> None:
    path.write_bytes(b"not what was here" * 99)


def replaced_by_a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    (folder / "program.py").write_text(PROGRAM)
    assert run(folder) == "42 0"
    assert run(folder) == "42 1"
    return folder


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", [truncated, flipped, emptied, overwritten])
def test_what_does_not_load_is_compiled_anew(folder: Path, damage: Callable[[Path], None], ending: str) -> None:
    (file,) = (folder / "cache").rglob(f"*.{ending}")
    damage(file)
    assert run(folder) == "42 0"
    assert run(folder) == "42 1"  # and kept again


def test_a_cache_that_cannot_be_written_is_done_without(folder: Path) -> None:
    for file in [path for path in (folder / "cache").rglob("*.nb?") if path.is_file()]:
        replaced_by_a_directory(file)
    assert run(folder) == "42 0"
    assert run(folder) == "42 0"


def test_fifty_mixed_commands_over_one_cache(tmp_path: Path) -> None:
    """Policies, loops and traces in turn, the first trace one that begins with loads; then once more from a new
    process, which must find whole what the first has kept."""
    program = """
import sys
from pathlib import Path
from tests.factory import make_trace
from tests.replay.test_compare import busy_events
from tmemlab.policies.catalogue import parse_policy
from tmemlab.replay.compare import compare
from tmemlab.replay.curve.curve import curve
from tmemlab.replay.scores.row import StormPlan

folder = Path(sys.argv[1])
events = busy_events(900, 80)
loads_first = [e for e in events if e.op == 1][:40] if hasattr(events[0], "op") else events
paths = []
for name, rows in (("a", loads_first), ("b", events)):
    path = folder / name
    paths.append(path if path.exists() else make_trace(path, rows, ram_bytes=1 << 30))
names = ["zswap.v6_18", "zswap.v5_6", "order.lru", "vm.pressure", "zram.basic"]
for number in range(50):
    path, policy = paths[number % 2], parse_policy(names[number % 5])
    storms = StormPlan(number % 3)
    result = compare(path, [policy], plan=storms, threads=1, stack="ram:5%,disk" if number % 7 == 3 else None)
    assert result.scores[0].hit_rate is None or 0 <= result.scores[0].hit_rate <= 1
    if number % 10 == 0:
        curve(path)
print("fifty")
"""
    environment = dict(os.environ)  # the cache that every other command here uses as well
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", program, tmp_path], capture_output=True, text=True, env=environment, check=False
        )
        assert done.stdout == "fifty\n", done.stderr[-2000:]


def test_no_compiled_function_takes_another_function_object() -> None:
    """A dispatcher as an argument ties cached code to the one function that it was first compiled for."""
    from tests.replay.test_group_limit import closed
    from tmemlab.datasets.share.bundled import bundled
    from tmemlab.replay.compare import compare
    from tmemlab.replay.curve.curve import curve
    from tmemlab.replay.scores.row import StormPlan

    closed(None)
    compare(bundled()["redis-frontswap"], plan=StormPlan(5))
    curve(bundled()["redis-frontswap"])
    gc.unfreeze()  # what a command's end took out of sight
    # by type(): isinstance asks a weak proxy for its class, which fails where what it stood for is gone
    compiled = [thing for thing in gc.get_objects() if issubclass(type(thing), Dispatcher) and thing.overloads]
    ours = [thing for thing in compiled if thing.py_func.__module__.startswith("tmemlab")]
    assert len(ours) > 20
    taking = {
        f"{thing.py_func.__module__}.{thing.py_func.__name__}"
        for thing in ours
        for signature in thing.overloads
        if any(isinstance(argument, types.Dispatcher) for argument in signature)
    }
    assert taking == set()
