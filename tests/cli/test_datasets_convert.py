"""``datasets export``, ``import`` and ``list`` as a user meets them."""

import json
from pathlib import Path

import pytest

from tests.cli.test_datasets import EVENTS, damaged, run, trace
from tests.factory import make_trace
from tmemlab.datasets.share.bundled import bundled, default_trace, resolve
from tmemlab.errors import TmemlabError

__all__ = ["damaged", "trace"]


def test_export_and_import_again(trace, tmp_path):
    done = run("export", trace, tmp_path / "x.bin", "--format", "libcachesim", "--requests", "stores")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{tmp_path / 'x.bin'}: 2 records, 48 bytes\n"
    done = run("import", tmp_path / "x.bin", tmp_path / "back", "--format", "libcachesim", "--ram", "1G", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert (found["events"], found["pages"], found["kind"]) == (2, 2, "access")
    assert json.loads(run("info", tmp_path / "back", "--json").stdout)["ram_bytes"] == 1 << 30
    assert run("verify", tmp_path / "back").returncode == 0


def test_csv_with_a_map(tmp_path):
    (tmp_path / "x.csv").write_text("when,addr\n1,0x1000\n2,0x2000\n")
    done = run("import", tmp_path / "x.csv", tmp_path / "t", "--format", "csv", "--map", "t=when,page=addr")
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 events on 2 pages" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("export", "{trace}", "{tmp}/x", "--format", "tar"), 2, "'tar' is not one of 'csv', 'libcachesim'"),
        (("export", "{trace}", "{tmp}/x"), 2, "--format"),
        (("export", "{trace}", "{trace}/manifest.json", "--format", "csv"), 2, "already exists"),
        (("export", "{tmp}/absent", "{tmp}/x", "--format", "csv"), 5, "absent is not a trace"),
        (("export", "{trace}", "/proc/none/x", "--format", "csv"), 1, "cannot be written"),
        (("import", "{tmp}/absent", "{tmp}/y", "--format", "csv"), 5, "absent"),
        (("import", "{tmp}/absent", "{tmp}/y", "--format", "libcachesim"), 5, "cannot be read"),
        (("import", "{tmp}", "{tmp}/y", "--format", "libcachesim"), 5, "cannot be read"),
        (("import", "{tmp}/x", "{trace}", "--format", "libcachesim"), 2, "already exists"),
        (("import", "{tmp}/x", "{tmp}/y", "--format", "csv", "--map", "t"), 2, "is not a map"),
        (("import", "{tmp}/x", "{tmp}/y", "--format", "csv", "--ram", "much"), 2, "is not a size"),
    ],
)
def test_what_cannot_be_converted_is_one_sentence(trace, tmp_path, arguments, code, message):
    done = run(*(text.format(trace=trace, tmp=tmp_path) for text in arguments))
    assert done.returncode == code
    assert done.stdout == ""
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_damaged_trace_is_never_exported(damaged, tmp_path):
    done = run("export", damaged, tmp_path / "x", "--format", "libcachesim")
    assert done.returncode == 5
    assert "events-00000.parquet" in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["t"]


def test_list_of_bundled_traces():
    done = run("list", "--json")
    assert done.returncode == 0
    assert [trace["name"] for trace in json.loads(done.stdout)["traces"]] == list(bundled())
    assert run("list").returncode == 0


def test_bundled_traces_are_found_by_their_manifest(tmp_path):
    with pytest.raises(TmemlabError, match="no bundled trace"):
        default_trace(tmp_path)
    make_trace(tmp_path / "b", EVENTS)
    make_trace(tmp_path / "a", EVENTS)
    (tmp_path / "c").mkdir()
    assert bundled(tmp_path) == {"a": tmp_path / "a", "b": tmp_path / "b"}
    assert default_trace(tmp_path) == tmp_path / "a"
    assert resolve(Path("b"), tmp_path) == tmp_path / "b"
    assert resolve(Path("d"), tmp_path) == Path("d")
    assert resolve(Path("x/b"), tmp_path) == Path("x/b")


@pytest.mark.parametrize("name", bundled())
def test_a_bundled_trace_goes_by_its_name(name, tmp_path):
    done = run("info", name, "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["path"] == str(bundled()[name])
    make_trace(tmp_path / name, EVENTS)
    assert json.loads(run("info", name, "--json", cwd=tmp_path).stdout)["events"] == len(EVENTS)


def test_perf_script_by_the_command(tmp_path):
    golden = Path(__file__).parents[1] / "datasets/golden/perf-block.txt"
    done = run(
        "import", golden, tmp_path / "t", "--format", "perf", "--events", "block", "--device", "7,0", "--json"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["kind"] == "swap"
    done = run("import", golden, tmp_path / "u", "--format", "perf", "--time-unit", "s")
    assert (done.returncode, done.stdout) == (2, "")
    assert "time_unit is not an option of the format perf" in done.stderr
