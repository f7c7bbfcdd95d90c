"""One file, the same bytes every time; and archives that want to do harm."""

import hashlib
import io
import json
import os
import subprocess
import tarfile
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.datasets.test_hostile import sealed
from tests.datasets.test_roundtrip import random_columns
from tests.factory import make_trace
from tmemlab.datasets.share.pack import pack, unpack
from tmemlab.datasets.trace.read import Trace
from tmemlab.errors import InvalidInputError, TmemlabError, TraceError


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    path = make_trace(tmp_path_factory.mktemp("pack") / "t", columns=random_columns(2000), duration_ns=10**9)
    return Trace.open(path)


@pytest.fixture(scope="module")
def packed(trace, tmp_path_factory):
    path = tmp_path_factory.mktemp("packed") / "x.tar"
    pack(trace, path)
    return path


def contents(path):
    return {file.name: file.read_bytes() for file in path.iterdir()}


def test_a_round_trip_keeps_every_byte(trace, packed, tmp_path):
    unpack(packed, tmp_path / "t")
    assert contents(tmp_path / "t") == contents(trace.path)
    assert {p.stat().st_mode & 0o777 for p in (tmp_path / "t").iterdir()} == {0o600}


def test_the_bytes_depend_on_the_trace_alone(trace, tmp_path):
    one = pack(trace, tmp_path / "a.tar")
    copy = tmp_path / "copy"
    unpack(tmp_path / "a.tar", copy)
    for file in copy.iterdir():
        os.utime(file, (time.time() - 9999, 12345))
        file.chmod(0o644)
    two = pack(Trace.open(copy), tmp_path / "b.tar")
    assert one == two == hashlib.sha256((tmp_path / "b.tar").read_bytes()).hexdigest()


def test_any_tar_reads_it(trace, packed, tmp_path):
    listed = subprocess.run(["tar", "tf", packed], capture_output=True, text=True, check=True)
    assert listed.stderr == ""
    assert listed.stdout.split() == ["manifest.json", *sorted(trace.manifest.files)]
    subprocess.run(["tar", "xf", packed, "-C", tmp_path], check=True)
    assert contents(tmp_path) == contents(trace.path)


def test_damage_is_not_packed(trace, packed, tmp_path):
    unpack(packed, tmp_path / "t")
    file = tmp_path / "t/samples.parquet"
    data = bytearray(file.read_bytes())
    data[30] ^= 1
    file.write_bytes(data)
    with pytest.raises(TraceError, match=r"samples\.parquet does not match its checksum"):
        pack(Trace.open(tmp_path / "t"), tmp_path / "x.tar")
    assert not (tmp_path / "x.tar").exists()


def refuse(path, tmp_path, **options):
    before = sorted(p.name for p in tmp_path.parent.iterdir())
    with pytest.raises(TraceError) as error:
        unpack(path, tmp_path / "out", **options)
    assert "\n" not in str(error.value)
    assert [p for p in tmp_path.iterdir() if p != path] == []
    assert sorted(p.name for p in tmp_path.parent.iterdir()) == before
    return str(error.value)


def test_truncated_at_every_sixteenth(packed, tmp_path):
    data = packed.read_bytes()
    for sixteenth in range(16):
        (tmp_path / "x").write_bytes(data[: len(data) * sixteenth // 16])
        refuse(tmp_path / "x", tmp_path)
    (tmp_path / "x").write_bytes(data[:-1])
    assert "at byte" in refuse(tmp_path / "x", tmp_path)


def test_something_after_the_end(packed, tmp_path):
    (tmp_path / "x").write_bytes(packed.read_bytes() + b"x")
    assert "goes on where it should end" in refuse(tmp_path / "x", tmp_path)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_every_flipped_bit_is_found(packed, tmp_path, place, bit):
    data = bytearray(packed.read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    (tmp_path / "x").write_bytes(data)
    refuse(tmp_path / "x", tmp_path)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.binary(max_size=2000))
def test_any_bytes(tmp_path, junk):
    (tmp_path / "x").write_bytes(junk)
    refuse(tmp_path / "x", tmp_path)


def member(name, data=b"x", **changes):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in changes.items():
        setattr(info, field, value)
    return info, data


def archive(path, members, form=tarfile.USTAR_FORMAT):
    with tarfile.open(path, "w", format=form) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))


HOSTILE = {
    "absolute": member("/tmp/evil"),
    "parent": member("../evil"),
    "inner parent": member("a/../../evil"),
    "directory": member("pages.parquet", b"", type=tarfile.DIRTYPE),
    "symlink": member("pages.parquet", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "hard link": member("pages.parquet", b"", type=tarfile.LNKTYPE, linkname="manifest.json"),
    "device": member("pages.parquet", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
    "block device": member("pages.parquet", b"", type=tarfile.BLKTYPE),
    "pipe": member("pages.parquet", b"", type=tarfile.FIFOTYPE),
    "sparse": member("pages.parquet", type=tarfile.GNUTYPE_SPARSE),
    "long name": member("x" * 90 + "/" + "y" * 90),
    "set uid": member("cgroups.parquet", mode=0o4777),
}


@pytest.mark.parametrize("evil", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("first", [True, False])
def test_members_that_would_do_harm(trace, tmp_path, evil, first):
    manifest = member("manifest.json", (trace.path / "manifest.json").read_bytes(), mode=0o600)
    archive(tmp_path / "x", [evil] if first else [manifest, evil])
    assert "is not a packed trace: at byte" in refuse(tmp_path / "x", tmp_path)


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_a_tar_that_somebody_else_made(trace, tmp_path, form):
    with tarfile.open(tmp_path / "x", "w", format=form) as tar:
        tar.add(trace.path, "trace")
    assert "is not a packed trace" in refuse(tmp_path / "x", tmp_path)


def forged(trace, tmp_path, change):
    """The packed trace with a changed manifest whose own checksum is right."""
    plain = json.loads((trace.path / "manifest.json").read_text())
    plain.pop("sha256")
    change(plain)
    members = [member("manifest.json", sealed(plain).encode(), mode=0o600)]
    members += [
        member(name, (trace.path / name).read_bytes(), mode=0o600) for name in sorted(trace.manifest.files)
    ]
    archive(tmp_path / "x", members)
    # tarfile fills up to twenty blocks, a packed trace ends after two
    size = sum(512 + -(-len(data) // 512) * 512 for _, data in members)
    os.truncate(tmp_path / "x", size + 1024)
    return tmp_path / "x"


def test_a_path_in_the_manifest(trace, tmp_path):
    def change(plain):
        plain["files"]["../../evil.parquet"] = plain["files"]["pages.parquet"]

    assert "is not a file name of a trace" in refuse(forged(trace, tmp_path, change), tmp_path)


def test_a_size_that_would_fill_the_disk(trace, tmp_path):
    def change(plain):
        plain["files"]["pages.parquet"]["bytes"] = 1 << 50

    path = forged(trace, tmp_path, change)
    assert "more than the limit of" in refuse(path, tmp_path)
    assert "more than the limit of 1000" in refuse(path, tmp_path, max_bytes=1000)
    with pytest.raises(TmemlabError, match="free: unpack it elsewhere"):
        unpack(path, tmp_path / "out", max_bytes=1 << 60)


def test_more_events_than_so_few_bytes_can_mean(trace, tmp_path):
    def change(plain):
        plain["files"]["events-00000.parquet"]["rows"] = 10**15
        plain["events"] |= {"recorded": 10**15, "stores": 10**15, "loads": 0, "invalidates": 0}

    path = forged(trace, tmp_path, change)
    assert "claims 1000000000000000 events" in refuse(path, tmp_path)
    assert "has 2000 rows where the manifest says" in refuse(path, tmp_path, max_ratio=10**18)


def test_what_is_there_already_is_kept(packed, tmp_path):
    (tmp_path / "t").mkdir()
    (tmp_path / "t/x").write_text("precious")
    with pytest.raises(InvalidInputError, match="already exists"):
        unpack(packed, tmp_path / "t")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidInputError, match="already exists"):
        unpack(packed, tmp_path / "link")
    assert (tmp_path / "t/x").read_text() == "precious"
    with pytest.raises(TraceError, match="no such file"):
        unpack(tmp_path, tmp_path / "u")
