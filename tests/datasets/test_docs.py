"""The snippets of docs/trace-format.md run as they stand, and what it says of the schema is the schema."""

import re
import shutil
from pathlib import Path

import pytest

from tests.datasets.test_convert import walk
from tests.factory import make_trace
from tmemlab.datasets.trace.manifest import Manifest
from tmemlab.datasets.trace.read import Trace
from tmemlab.datasets.trace.schema import EVENTS, PAGES, SAMPLES, TABLES, Flag, Op, Where

PAGE = Path(__file__).parents[2] / "docs/trace-format.md"
TEXT = PAGE.read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def trace(tmp_path, monkeypatch):
    events = walk(4000, 300)
    make_trace(tmp_path / "redis-zswap", events, tasks=[(1, "a", 0), (2, "b", 0)])
    monkeypatch.chdir(tmp_path)
    return Trace.open("redis-zswap")


@pytest.mark.parametrize("reader", ["duckdb", "polars", "pandas", "pyarrow"])
def test_a_snippet_runs(trace, capsys, reader):
    pytest.importorskip(reader, reason="install the extra interop")
    (snippet,) = [text for text in SNIPPETS if f"import {reader}" in text]
    exec(compile(snippet, str(PAGE), "exec"), {})
    assert capsys.readouterr().out.strip()


def test_duckdb_counts_what_the_trace_says(trace):
    duckdb = pytest.importorskip("duckdb", reason="install the extra interop")
    rows = duckdb.sql(
        "SELECT op, count(*), count(clen), max(t) FROM 'redis-zswap/events-*.parquet' GROUP BY op ORDER BY op"
    )
    counts = trace.manifest.events
    found = rows.fetchall()
    assert [row[:2] for row in found] == [(0, counts.stores), (1, counts.loads)]
    assert sum(row[2] for row in found) == 4000
    assert max(row[3] for row in found) == int(trace.events("t")["t"][-1])


def test_polars_and_pandas_read_the_same_values(trace):
    polars = pytest.importorskip("polars", reason="install the extra interop")
    pandas = pytest.importorskip("pandas", reason="install the extra interop")
    mine = trace.events("t", "page", "where")
    one, two = (
        polars.read_parquet("redis-zswap/events-*.parquet"),
        pandas.read_parquet("redis-zswap/events-00000.parquet"),
    )
    for name, values in mine.items():
        assert one[name].to_list() == values.tolist() == two[name].tolist()


def rows_of(heading):
    part = TEXT.split(f"### {heading}\n", 1)[1].split("\n#", 1)[0]
    return re.findall(r"^\| `(\w+)` \| (\w+) \| (\w+) \|", part, re.MULTILINE)


@pytest.mark.parametrize(("heading", "schema"), [("events", EVENTS), ("pages", PAGES)])
def test_the_tables_of_the_page_are_the_schema(heading, schema):
    declared = [(f.name, str(f.type), "yes" if f.nullable else "no") for f in schema]
    assert rows_of(heading) == declared


def test_every_column_of_the_other_tables_is_there_in_order():
    samples = TEXT.split("### samples\n", 1)[1].split("\n#", 1)[0]
    assert [name for name in re.findall(r"`(\w+)`", samples) if name != "duration_ns"] == SAMPLES.names
    for name in ("pressure", "cgroups", "tasks"):
        (line,) = re.findall(rf"^\| {name} \| (.*) \|$", TEXT, re.MULTILINE)
        columns = re.findall(r"`(\w+)` (\w+)( nullable)?", line)
        assert columns == [(f.name, str(f.type), " nullable" if f.nullable else "") for f in TABLES[name]]


def test_codes_are_the_codes():
    events = TEXT.split("### events\n", 1)[1].split("\n#", 1)[0]
    for code in Op:
        assert f"{int(code)} {code.name.lower()}" in events
    assert len(
        re.findall(r"[0-5] (?:compressed pool|disk|zero-filled|rejected|unknown|the write failed)", events)
    ) == len(Where)
    assert [int(n) for n in re.search(r"sum of (.*?) \|", events)[1].replace(",", "").split() if n.isdigit()] == [
        int(flag) for flag in Flag
    ]


def test_every_key_of_the_manifest_is_explained():
    part = TEXT.split("## The manifest\n", 1)[1]
    fields = set(Manifest.__dataclass_fields__) - {"extra"} | {"sha256"}
    explained = {
        name for row in re.findall(r"^\| (`.*?`) \|", part, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    assert explained - {"key"} == fields


def test_the_canonical_form_as_the_page_describes_it(trace):
    """Written from the page alone: sorted keys, no spaces, UTF-8."""
    import hashlib
    import json

    plain = json.loads((trace.path / "manifest.json").read_text())
    stated = plain.pop("sha256")
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(text.encode()).hexdigest() == stated


def test_a_copy_of_the_directory_is_a_trace(trace, tmp_path):
    shutil.copytree(trace.path, tmp_path / "copy")
    assert len(Trace.open(tmp_path / "copy")) == 4000


def test_the_page_of_commands_names_every_command_and_format():
    from tmemlab.commands.datasets import command
    from tmemlab.datasets.formats.registry import formats

    text = PAGE.with_name("datasets.md").read_text()
    named = set(re.findall(r"tmemlab datasets (\w+)", text))
    assert named | {"recover"} == set(command.list_commands(None))
    rows = re.findall(r"^\| `(\w+)` \| (yes|-) \| (yes|-) \|", text, re.MULTILINE)
    assert {name: (i == "yes", o == "yes") for name, i, o in rows} == {
        name: (form.importer, form.exporter) for name, form in formats().items()
    }
