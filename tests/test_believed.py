"""What a file says is not believed: one clear sentence, the right exit code, bounded memory, an end.

Issue: believe nothing, 6 and 7.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from tests.cli.test_commands import run
from tmemlab.collect.spool import SPOOL_NAME, Frame, SpoolWriter
from tmemlab.datasets.share.bundled import bundled
from tmemlab.datasets.trace import typedjson
from tmemlab.directories import OwnDirectory


def with_manifest(folder: Path, change: str, **keys: Any) -> Path:
    """A copy of a bundled trace whose manifest has other keys, and its checksum; ``change`` goes in as text."""
    copy = Path(shutil.copytree(bundled()["redis-frontswap"], folder / "copy"))
    plain = json.loads((copy / "manifest.json").read_text())
    plain.pop("sha256")
    plain |= keys
    plain["sha256"] = hashlib.sha256(typedjson.canonical(plain)).hexdigest()
    text = json.dumps(plain)
    (copy / "manifest.json").write_text(text.replace('"CHANGED"', change) if change else text)
    return copy


@pytest.mark.parametrize("change", ["1e999", "-1e999", "9" * 400, '"\\ud800"', "[" * 3000 + "]" * 3000, "NaN"])
@pytest.mark.parametrize("command", ["verify", "info", "validate", "replay"])
def test_a_manifest_with_numbers_and_text_that_are_none(change: str, command: str, tmp_path: Path) -> None:
    trace = with_manifest(tmp_path, change, mine="CHANGED")
    words = [command, trace] if command in ("validate", "replay") else ["datasets", command, trace]
    done = run(*words)
    assert done.returncode in (1, 5) and done.stderr.count("\n") <= 2, done
    assert "Traceback" not in done.stderr and len(done.stderr) < 600


WRONG = [
    None,
    1,
    -1,
    1.5,
    True,
    "text",
    [],
    {},
    [1],
    {"a": "b"},
    {"scanned": 1},
    {"delay_us": [1]},
    2**70,
    [{}],
    [[1]],
    [{"disksize": "x"}],
    [{"mm_stat": 5}],
    [{"mm_stat": "a b c d"}],
    {"memory_limit": "1G"},
]


@pytest.mark.parametrize("key", ["zswap_worker", "reclaim", "zram", "command", "memory_cgroups", "failed_writes"])
def test_a_known_key_of_another_type_is_one_sentence(key: str, tmp_path: Path) -> None:
    for number, value in enumerate(WRONG):
        (tmp_path / str(number)).mkdir()
        trace = with_manifest(tmp_path / str(number), "", **{key: value})
        for command in ("validate", "replay"):
            words = ["--storms", "0", "-p", "bounds.none"] if command == "replay" else []
            done = run(command, trace, *words)
            assert done.returncode in (0, 1, 2, 5), (key, value, done)
            assert done.returncode == 0 or done.stderr.count("\n") <= 2, (key, value, done.stderr)


def parquet(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_times_beyond_the_clock_are_refused(tmp_path: Path) -> None:
    for values, unit in (([2**40, 2**41], "s"), ([1, 2**62], "us"), ([1, 2**63], "ns")):
        file = parquet(tmp_path / "t.parquet", t=np.array(values, np.uint64), page=np.array([1, 2], np.uint64))
        words = ["--format", "parquet", "--time-unit", unit]
        done = run("datasets", "import", file, tmp_path / "out", *words)
        assert done.returncode == 5 and re.search("row [01]: t is (beyond|out of)", done.stderr), done
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("name", "value"), [("flags", 16), ("flags", 255), ("where", 9), ("clen", 4097)])
def test_an_import_makes_no_trace_that_verify_rejects(name: str, value: int, tmp_path: Path) -> None:
    file = parquet(
        tmp_path / "c.parquet", t=np.array([1, 2]), page=np.array([1, 2]), op=np.array([0, 0]),
        **{name: np.array([0, value])},
    )  # fmt: skip
    done = run("datasets", "import", file, tmp_path / "out", "--format", "parquet")
    assert done.returncode == 5 and f"has {name} {value}" in done.stderr, done
    fine = parquet(tmp_path / "d.parquet", t=np.array([1, 2]), page=np.array([1, 2]), **{name: np.array([0, 1])})
    assert run("datasets", "import", fine, tmp_path / "fine", "--format", "parquet").returncode == 0
    assert run("datasets", "verify", tmp_path / "fine").returncode == 0


IMPORT = """
import re, sys
from tmemlab.cli import main
try:
    main(["datasets", "import", *sys.argv[1:]])
finally:
    print(int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) >> 10)
"""


def memory_of_an_import(*words: object) -> tuple[int, int, str]:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT, *map(str, words)], capture_output=True, text=True, timeout=300
    )  # fmt: skip
    return done.returncode, int(done.stdout.splitlines()[-1]), done.stderr


def test_the_memory_of_an_import_does_not_follow_numbers_in_it(tmp_path: Path) -> None:
    """A space of 2^32 - 1 asked for 32 GiB."""
    file = parquet(
        tmp_path / "s.parquet", t=np.array([1, 2]), page=np.array([1, 2]), space=np.array([0, 2**32 - 1])
    )
    code, mib, said = memory_of_an_import(file, tmp_path / "out", "--format", "parquet")
    assert code == 0 and mib < 1300, said


def test_a_bomb_of_lines_is_bounded(tmp_path: Path) -> None:
    """A few kilobytes that unpack to 32 MiB of line ends, each an object of 33 bytes, and to one line."""
    bomb = tmp_path / "bomb.csv.zst"
    for line in (b"\n", b"x"):
        compressor = zstandard.ZstdCompressor(level=3).compressobj()
        with bomb.open("wb") as stream:
            stream.write(compressor.compress(b"t,page\n"))
            stream.write(compressor.compress(line * (1 << 25)))
            stream.write(compressor.flush())
        code, mib, said = memory_of_an_import(bomb, tmp_path / "out", "--format", "blkparse")
        assert code != 0 and mib < 1300, (code, mib, said)


def test_an_import_takes_no_more_memory_than_it_is_allowed(tmp_path: Path) -> None:
    """Many pages, which no number in the file foretells: one sentence, and nothing is left."""
    pages = 1 << 22
    page = np.random.default_rng(1).permutation(pages)
    file = parquet(tmp_path / "many.parquet", t=np.arange(pages), page=page)
    code, mib, said = memory_of_an_import(
        file, tmp_path / "out", "--format", "parquet", "--max-memory", "200M"
    )
    assert code == 1 and "more than 200 MiB of memory: allow more with --max-memory" in said, said
    assert mib < 400 and not (tmp_path / "out").exists()
    code, mib, said = memory_of_an_import(file, tmp_path / "out", "--format", "parquet")
    assert code == 0 and mib > 600, said


@pytest.mark.parametrize(
    "words",
    [
        ["replay", "{pipe}"], ["datasets", "verify", "{pipe}"], ["datasets", "unpack", "{pipe}", "{tmp}/u"],
        ["replay", "redis-frontswap", "-p", "{pipe}.py"], ["policies", "check", "{pipe}.py"],
        ["datasets", "import", "{pipe}", "{tmp}/i", "--format", "csv"],
        ["datasets", "import", "{pipe}.parquet", "{tmp}/i", "--format", "parquet"],
        ["datasets", "import", "/dev/zero", "{tmp}/i", "--format", "perf"],
        ["datasets", "pull", "file://{pipe}", "{tmp}/p"], ["datasets", "info", "{tmp}/holds"],
        ["datasets", "recover", "{pipe}"],
    ],
    ids=lambda words: " ".join(words)[:40],
)  # fmt: skip
def test_a_pipe_ends_at_once(words: list[str], tmp_path: Path) -> None:
    for name in ("pipe", "pipe.py", "pipe.parquet"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "holds").mkdir()
    os.mkfifo(tmp_path / "holds" / "manifest.json")
    arguments = [word.format(pipe=tmp_path / "pipe", tmp=tmp_path) for word in words]
    done = subprocess.run(
        [sys.executable, "-c", "from tmemlab.cli import main; main()", *arguments], capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert done.returncode in (1, 2, 5) and done.stderr.count("\n") <= 4, done
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["replay", "{long}"], ["size", "{long}"], ["curve", "{long}"], ["validate", "{long}"],
        ["advise", "{long}"], ["policies", "check", "./{long}.py"],
        ["advise", "redis-frontswap:{long}"], ["advise", "redis-frontswap", "--apply", "{long}"],
        ["policies", "rank", "--trace", "{long}"], ["policies", "rank", "./{long}.py"],
        ["replay", "redis-frontswap", "--host", "{long}"], ["replay", "redis-frontswap", "--out", "{long}.csv"],
        ["datasets", "verify", "{long}"], ["datasets", "pack", "redis-frontswap", "{long}"],
        ["datasets", "unpack", "{long}", "out"], ["datasets", "pull", "{long}", "out"],
        ["datasets", "import", "{long}", "out", "--format", "csv"], ["datasets", "recover", "{long}"],
        ["datasets", "slice", "redis-frontswap", "{long}", "--from", "1s"],
        ["collect", "{long}", "--counters-only"],
    ],
    ids=lambda words: " ".join(words)[:40],
)  # fmt: skip
def test_a_name_that_is_too_long_is_one_sentence(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*(word.format(long="9" * 5000) for word in words))
    assert done.returncode in (1, 2, 5), done
    assert "Traceback" not in done.stderr and len(done.stderr) < 12000 and done.stderr.count("\n") <= 4, done


def test_a_recording_that_goes_on_is_not_recovered(tmp_path: Path) -> None:
    out = OwnDirectory.new(tmp_path / "out")
    writer = SpoolWriter.into(out)
    writer.document(Frame.START, {"began_ns": 1})
    done = run("datasets", "recover", tmp_path / "out")
    assert done.returncode == 2 and "still being recorded" in done.stderr
    assert (tmp_path / "out" / SPOOL_NAME).exists()
    writer.close()
    done = run("datasets", "recover", tmp_path / "out")  # of a hand-made beginning nothing can be made
    assert done.returncode == 5 and "of another version of tmemlab" in done.stderr


def test_errors_do_not_go_into_a_file_of_ours(tmp_path: Path) -> None:
    """With stderr closed, the next file that is opened had its number."""
    program = "import os; os.close(2); os.close(0); from tmemlab.cli import main; main()"
    words = ["datasets", "slice", "redis-frontswap", tmp_path / "s", "--from", "99h"]
    done = subprocess.run([sys.executable, "-c", program, *map(str, words)], stdout=subprocess.PIPE)
    assert done.returncode in (1, 2)
    words = ["datasets", "slice", "redis-frontswap", tmp_path / "s", "--from", "1s"]
    done = subprocess.run([sys.executable, "-c", program, *map(str, words)], stdout=subprocess.PIPE)
    assert done.returncode == 0
    assert run("datasets", "verify", tmp_path / "s").returncode == 0
