"""What is written is read back, column by column."""

import json
import stat

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.factory import event_columns, make_manifest, make_trace, sample
from tmemlab.datasets.trace.read import Trace
from tmemlab.datasets.trace.schema import EVENTS, NO_CLEN, NO_LATENCY, NO_SLOT, PAGES
from tmemlab.datasets.trace.write import TraceWriter
from tmemlab.errors import InvalidInputError, TmemlabError, TraceError

EVENTS_BY_HAND = [
    (0, "store", 0, 1200, {"slot": 7, "latency": 900}),
    (5, "store", 1, 0),
    (5, "store", 2),
    (9, "load", 1, 0, {"flags": 9, "task": 1}),
    (12, "invalidate", 0),
]


def random_columns(rows, seed=1):
    rng = np.random.default_rng(seed)
    columns = event_columns([(0, "store", 0)] * rows)
    columns["t"] = np.sort(rng.integers(0, 10**9, rows))
    for name, high in (("page", 1000), ("slot", 5000), ("clen", 4097), ("where", 5), ("latency", 10**6)):
        columns[name] = rng.integers(0, high, rows).astype(columns[name].dtype)
    columns["slot"][rng.random(rows) < 0.3] = NO_SLOT
    columns["clen"][rng.random(rows) < 0.3] = NO_CLEN
    return columns


def test_every_column_comes_back_as_it_was_given(tmp_path):
    path = make_trace(tmp_path / "t", EVENTS_BY_HAND, tasks=[(1, "a", 0), (2, "b", 0)])
    trace = Trace.open(path)
    columns = trace.events()
    assert columns["t"].tolist() == [0, 5, 5, 9, 12]
    assert columns["op"].tolist() == [0, 0, 0, 1, 2]
    assert columns["page"].tolist() == [0, 1, 2, 1, 0]
    assert columns["slot"].tolist() == [7] + [NO_SLOT] * 4
    assert columns["clen"].tolist() == [1200, 0, NO_CLEN, 0, NO_CLEN]
    assert columns["latency"].tolist() == [900] + [NO_LATENCY] * 4
    assert columns["flags"].tolist() == [0, 0, 0, 9, 0]
    assert {n: c.dtype for n, c in columns.items()} == {f.name: f.type.to_pandas_dtype() for f in EVENTS}
    assert (trace.manifest.events.stores, trace.manifest.events.loads, trace.manifest.events.invalidates) == (
        3,
        1,
        1,
    )
    assert trace.table("tasks").to_pylist()[1] == {"pid": 2, "comm": "b", "cgroup": 0}


def test_pandas_free_readers_see_nulls_not_sentinels(tmp_path):
    path = make_trace(tmp_path / "t", EVENTS_BY_HAND, tasks=[(1, "a", 0), (2, "b", 0)])
    table = pq.read_table(path / "events-00000.parquet")
    assert table.schema.equals(EVENTS)
    assert table["slot"].to_pylist() == [7, None, None, None, None]
    assert table["clen"].to_pylist() == [1200, 0, None, 0, None]


@pytest.mark.parametrize("size", [1, 7, 1000, 10**9])
def test_batches_in_any_size_join_to_the_whole(tmp_path, size, monkeypatch):
    monkeypatch.setattr("tmemlab.datasets.trace.write.ROW_GROUP", 500)
    columns = random_columns(1777)
    path = make_trace(tmp_path / "t", columns=columns, events_per_file=1000)
    trace = Trace.open(path)
    assert [f.row_groups for f in trace.files[:2]] == [[500, 500], [500, 277]]
    pieces = list(trace.batches("t", "slot", "clen", size=size))
    assert max(len(p["t"]) for p in pieces) <= size
    for name in ("t", "slot", "clen"):
        np.testing.assert_array_equal(np.concatenate([p[name] for p in pieces]), columns[name])
    for name, whole in trace.events().items():
        np.testing.assert_array_equal(whole, columns[name])


def test_many_small_writes_equal_one_large_write(tmp_path):
    columns = random_columns(3000)
    whole = make_trace(tmp_path / "whole", columns=columns)
    with TraceWriter(tmp_path / "parts") as writer:
        buffer = {name: np.empty(10, a.dtype) for name, a in columns.items()}
        for at in range(0, 3000, 10):
            for name, array in columns.items():
                buffer[name][:] = array[at : at + 10]  # the same buffers again and again
            writer.write_events(buffer)
        writer.write_table("pages", Trace.open(whole).table("pages"))
        writer.close(make_manifest(columns, duration_ns=10**9))
    assert (tmp_path / "parts/events-00000.parquet").read_bytes() == (whole / "events-00000.parquet").read_bytes()


def test_null_columns_may_be_left_out(tmp_path):
    columns = {k: v for k, v in random_columns(10).items() if k not in ("slot", "clen", "latency")}
    with TraceWriter(tmp_path / "t") as writer:
        writer.write_events(columns)
        writer.close(make_manifest(columns, duration_ns=10**9))
    assert Trace.open(tmp_path / "t").events("slot")["slot"].tolist() == [NO_SLOT] * 10


def test_an_empty_trace_is_a_trace(tmp_path):
    trace = Trace.open(make_trace(tmp_path / "t"))
    assert len(trace) == 0
    assert len(trace.events("t")["t"]) == 0
    assert list(trace.batches("t")) == []


def test_sample_columns_with_nulls(tmp_path):
    samples = [sample(0, zswpin=None), sample(10**8, zswpin=5)]
    trace = Trace.open(make_trace(tmp_path / "t", EVENTS_BY_HAND[:1], duration_ns=10**9, samples=samples))
    assert trace.column("samples", "zswpin").tolist() == [-1, 5]
    assert trace.column("samples", "t").tolist() == [0, 10**8]
    assert trace.table("samples")["zswpin"].to_pylist() == [None, 5]


def test_files_are_private(tmp_path):
    path = make_trace(tmp_path / "t", EVENTS_BY_HAND[:1])
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in path.iterdir()} == {0o600}


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), TraceWriter(tmp_path / "t") as writer:
        writer.write_events(random_columns(10))
        raise RuntimeError
    with TraceWriter(tmp_path / "t") as writer:
        writer.write_events(random_columns(10))
    assert list(tmp_path.iterdir()) == []


def test_a_killed_writer_leaves_no_trace(tmp_path):
    writer = TraceWriter(tmp_path / "t")
    writer.write_events(random_columns(10))
    left = list(tmp_path.iterdir())
    assert [p.name.startswith(".t.partial-") for p in left] == [True]
    with pytest.raises(TraceError, match="has no manifest"):
        Trace.open(left[0])
    writer.discard()


def test_what_is_there_already_is_refused_and_kept(tmp_path):
    (tmp_path / "t").mkdir()
    (tmp_path / "t/precious").write_text("x")
    with pytest.raises(InvalidInputError, match="already exists"):
        TraceWriter(tmp_path / "t")
    make_trace(tmp_path / "u", EVENTS_BY_HAND[:1])
    before = (tmp_path / "u/manifest.json").read_bytes()
    with pytest.raises(InvalidInputError, match="already exists"):
        make_trace(tmp_path / "u", EVENTS_BY_HAND[:2])
    assert (tmp_path / "u/manifest.json").read_bytes() == before
    (tmp_path / "empty").mkdir()
    assert len(Trace.open(make_trace(tmp_path / "empty", EVENTS_BY_HAND[:1]))) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"t": None}, "need the column 't'|must be 0 integers"),
        ({"op": None}, "need the column 'op'"),
        ({"colour": np.zeros(3, np.uint8)}, "no column 'colour'"),
        ({"op": np.array([0, 1, 3], np.uint8)}, "op 3"),
        ({"page": np.array([0, 1], np.uint32)}, "page must be 3 integers"),
        ({"page": np.array([0, -1, 1])}, "page has a value outside uint32"),
        ({"clen": np.array([0, 1, 1 << 16])}, "clen has a value outside uint16"),
        ({"t": np.array([0.0, 1.0, 2.0])}, "t must be 3 integers"),
        ({"t": np.array([5, 4, 6])}, "time order"),
        ({"t": np.array([-1, 4, 6])}, "time order"),
    ],
)
def test_wrong_columns_are_refused(tmp_path, change, message):
    columns = {"t": np.arange(3), "op": np.zeros(3, np.uint8), "page": np.arange(3, dtype=np.uint32)}
    columns |= {name: np.zeros(3, np.uint8) for name in ("cgroup", "task", "where", "flags")}
    columns = {name: array for name, array in (columns | change).items() if array is not None}
    with TraceWriter(tmp_path / "t") as writer, pytest.raises(InvalidInputError, match=message):
        writer.write_events(columns)


def test_tables_are_refused_unless_they_are_of_the_schema(tmp_path):
    with TraceWriter(tmp_path / "t") as writer:
        with pytest.raises(InvalidInputError, match="no table 'events'"):
            writer.write_table("events", pa.table({}))
        with pytest.raises(InvalidInputError, match="exactly the columns"):
            writer.write_table("pages", pa.table({"space": [1]}))
        nulls = pa.Table.from_arrays([pa.array([None], f.type) for f in PAGES], schema=PAGES)
        with pytest.raises(InvalidInputError, match=r"pages\.space must not be null"):
            writer.write_table("pages", nulls)


def test_an_event_after_the_end_is_refused(tmp_path):
    columns = random_columns(10)
    with (
        TraceWriter(tmp_path / "t") as writer,
        pytest.raises(InvalidInputError, match="after the trace's duration"),
    ):
        writer.write_events(columns)
        writer.close(make_manifest(columns, duration_ns=int(columns["t"][-1]) - 1))


def test_a_full_disk_is_one_sentence_and_changes_nothing(tmp_path, monkeypatch):
    make_trace(tmp_path / "old", EVENTS_BY_HAND[:1])

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    with pytest.raises(TmemlabError, match=r"cannot be written \(No space left on device\): free some space"):
        make_trace(tmp_path / "new", EVENTS_BY_HAND[:1])
    assert [p.name for p in tmp_path.iterdir()] == ["old"]
    assert len(Trace.open(tmp_path / "old").events("t")["t"]) == 1


def test_unknown_names_are_usage_errors(tmp_path):
    trace = Trace.open(make_trace(tmp_path / "t", EVENTS_BY_HAND[:1]))
    with pytest.raises(InvalidInputError, match="no column 'colour'"):
        trace.events("colour")
    with pytest.raises(InvalidInputError, match="no table 'colours'"):
        trace.table("colours")
    with pytest.raises(InvalidInputError, match="holds text"):
        trace.column("tasks", "comm")


def test_unknown_manifest_keys_survive(tmp_path):
    path = make_trace(tmp_path / "t", EVENTS_BY_HAND[:1], manifest={"extra": {"later": {"x": [1, 2.5, None]}}})
    manifest = Trace.open(path).manifest
    assert manifest.extra == {"later": {"x": [1, 2.5, None]}}
    assert json.loads(manifest.to_json())["later"] == {"x": [1, 2.5, None]}
    assert manifest.to_json() == (path / "manifest.json").read_text()
