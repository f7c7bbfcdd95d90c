"""Damaged and hostile traces: one sentence, TraceError, and never a part of the data as if it were all."""

import json
import os
import re
import shutil
import struct
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.datasets.test_roundtrip import random_columns
from tests.factory import make_trace
from tmemlab.datasets.trace.files import TraceFile
from tmemlab.datasets.trace.manifest import FileEntry, Manifest
from tmemlab.datasets.trace.pageheaders import unpacked_bytes
from tmemlab.datasets.trace.parquet import file_sha256
from tmemlab.datasets.trace.read import Trace
from tmemlab.datasets.trace.schema import EVENTS, TABLES
from tmemlab.datasets.trace.verify import verify
from tmemlab.errors import TraceError

FILES = ["manifest.json", "events-00000.parquet", *(f"{name}.parquet" for name in TABLES)]


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return make_trace(tmp_path_factory.mktemp("good") / "t", columns=random_columns(3000), duration_ns=10**9)


def read_all(path):
    """Everything that a trace holds, as the library gives it."""
    trace = Trace.open(path)
    found = {name: column.tobytes() for name, column in trace.events().items()}
    found |= {name: trace.table(name).to_pylist() for name in TABLES}
    streamed = [list(batch.values()) for batch in trace.batches("t", "page", size=1000)]
    assert b"".join(np.ascontiguousarray(t).tobytes() for t, _ in streamed) == found["t"]
    return found, trace.manifest


def copy_with(good, tmp_path, name, data):
    path = tmp_path / "damaged"
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(good, path)
    (path / name).write_bytes(data)
    return path


def rewrite_manifest(path, change):
    """Apply ``change`` to the JSON of the manifest and make its own checksum right again."""
    plain = json.loads((path / "manifest.json").read_text())
    change(plain)
    plain.pop("sha256", None)
    (path / "manifest.json").write_text(sealed(plain))


def sealed(plain):
    import hashlib

    canonical = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return json.dumps({**plain, "sha256": hashlib.sha256(canonical).hexdigest()})


def readmit(path, name):
    """Make the manifest state the file as it is now: damage that no checksum can show."""

    def change(plain):
        plain["files"][name] |= {"sha256": file_sha256(path / name), "bytes": (path / name).stat().st_size}

    rewrite_manifest(path, change)


def one_sentence(error):
    text = str(error.value)
    assert "\n" not in text
    assert "Traceback" not in text
    assert len(text) < 800
    return text


@pytest.mark.parametrize("name", FILES)
def test_truncated_at_every_sixteenth(good, tmp_path, name):
    data = (good / name).read_bytes()
    for sixteenth in range(16):
        path = copy_with(good, tmp_path, name, data[: len(data) * sixteenth // 16])
        with pytest.raises(TraceError) as error:
            Trace.open(path)
        assert name in one_sentence(error)
        assert verify(path)


@pytest.mark.parametrize("name", FILES[1:])
def test_truncated_files_that_the_manifest_admits(good, tmp_path, name):
    """Nothing but Parquet itself can see this damage."""
    data = (good / name).read_bytes()
    for sixteenth in range(16):
        path = copy_with(good, tmp_path, name, data[: len(data) * sixteenth // 16])
        readmit(path, name)
        with pytest.raises(TraceError) as error:
            read_all(path)
        assert name in one_sentence(error)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(FILES), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_found(good, tmp_path, name, place, bit):
    data = bytearray((good / name).read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    path = copy_with(good, tmp_path, name, bytes(data))
    with pytest.raises(TraceError) as error:
        read_all(path)
    one_sentence(error)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(FILES[1:]), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_that_the_manifest_admits_is_an_error_or_complete_data(good, tmp_path, name, place, bit):
    """With the checksums forged, Arrow may refuse or decode; never a crash, never fewer rows."""
    data = bytearray((good / name).read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    path = copy_with(good, tmp_path, name, bytes(data))
    readmit(path, name)
    try:
        found, _ = read_all(path)
    except TraceError as error:
        assert "\n" not in str(error)
    else:
        assert len(found["t"]) == 3000 * 8


def test_page_checksums_catch_damage_that_the_manifest_admits(good, tmp_path):
    """Damage inside the pages themselves is seen by Parquet's own checksums."""
    name = "events-00000.parquet"
    metadata = pq.ParquetFile(good / name).metadata
    column = metadata.row_group(0).column(EVENTS.names.index("page"))
    end = column.data_page_offset + column.total_compressed_size
    data = bytearray((good / name).read_bytes())
    data[end - 10] ^= 1
    path = copy_with(good, tmp_path, name, bytes(data))
    readmit(path, name)
    trace = Trace.open(path)
    assert len(trace.events("op")["op"]) == 3000
    with pytest.raises(TraceError, match=r"CRC|checksum"):
        trace.events("page")


def _without(name):
    return EVENTS.remove(EVENTS.names.index(name))


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (_without("flags"), "its columns are"),
        (EVENTS.append(pa.field("more", pa.int8())), "its columns are"),
        (EVENTS.set(0, pa.field("t", pa.int32(), nullable=False)), "t is int32, not int64"),
        (EVENTS.set(0, pa.field("t", pa.int64())), "t must be required"),
        (EVENTS.set(3, pa.field("slot", pa.string())), "slot is string"),
    ],
)
def test_another_schema_is_refused(good, tmp_path, schema, message):
    name = "events-00000.parquet"
    arrays = [
        pa.array(["x"] * 3000) if f.type == pa.string() else pa.array(range(3000)).cast(f.type, safe=False)
        for f in schema
    ]
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), tmp_path / "x")
    path = copy_with(good, tmp_path, name, (tmp_path / "x").read_bytes())
    readmit(path, name)
    with pytest.raises(TraceError, match="not of format v1") as error:
        Trace.open(path)
    assert message in one_sentence(error)


def test_nulls_where_none_may_be_never_become_numbers(good, tmp_path):
    """A footer that says required over pages that were written optional."""
    name = "tasks.parquet"
    schema = pa.schema([pa.field(f.name, f.type) for f in TABLES["tasks"]])
    pq.write_table(pa.table({"pid": [1], "comm": [None], "cgroup": [0]}, schema=schema), tmp_path / "x")
    path = copy_with(good, tmp_path, name, (tmp_path / "x").read_bytes())
    readmit(path, name)
    with pytest.raises(TraceError, match="must be required"):
        Trace.open(path)


def test_rows_that_the_file_does_not_have(good, tmp_path):
    path = copy_with(good, tmp_path, "x", b"")

    def change(plain):
        plain["files"]["events-00000.parquet"]["rows"] = 10**12
        plain["events"] |= {"recorded": 10**12, "stores": 10**12, "loads": 0, "invalidates": 0}

    rewrite_manifest(path, change)
    with pytest.raises(TraceError, match="has 3000 rows where the manifest says 1000000000000"):
        Trace.open(path)


def test_a_row_count_that_would_fill_the_memory(good, tmp_path):
    """A few kilobytes that claim sixteen million equal rows, over and over."""
    name = "tasks.parquet"
    rows = (1 << 24) + 1
    column = pa.chunked_array([pa.array(np.zeros(rows, np.int32))])
    comm = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int8)), pa.array(["x"]))
    table = pa.table({"pid": column, "comm": comm, "cgroup": column.cast(pa.uint16())})
    schema = pa.schema([pa.field(f.name, f.type, nullable=False) for f in TABLES["tasks"]])
    table = pa.table(
        {"pid": table["pid"], "comm": table["comm"].cast(pa.string()), "cgroup": table["cgroup"]}, schema=schema
    )
    pq.write_table(table, tmp_path / "x", row_group_size=1 << 26, compression="zstd")
    path = copy_with(good, tmp_path, name, (tmp_path / "x").read_bytes())
    assert (path / name).stat().st_size < 200_000
    readmit(path, name)

    def change(plain):
        plain["files"][name]["rows"] = rows

    rewrite_manifest(path, change)
    with pytest.raises(TraceError, match=r"has a row group of 16777217 rows|has more rows than 65536"):
        Trace.open(path)


def test_a_string_that_would_fill_the_memory(good, tmp_path):
    name = "tasks.parquet"
    schema = TABLES["tasks"]
    table = pa.table({"pid": [1], "comm": ["x" * (64 << 20)], "cgroup": [0]}, schema=schema)
    pq.write_table(table, tmp_path / "x", compression="zstd", write_statistics=False)
    path = copy_with(good, tmp_path, name, (tmp_path / "x").read_bytes())
    readmit(path, name)
    with pytest.raises(TraceError, match="comm unpacks to more than 1 rows need"):
        Trace.open(path)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(good, tmp_path, name):
    path = copy_with(good, tmp_path, "x", b"")
    (path / name).unlink()
    with pytest.raises(TraceError, match=name):
        Trace.open(path)


@pytest.mark.parametrize("name", FILES)
def test_a_link_out_of_the_trace_is_refused(good, tmp_path, name):
    path = copy_with(good, tmp_path, "x", b"")
    (path / name).unlink()
    (path / name).symlink_to(good / name)
    with pytest.raises(TraceError, match=r"not a regular file|has no manifest\.json"):
        Trace.open(path)


@pytest.mark.parametrize("name", FILES)
def test_a_pipe_does_not_hang_the_reader(good, tmp_path, name):
    path = copy_with(good, tmp_path, "x", b"")
    (path / name).unlink()
    os.mkfifo(path / name)
    with pytest.raises(TraceError, match=r"not a regular file|has no manifest\.json"):
        Trace.open(path)


@pytest.mark.parametrize("name", FILES)
def test_a_directory_in_place_of_a_file(good, tmp_path, name):
    path = copy_with(good, tmp_path, "x", b"")
    (path / name).unlink()
    (path / name).mkdir()
    with pytest.raises(TraceError, match=r"not a regular file|has no manifest\.json"):
        Trace.open(path)


def test_things_that_are_not_a_trace_at_all(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path, message in (
        ("file", "a trace is a directory"),
        ("empty", r"has no manifest\.json"),
        ("absent", "no such directory"),
        ("loop", "no such directory"),
        ("nul\0byte", "no such directory"),
        ("x" * 5000, "no such directory"),
    ):
        with pytest.raises(TraceError, match=message):
            Trace.open(tmp_path / path)


MANIFESTS = {
    "empty": b"",
    "not JSON": b"{",
    "not UTF-8": b"\xff\xfe{}",
    "a list": b"[]",
    "a number": b"1e999",
    "nested": b"[" * 100_000,
    "nested object": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "NaN": b'{"schema": NaN}',
    "infinity": b'{"schema": -Infinity}',
    "many digits": b'{"schema": ' + b"9" * 100_000 + b"}",
    "twice": b'{"schema": "tmemlab.trace/1", "schema": "tmemlab.trace/1"}',
    "another version": b'{"schema": "tmemlab.trace/2"}',
    "no version": b"{}",
    "large": b'{"schema": "' + b"x" * (5 << 20) + b'"}',
    "no checksum": b'{"schema": "tmemlab.trace/1"}',
}


@pytest.mark.parametrize("text", MANIFESTS.values(), ids=MANIFESTS)
def test_a_manifest_that_is_none(good, tmp_path, text):
    path = copy_with(good, tmp_path, "manifest.json", text)
    with pytest.raises(TraceError) as error:
        Trace.open(path)
    assert "manifest.json" in one_sentence(error)
    assert len(verify(path)) == 1


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("kind", "swop", "kind must be one of swap, access"),
        ("kind", 5, r"manifest\.json\.kind must be a string, not 5"),
        ("created", "yesterday", "created must be"),
        ("cpus", -1, "cpus must be an integer from 0"),
        ("cpus", 2.0, "cpus must be an integer from 0"),
        ("cpus", True, "cpus must be an integer from 0"),
        ("ram_bytes", 10**30, "a number outside that range"),
        ("ram_bytes", 0, "ram_bytes must be positive"),
        ("duration_ns", "5", "duration_ns must be an integer"),
        ("kernel", {"release": "6"}, "kernel.machine is missing"),
        ("kernel", [], "kernel must be an object, not list"),
        ("swap", {"device": "x"}, "swap must be a list, not dict"),
        ("swap", [{"device": "x", "type": "file", "size_bytes": 1, "priority": 1.5}], "priority must be"),
        ("clen", {"method": "guessed"}, "clen.method must be one of"),
        ("certificate", None, "certificate must be an object"),
        ("anonymised", "no", "anonymised must be true or false"),
        ("files", {}, r"does not list cgroups\.parquet"),
        ("files", {"../../etc/passwd": {"sha256": "0" * 64, "rows": 1, "bytes": 1}}, "not a file name of a trace"),
        ("files", {"/etc/passwd": {"sha256": "0" * 64, "rows": 1, "bytes": 1}}, "not a file name of a trace"),
        ("files", {".hidden.parquet": {"sha256": "0" * 64, "rows": 1, "bytes": 1}}, "not a file name of a trace"),
        ("files", {"pages.parquet": {"sha256": "zz", "rows": 1, "bytes": 1}}, "64 hexadecimal digits"),
        ("events", {"recorded": 1, "dropped": 0, "stores": 1, "loads": 0, "invalidates": 0}, "contradicts itself"),
    ],
)
def test_a_manifest_that_does_not_fit(good, tmp_path, key, value, message):
    path = copy_with(good, tmp_path, "x", b"")

    def change(plain):
        plain[key] = value

    rewrite_manifest(path, change)
    with pytest.raises(TraceError, match=message) as error:
        Trace.open(path)
    one_sentence(error)


def test_an_edited_manifest_is_found(good, tmp_path):
    text = (good / "manifest.json").read_text()
    path = copy_with(good, tmp_path, "manifest.json", text.replace('"cpus": 2', '"cpus": 3').encode())
    with pytest.raises(TraceError, match="does not match its own checksum"):
        Trace.open(path)


def test_a_gap_in_the_events_files(tmp_path, monkeypatch):
    monkeypatch.setattr("tmemlab.datasets.trace.write.ROW_GROUP", 100)
    path = make_trace(tmp_path / "t", columns=random_columns(300), duration_ns=10**9, events_per_file=100)
    rewrite_manifest(path, lambda plain: plain["files"].pop("events-00001.parquet"))
    with pytest.raises(TraceError, match=r"does not list events-00001\.parquet"):
        Trace.open(path)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), value=json_values)
def test_any_value_anywhere_in_a_manifest(good, data, value):
    """Put any JSON at any place: refused in one sentence, or read and written back unchanged."""
    plain = json.loads((good / "manifest.json").read_text())
    plain.pop("sha256")
    place, key = plain, data.draw(st.sampled_from(sorted(plain)))
    while isinstance(place[key], dict) and place[key] and data.draw(st.booleans()):
        place = place[key]
        key = data.draw(st.sampled_from(sorted(place)))
    place[key] = value
    try:
        manifest = Manifest.from_json(sealed(plain).encode())
    except TraceError as error:
        assert "\n" not in str(error)
    else:
        assert Manifest.from_json(manifest.to_json()) == manifest


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.binary(max_size=300), tail=st.integers(0, 2**31))
def test_any_bytes_as_a_parquet_file(tmp_path, junk, tail):
    path = tmp_path / "tasks.parquet"
    for data in (junk, b"PAR1" + junk + struct.pack("<I", tail) + b"PAR1"):
        path.write_bytes(data)
        with pytest.raises(TraceError):
            TraceFile(path, FileEntry("0" * 64, 1, len(data)), TABLES["tasks"])


@pytest.mark.parametrize(
    ("name", "value", "limit"),
    [
        ("page", 3, 2), ("op", 3, 2), ("where", 6, 5), ("flags", 16, None), ("flags", 144, None), ("cgroup", 1, 0),
        ("task", 7, 0),
    ],
)  # fmt: skip
def test_ids_that_point_outside_never_reach_compiled_code(tmp_path, name, value, limit):
    """Written by hand with checksums that are right: only the reader itself can see it."""
    good = make_trace(tmp_path / "t", [(0, "store", 0), (1, "store", 1), (2, "store", 2), (3, "load", 1)])
    file = good / "events-00000.parquet"
    table = pq.read_table(file).to_pydict()
    table[name][2] = value
    pq.write_table(pa.table(table, schema=EVENTS), file)
    readmit(good, file.name)
    trace = Trace.open(good)
    for read in (lambda: trace.events(name), lambda: list(trace.batches(name)), lambda: list(trace.batches())):
        says = rf"events\.{name} has {value}, and nothing beyond {limit}" if limit is not None else "bits 16 of"
        with pytest.raises(TraceError, match=says):
            read()
    assert len(list(trace.batches(name, checked=False))) == 1
    assert verify(good)


def chunk_of(path, column, row_group=0):
    """The bytes of a column chunk and what its footer says that it unpacks to."""
    found = pq.ParquetFile(path).metadata.row_group(row_group).column(column)
    start = found.dictionary_page_offset if found.has_dictionary_page else found.data_page_offset
    return path.read_bytes()[start : start + found.total_compressed_size], found.total_uncompressed_size


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["zstd", "none"])
def test_page_headers_add_up_to_what_parquet_says(good, tmp_path, version, compression):
    """An honest footer counts the headers too: they are what is left without compression."""
    table = pq.read_table(good / "events-00000.parquet")
    options = {"data_page_version": version, "compression": compression, "max_rows_per_page": 700}
    pq.write_table(table, tmp_path / "x", write_page_checksum=True, row_group_size=1600, **options)
    for group in range(2):
        for column in range(len(EVENTS)):
            chunk, said = chunk_of(tmp_path / "x", column, group)
            unpacked = unpacked_bytes(chunk)
            assert unpacked < said < unpacked + 200 * 4
            if compression == "none":
                assert unpacked < len(chunk) == said


def test_page_headers_that_are_none(good):
    chunk, _ = chunk_of(good / "events-00000.parquet", 0)
    for cut in range(1, len(chunk), 97):
        with pytest.raises(ValueError, match="page"):
            unpacked_bytes(chunk[:cut])
    for junk in (b"\xff" * 50, b"\x15" * 50, b"\x1c" * 50, b"\x18\xff\xff\xff\xff\x7f", b"\x00"):
        with pytest.raises(ValueError, match="page"):
            unpacked_bytes(junk)


@settings(max_examples=200, deadline=None)
@given(junk=st.binary(max_size=100))
def test_any_bytes_as_page_headers(junk):
    try:
        assert unpacked_bytes(junk) >= 0
    except ValueError:
        assert junk


def test_a_page_that_claims_more_than_its_rows_can_need(tmp_path):
    """The footer is honest and a page says 127 MiB for 131,072 times: refused before Arrow makes room."""
    rows = 1 << 17
    columns = {name: np.zeros(rows, array.dtype) for name, array in random_columns(1).items()}
    columns["t"] = np.arange(rows)
    path = make_trace(tmp_path / "t", columns=columns, duration_ns=10**9)
    name = "events-00000.parquet"
    table = pq.read_table(path / name)
    pq.write_table(table, path / name, use_dictionary=False, compression="zstd", max_rows_per_page=rows)
    found = pq.ParquetFile(path / name).metadata.row_group(0).column(0)
    data = bytearray((path / name).read_bytes())
    at = found.data_page_offset
    assert data[at] == data[at + 2] == 0x15  # type, then the uncompressed size: a megabyte, four bytes of varint
    assert data[at + 3] & data[at + 4] & data[at + 5] & 0x80
    data[at + 3 : at + 7] = b"\xfe\xff\xff\x7f"
    (path / name).write_bytes(data)
    readmit(path, name)
    trace = Trace.open(path)
    assert len(trace.events("op")["op"]) == rows
    with pytest.raises(TraceError, match=f"t unpacks to more than {rows} rows need"):
        trace.events("t")


CUT_SHORT = """
import os, sys
import pyarrow.parquet as pq
from tmemlab.datasets.trace import files
from tmemlab.datasets.trace.read import Trace
from tmemlab.errors import TraceError

trace, name, when = Trace.open(sys.argv[1]), sys.argv[1] + "/events-00000.parquet", sys.argv[2]
place, attribute = (files, "unpacked_bytes") if when == "headers" else (pq.ParquetFile, "read_row_group")
original = getattr(place, attribute)

def cut_first(*args, **options):
    os.truncate(name, 100)
    return original(*args, **options)

setattr(place, attribute, cut_first)
try:
    trace.events()
except TraceError as error:
    print(error)
"""


@pytest.mark.parametrize("when", ["headers", "pages"])
def test_a_file_cut_short_while_it_is_read(tmp_path, when):
    """By another process, between the check and the reading: a sentence, and not SIGBUS."""
    make_trace(tmp_path / "t", columns=random_columns(200_000), duration_ns=10**9)
    run = [sys.executable, "-c", CUT_SHORT, str(tmp_path / "t"), when]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # the checksum is compared in another thread, which may be the first to see it
    assert re.search(r"events-00000.parquet (is damaged|does not match its checksum)", done.stdout)
