"""Other tools' formats: the real library reads what was exported, and a round trip changes nothing."""

import csv
import struct

import libcachesim
import numpy as np
import pytest
import zstandard

from tests.factory import event_columns, make_trace, relabel
from tmemlab.datasets.formats._ids import DenseIds
from tmemlab.datasets.formats.registry import export_trace, import_trace
from tmemlab.datasets.trace.read import Trace
from tmemlab.datasets.trace.verify import verify
from tmemlab.errors import InvalidInputError, TraceError


def walk(rows, pages, seed=3):
    """A legal walk: store, load, store, load ... of random pages, times up to two minutes."""
    rng = np.random.default_rng(seed)
    page = np.array(relabel(rng.zipf(1.3, rows) % pages))
    t = np.sort(rng.integers(0, 120 * 10**9, rows))
    turns = np.zeros(pages, int)
    events = []
    for i, p in enumerate(page):
        events.append((int(t[i]), int(turns[p] % 2), int(p), int(p % 4000)))
        turns[p] += 1
    return events


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    return Trace.open(make_trace(tmp_path_factory.mktemp("convert") / "t", walk(3000, 200)))


def records(path):
    return list(struct.iter_unpack("<IQIq", path.read_bytes()))


def test_dense_ids_against_a_dictionary():
    rng = np.random.default_rng(5)
    ids, known = DenseIds(), {}
    for _ in range(6):
        keys = rng.integers(0, 2**63, 30_000).astype(np.uint64)
        keys[::2] = rng.integers(0, 500, len(keys[::2]))
        spaces = rng.integers(0, 3, len(keys)).astype(np.uint32)
        expected = [
            known.setdefault(pair, len(known)) for pair in zip(keys.tolist(), spaces.tolist(), strict=True)
        ]
        assert ids.number(keys, spaces).tolist() == expected
    assert list(zip(ids.keys.tolist(), ids.spaces.tolist(), strict=True)) == list(known)


@pytest.mark.parametrize(("requests", "kept"), [("all", {0, 1}), ("loads", {1}), ("stores", {0})])
def test_exported_records(trace, tmp_path, requests, kept):
    events = trace.events("t", "op", "page")
    chosen = [i for i in range(len(trace)) if events["op"][i] in kept]
    assert export_trace(trace, tmp_path / "x", "libcachesim", requests=requests) == len(chosen)
    got = records(tmp_path / "x")
    pages = [int(events["page"][i]) for i in chosen]
    assert [r[0] for r in got] == [int(events["t"][i]) // 10**9 for i in chosen]
    assert [r[1] for r in got] == pages
    assert {r[2] for r in got} == {4096}
    following = [
        next((j + 1 for j in range(i + 1, len(pages)) if pages[j] == page), -1) for i, page in enumerate(pages)
    ]
    assert [r[3] for r in got] == following


def test_the_real_library_reads_every_record(trace, tmp_path):
    export_trace(trace, tmp_path / "x.oracleGeneral", "libcachesim", size="clen")
    export_trace(trace, tmp_path / "x.oracleGeneral.zst", "libcachesim", size="clen")
    mine = records(tmp_path / "x.oracleGeneral")
    for name in ("x.oracleGeneral", "x.oracleGeneral.zst"):
        reader = libcachesim.TraceReader(str(tmp_path / name), libcachesim.TraceType.ORACLE_GENERAL_TRACE)
        theirs = [(r.clock_time, r.obj_id, r.obj_size) for r in reader]
        assert theirs == [record[:3] for record in mine]


def test_next_access_is_what_the_real_library_computes(trace, tmp_path):
    """Its own converter, given the same requests as CSV, writes the same records."""
    export_trace(trace, tmp_path / "mine.oracleGeneral", "libcachesim")
    with (tmp_path / "x.csv").open("w") as stream:
        stream.writelines(f"{r[0]},{r[1]},{r[2]}\n" for r in records(tmp_path / "mine.oracleGeneral"))
    parameters = libcachesim.ReaderInitParam(has_header=False, delimiter=",", obj_id_is_num=True)
    parameters.time_field, parameters.obj_id_field, parameters.obj_size_field = 1, 2, 3
    reader = libcachesim.TraceReader(str(tmp_path / "x.csv"), libcachesim.TraceType.CSV_TRACE, parameters)
    libcachesim.Util.convert_to_oracleGeneral(reader._reader, str(tmp_path / "theirs.oracleGeneral"))
    mine, theirs = records(tmp_path / "mine.oracleGeneral"), records(tmp_path / "theirs.oracleGeneral")
    assert theirs == mine


def test_lru_misses_of_the_real_library_match_a_model(trace, tmp_path):
    export_trace(trace, tmp_path / "x.oracleGeneral", "libcachesim")
    pages = [r[1] for r in records(tmp_path / "x.oracleGeneral")]
    reader = libcachesim.TraceReader(str(tmp_path / "x.oracleGeneral"), libcachesim.TraceType.ORACLE_GENERAL_TRACE)
    cache = libcachesim.LRU(cache_size=50 * 4096)
    miss_ratio, _ = cache.process_trace(reader)
    order, misses = {}, 0
    for page in pages:
        misses += page not in order
        order.pop(page, None)
        order[page] = True
        if len(order) > 50:
            order.pop(next(iter(order)))
    assert miss_ratio == pytest.approx(misses / len(pages), abs=1e-9)


@pytest.mark.parametrize("name", ["x.bin", "x.zst"])
def test_libcachesim_round_trip(trace, tmp_path, name):
    export_trace(trace, tmp_path / name, "libcachesim", size="clen")
    manifest = import_trace(tmp_path / name, tmp_path / "back", "libcachesim", size="clen", ram_bytes=1 << 30)
    assert verify(tmp_path / "back") == []
    assert (manifest.kind, manifest.ram_bytes, manifest.events.loads) == ("access", 1 << 30, 3000)
    before, after = trace.events("t", "page", "clen"), Trace.open(tmp_path / "back").events("t", "page", "clen")
    assert after["page"].tolist() == before["page"].tolist()
    assert after["clen"].tolist() == np.maximum(before["clen"], 1).tolist()
    seconds = before["t"] // 10**9
    assert (after["t"] // 10**9).tolist() == (seconds - seconds[0]).tolist()


def test_libcachesim_import_of_sparse_ids(tmp_path):
    rows = [(5, 2**63 + 7, 100, 2), (5, 2**63, 100, -1), (9, 2**63 + 7, 100, -1)]
    (tmp_path / "x").write_bytes(b"".join(struct.pack("<IQIq", *row) for row in rows))
    import_trace(tmp_path / "x", tmp_path / "t", "libcachesim")
    trace = Trace.open(tmp_path / "t")
    assert trace.events("page")["page"].tolist() == [0, 1, 0]
    assert trace.events("t")["t"].tolist() == [0, 0, 4 * 10**9]
    assert trace.column("pages", "vpn").tolist() == [7, 0]
    assert trace.manifest.ram_bytes == 2 * 4096


@pytest.mark.parametrize("cut", [1, 23, 25, 71])
def test_a_file_cut_inside_a_record_names_the_byte(tmp_path, cut):
    (tmp_path / "x").write_bytes(struct.pack("<IQIq", 1, 2, 3, -1) * 2 + b"x" * 24)
    with (tmp_path / "x").open("r+b") as stream:
        stream.truncate(cut)
    with pytest.raises(TraceError, match=f"ends inside a record at byte {cut - cut % 24}"):
        import_trace(tmp_path / "x", tmp_path / "t", "libcachesim")
    assert not (tmp_path / "t").exists()


def test_time_that_goes_back_names_the_byte(tmp_path):
    (tmp_path / "x").write_bytes(b"".join(struct.pack("<IQIq", clock, 2, 3, -1) for clock in (5, 6, 4)))
    with pytest.raises(TraceError, match="goes back in time at byte 48"):
        import_trace(tmp_path / "x", tmp_path / "t", "libcachesim")


def test_damaged_zstd_is_refused_at_every_cut(trace, tmp_path):
    export_trace(trace, tmp_path / "good.zst", "libcachesim")
    data = (tmp_path / "good.zst").read_bytes()
    for sixteenth in range(1, 16):
        (tmp_path / "x.zst").write_bytes(data[: len(data) * sixteenth // 16])
        with pytest.raises(TraceError, match=r"x\.zst"):
            import_trace(tmp_path / "x.zst", tmp_path / "t", "libcachesim")
    (tmp_path / "x.zst").write_bytes(b"not zstd at all, but long enough to look at")
    with pytest.raises(TraceError, match="not a sound zstd file"):
        import_trace(tmp_path / "x.zst", tmp_path / "t", "libcachesim")


def test_a_zstd_bomb_runs_in_bounded_memory(tmp_path):
    """A gigabyte of equal records in 100 kB is read piece by piece: the error comes from its last bytes."""
    compressor = zstandard.ZstdCompressor(level=3).compressobj()
    block = struct.pack("<IQIq", 1, 2, 3, -1) * 100_000
    with (tmp_path / "x.zst").open("wb") as stream:
        for _ in range(100):
            stream.write(compressor.compress(block))
        stream.write(compressor.compress(b"x") + compressor.flush())
    with pytest.raises(TraceError, match="ends inside a record at byte 240000000"):
        import_trace(tmp_path / "x.zst", tmp_path / "t", "libcachesim")


EVENTS = [
    (0, "store", 0, 1200, {"slot": 7, "latency": 900, "task": 1}),
    (5, "store", 1, 0),
    (5, "load", 2, None, {"where": 1, "flags": 9, "cgroup": 1}),
    (9, "invalidate", 0),
]
TABLES = {"tasks": [(1, 'a,"b"', 0), (2, "c", 0)], "cgroups": [("/", None), ("/x y", None)]}


def test_csv_has_words_and_empty_nulls(tmp_path):
    export_trace(Trace.open(make_trace(tmp_path / "t", EVENTS, **TABLES)), tmp_path / "x.csv", "csv")
    with (tmp_path / "x.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows[0] == {
        "t": "0", "op": "store", "page": "0", "slot": "7", "clen": "1200", "cgroup": "/", "pid": "2", "comm": "c",
        "where": "pool", "flags": "0", "latency": "900",
    }  # fmt: skip
    assert (rows[2]["where"], rows[2]["clen"], rows[2]["cgroup"], rows[2]["comm"]) == ("disk", "", "/x y", 'a,"b"')


def test_csv_round_trip(tmp_path):
    first = Trace.open(make_trace(tmp_path / "t", EVENTS, **TABLES))
    assert export_trace(first, tmp_path / "x.csv", "csv") == 4
    import_trace(tmp_path / "x.csv", tmp_path / "back", "csv")
    assert verify(tmp_path / "back") == []
    back = Trace.open(tmp_path / "back")
    before, after = first.events(), back.events()
    for name in ("t", "op", "page", "slot", "clen", "where", "flags", "latency"):
        assert after[name].tolist() == before[name].tolist(), name
    comm = back.table("tasks")["comm"].to_pylist()
    assert [comm[i] for i in after["task"]] == ["c", 'a,"b"', 'a,"b"', 'a,"b"']
    paths = back.table("cgroups")["path"].to_pylist()
    assert [paths[i] for i in after["cgroup"]] == ["/", "/", "/x y", "/"]


def test_csv_of_an_empty_trace(tmp_path):
    assert export_trace(Trace.open(make_trace(tmp_path / "t")), tmp_path / "x.csv", "csv") == 0
    assert import_trace(tmp_path / "x.csv", tmp_path / "back", "csv").events.recorded == 0


@pytest.mark.parametrize(
    ("text", "options", "t", "pages"),
    [
        ("t,page\n1,5\n3,9\n4,5\n", {}, [0, 2, 3], [0, 1, 0]),
        ("when;ignored,addr\n1,0x10\n", {"columns": {"t": "when;ignored", "page": "addr"}}, [0], [0]),
        ("7,x,0xff\n8,y,255\n", {"columns": {"t": "0", "page": "2"}}, [0, 1], [0, 0]),
        ("t,page\n1.5,1\n1.500000001,2\n", {"time_unit": "s"}, [0, 1], [0, 1]),
        ("t,page\n1700000000.123456789,1\n1700000001,2\n", {"time_unit": "s"}, [0, 876543211], [0, 1]),
        ("t,page\r\n1,1\r\n2,2\r\n", {"time_unit": "ms"}, [0, 10**6], [0, 1]),
    ],
)
def test_csv_of_others(tmp_path, text, options, t, pages):
    (tmp_path / "x.csv").write_text(text, newline="")
    import_trace(tmp_path / "x.csv", tmp_path / "t", "csv", **options)
    found = Trace.open(tmp_path / "t").events("t", "page", "op")
    assert (found["t"].tolist(), found["page"].tolist()) == (t, pages)
    assert set(found["op"]) == {1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("t,page\n1,5\nx,9\n", "line 3: t is not a time"),
        ("t,page\n1,5\n2,-9\n", "line 3: page is not a number"),
        ("t,page\n1,5\n2,99999999999999999999999\n", "line 3: page is not a number"),
        ("t,page\n99999999999999999999,5\n", "line 2: t is not a time"),
        ("t,page\n9223372036854775808,5\n", "line 2: t is too large"),
        ("t,page\n5,5\n4,9\n", "line 3 goes back in time"),
        ("t,page,op\n5,5,swap\n", "line 2: op is none of store"),
        ("t,page,where\n5,5,moon\n", "line 2: where is none of pool"),
        ("t,page,clen\n5,5,70000\n", "line 2: clen is too large"),
        ("t,page\n5,5\n6\n", "line 3"),
        ("t,page\n5,5\n6,7,8\n", "line 3"),
        ("", "not sound CSV"),
        ("t,page\n\0\0\n", "x.csv"),
        ('t,page\n5,"5\n', "x.csv"),
    ],
)
def test_damaged_csv_names_the_line(tmp_path, text, message):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(TraceError) as error:
        import_trace(tmp_path / "x.csv", tmp_path / "t", "csv")
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "t").exists()


def test_lines_are_counted_across_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("tmemlab.datasets.formats.csv._BLOCK", 1000)
    lines = [f"{i},{i % 7}" for i in range(1000)]
    lines[700] = "x,1"
    (tmp_path / "x.csv").write_text("t,page\n" + "\n".join(lines))
    with pytest.raises(TraceError, match="line 702: t is not a time"):
        import_trace(tmp_path / "x.csv", tmp_path / "t", "csv")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("parquet5", {}, "'parquet5' has no importer: use blkparse, bpftrace, csv"),
        ("csv", {"size": "clen"}, "size is not an option of the format csv"),
        ("csv", {"columns": {"colour": "x"}}, "no column 'colour' to map to"),
        ("csv", {"columns": {"t": "when"}}, "has no single column 'when' for t: it has t, page; map t"),
        ("csv", {"time_unit": "weeks"}, "'weeks' is not a unit of time"),
        ("libcachesim", {"size": "big"}, "'big' is not a size"),
    ],
)
def test_wrong_options_are_usage_errors(tmp_path, name, options, message):
    (tmp_path / "x").write_text("t,page\n1,1\n")
    with pytest.raises(InvalidInputError) as error:
        import_trace(tmp_path / "x", tmp_path / "t", name, **options)
    assert message in str(error.value)


def test_an_export_never_replaces_a_file(trace, tmp_path):
    (tmp_path / "x").write_text("precious")
    with pytest.raises(InvalidInputError, match="already exists"):
        export_trace(trace, tmp_path / "x", "libcachesim")
    with pytest.raises(InvalidInputError, match="'some' is not a choice"):
        export_trace(trace, tmp_path / "y", "libcachesim", requests="some")
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_a_trace_in_several_row_groups_exports_the_same(tmp_path, monkeypatch):
    events = walk(500, 60)
    export_trace(Trace.open(make_trace(tmp_path / "one", events)), tmp_path / "one.bin", "libcachesim")
    monkeypatch.setattr("tmemlab.datasets.trace.write.ROW_GROUP", 64)
    several = Trace.open(make_trace(tmp_path / "many", columns=event_columns(events), events_per_file=128))
    export_trace(several, tmp_path / "many.bin", "libcachesim")
    assert (tmp_path / "one.bin").read_bytes() == (tmp_path / "many.bin").read_bytes()
