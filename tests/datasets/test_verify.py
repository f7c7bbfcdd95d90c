"""Every rule of the format, broken one at a time."""

import dataclasses
import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.datasets.test_hostile import rewrite_manifest
from tests.factory import event_columns, make_manifest, make_trace
from tmemlab.datasets.trace.files import TraceFile
from tmemlab.datasets.trace.manifest import Certificate, Reconciliation
from tmemlab.datasets.trace.read import Trace
from tmemlab.datasets.trace.schema import TABLES
from tmemlab.datasets.trace.verify import verify
from tmemlab.datasets.trace.write import TraceWriter

SOUND = [
    (0, "store", 0, 1200),
    (10, "store", 1, 0),
    (10, "load", 2),  # swapped before the trace began
    (20, "load", 0, 1200, {"flags": 8}),
    (30, "load", 0, 1200),
    (30, "store", 0),
    (40, "invalidate", 0),
    (50, "store", 0),
    (60, "invalidate", 2),
]


def test_a_sound_trace_has_no_problems(tmp_path):
    assert verify(make_trace(tmp_path / "t", SOUND)) == []


def test_an_empty_trace_has_no_problems(tmp_path):
    assert verify(make_trace(tmp_path / "t")) == []


@pytest.mark.parametrize(
    ("at", "change", "problem"),
    [
        (3, {"where": 6}, "where is not a code of the schema: first at event 3, 1 in all"),
        (3, {"flags": 128}, "marked as of a page stored before the recording, and is not its first event: fir"),
        (7, {"flags": 128}, "marked as of a page stored before the recording, and is not its first event: fir"),
        (3, {"flags": 16}, "flags has a bit that the schema does not define: first at event 3, 1 in all"),
        (4, {"cgroup": 1}, "cgroup has no row in cgroups: first at event 4, 1 in all"),
        (4, {"task": 7}, "task has no row in tasks: first at event 4, 1 in all"),
        (
            7,
            {"op": 1},
            "a page that was invalidated is next used by something other than a store: first at event 7",
        ),
        (
            7,
            {"op": 2},
            "a page that was invalidated is next used by something other than a store: first at event 7",
        ),
        (2, {"op": 2}, "a page is invalidated that was never stored or loaded: first at event 2, 1 in all"),
        (1, {"page": 2}, "page ids are not dense in order of first appearance: first at event 1, 1 in all"),
    ],
)
def test_each_rule_of_events(tmp_path, at, change, problem):
    columns = event_columns(SOUND)
    for name, value in change.items():
        columns[name][at] = value
    problems = verify(make_trace(tmp_path / "t", columns=columns))
    assert any(problem in found for found in problems), problems


def test_a_flight_recorder_marks_pages_whose_story_began_before_its_window(tmp_path):
    window = {"manifest": {"extra": {"window": {"trigger": "oom"}}}}
    (problem,) = verify(make_trace(tmp_path / "t", SOUND, **window))
    assert "without the mark that it was stored before: first at event 2, 1 in all" in problem
    columns = event_columns(SOUND)
    columns["flags"][2] = 128
    assert verify(make_trace(tmp_path / "marked", columns=columns, **window)) == []


def test_a_page_without_a_row(tmp_path):
    problems = verify(make_trace(tmp_path / "t", SOUND, pages=[(0, 0, 0)] * 2))
    assert problems == ["page has no row in pages: first at event 2, 2 in all"]


def test_a_row_without_a_page(tmp_path):
    problems = verify(make_trace(tmp_path / "t", SOUND, pages=[(0, 0, 0)] * 5))
    assert problems == ["pages has 5 rows, but 3 page ids appear in events"]


def test_rules_hold_across_row_groups_and_files(tmp_path, monkeypatch):
    monkeypatch.setattr("tmemlab.datasets.trace.write.ROW_GROUP", 2)
    assert verify(make_trace(tmp_path / "sound", SOUND, events_per_file=4)) == []
    columns = event_columns(SOUND)
    columns["op"][7] = 1  # the invalidate is in another row group
    problems = verify(make_trace(tmp_path / "t", columns=columns, events_per_file=4))
    assert [p.partition(":")[2] for p in problems] == [" first at event 7, 1 in all"]


def test_an_access_trace_has_no_stores(tmp_path):
    touches = [(0, "load", 0), (1, "load", 1), (2, "load", 0)]
    assert verify(make_trace(tmp_path / "t", touches, manifest={"kind": "access"})) == []
    problems = verify(make_trace(tmp_path / "u", [*touches, (3, "store", 1)], manifest={"kind": "access"}))
    assert problems == ["an access trace has a store: first at event 3, 1 in all"]


@pytest.mark.parametrize(
    ("tables", "problem"),
    [
        ({"pages": [(0, 0, 3)] * 3}, "pages.kind has a value that is not a code"),
        ({"pressure": [(5, 0, 0, 0, None), (4, 1, 0, 0, 32)]}, "pressure.t goes back in time"),
        ({"pressure": [(61, 0, 0, 0, None)]}, "pressure.t lies outside"),
        ({"pressure": [(5, 9, 0, 0, None)]}, "pressure.kind names no row"),
        ({"pressure": [(5, 0, 1, 0, None)]}, "pressure.cgroup names no row"),
        ({"tasks": [(1, "a", 3)]}, "tasks.cgroup names no row"),
    ],
)
def test_each_rule_of_the_tables(tmp_path, tables, problem):
    problems = verify(make_trace(tmp_path / "t", SOUND, **tables))
    assert [p for p in problems if problem in p], problems


@pytest.mark.parametrize(
    ("certificate", "problem"),
    [
        (
            Certificate(True, Reconciliation(4, 0, 5), Reconciliation(3, 0, 3)),
            "of 5 stores that the kernel counted",
        ),
        (
            Certificate(True, Reconciliation(4, 1, 5), Reconciliation(3, 0, 3)),
            "of 5 stores that the kernel counted",
        ),
        (Certificate(False, Reconciliation(9, 0, 5), Reconciliation(3, 0, 3)), "counts 9 stores recorded"),
        (Certificate(True, Reconciliation(4, 0, 4), Reconciliation(3, 0, 3), gaps=[{}]), "and lists 1 gaps"),
        (Certificate(False, Reconciliation(4, 1, 5), Reconciliation(3, 0, 3)), "more events dropped than"),
    ],
)
def test_a_certificate_that_contradicts_itself(tmp_path, certificate, problem):
    problems = verify(make_trace(tmp_path / "t", SOUND, manifest={"certificate": certificate}))
    assert len([p for p in problems if problem in p]) == 1, problems


@pytest.mark.parametrize("kernel", [5, None])
def test_an_honest_lossy_trace_is_sound(tmp_path, kernel):
    certificate = Certificate(False, Reconciliation(4, 1, kernel), Reconciliation(3, 0, 3), note="one was dropped")
    columns = event_columns(SOUND)
    events = dataclasses.replace(make_manifest(columns, duration_ns=100).events, dropped=1)
    path = make_trace(tmp_path / "t", SOUND, manifest={"certificate": certificate, "events": events})
    assert verify(path) == []


def test_a_trace_recorded_without_an_opinion_on_the_kernel(tmp_path):
    certificate = Certificate(True, Reconciliation(4, 0, None), Reconciliation(3, 0, None))
    assert verify(make_trace(tmp_path / "t", SOUND, manifest={"certificate": certificate})) == []


def test_a_file_that_is_not_listed_is_named(tmp_path):
    path = make_trace(tmp_path / "t", SOUND)
    (path / "events-00001.parquet").write_bytes((path / "events-00000.parquet").read_bytes())
    assert len(verify(path)) == 1
    assert "events-00001.parquet is not listed" in verify(path)[0]


def test_every_damaged_file_is_named(tmp_path):
    path = make_trace(tmp_path / "t", SOUND)
    (path / "tasks.parquet").unlink()
    data = bytearray((path / "pages.parquet").read_bytes())
    data[20] ^= 1
    (path / "pages.parquet").write_bytes(data)
    problems = verify(path)
    assert len(problems) == 2
    assert "pages.parquet" in problems[0]
    assert "tasks.parquet" in problems[1]


def test_rules_against_a_brute_force_model(tmp_path):
    """Random walks through ops: the compiled rules agree with a dictionary of page states."""
    rng = np.random.default_rng(7)
    for trial in range(30):
        rows = 60
        columns = event_columns([(t, int(rng.integers(0, 3)), 0) for t in range(rows)])
        fresh = 0
        for i in range(rows):
            columns["page"][i] = rng.integers(0, fresh + 1)
            fresh += int(columns["page"][i] == fresh)
        state, reused, never = {}, [], []
        for i in range(rows):
            op, page = int(columns["op"][i]), int(columns["page"][i])
            if op == 2 and page not in state:
                never.append(i)
            elif op != 0 and state.get(page) == 2:
                reused.append(i)
            state[page] = op
        expected = {f"first at event {bad[0]}, {len(bad)} in all" for bad in (reused, never) if bad}
        problems = verify(make_trace(tmp_path / str(trial), columns=columns))
        assert {p.partition(": ")[2] for p in problems} == expected


def test_verify_uses_the_tables_of_the_schema(tmp_path):
    trace = Trace.open(make_trace(tmp_path / "t", SOUND))
    for name, schema in TABLES.items():
        assert trace.table(name).schema.equals(schema)


def test_a_null_in_a_required_column_cannot_be_written(tmp_path):
    with TraceWriter(tmp_path / "t") as writer, pytest.raises(Exception, match="must not be null"):
        schema = TABLES["cgroups"]
        writer.write_table(
            "cgroups", pa.Table.from_arrays([pa.array([None], f.type) for f in schema], schema=schema)
        )


def constant_column(path):
    """Where the pages of a column lie that is one value in all rows, and the file."""
    file = path / "events-00000.parquet"
    group = pq.ParquetFile(file).metadata.row_group(0)
    (chunk,) = [group.column(i) for i in range(group.num_columns) if group.column(i).path_in_schema == "task"]
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    return file, start + chunk.total_compressed_size - 2


def test_a_column_that_no_reader_has_to_decode_is_decoded(tmp_path):
    """Of one value in all rows: readers take it from the footer. Its bytes are damaged; the checksums agree."""
    path = make_trace(tmp_path / "t", [(i, "store", i, 100) for i in range(50)])
    file, at = constant_column(path)
    data = bytearray(file.read_bytes())
    data[at] ^= 0xFF
    file.write_bytes(data)

    def admit(plain):
        plain["files"][file.name]["sha256"] = hashlib.sha256(data).hexdigest()

    rewrite_manifest(path, admit)
    assert set(Trace.open(path).events("task")["task"].tolist()) == {0}
    (problem,) = verify(path)
    assert "is damaged" in problem and file.name in problem


def test_a_footer_that_says_another_value_is_found(tmp_path, monkeypatch):
    path = make_trace(tmp_path / "t", [(i, "store", i, 100) for i in range(50)])
    monkeypatch.setattr(TraceFile, "_constant", lambda self, group, column, null: 1 if column == "flags" else None)
    (problem,) = verify(path)
    assert "its footer says that flags is 1 in all of row group 0, and it is not" in problem
