"""The cache folder is this user's alone, or not used; columns in it are those that would be prepared anew."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import enumerate as threads

import numpy as np
import pytest

from tmemlab import cache
from tmemlab.cache import bytes_of, clear, columns_files, make_room, root, why_not
from tmemlab.datasets.share.bundled import bundled
from tmemlab.datasets.trace.read import Trace
from tmemlab.errors import InvalidInputError, TraceError
from tmemlab.replay.inputs import kept
from tmemlab.replay.inputs.columns import Columns, prepare
from tmemlab.replay.inputs.kept import columns_for

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMEMLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "columns"


def trace(name: str = "redis-frontswap") -> Trace:
    return Trace.open(bundled()[name])


def settled() -> None:
    """Wait for what is being kept."""
    for thread in threads():
        if thread.name == "tmemlab-keep-columns":
            thread.join()


def same(one: Columns, other: Columns) -> bool:
    pairs = [(getattr(one, f.name), getattr(other, f.name)) for f in dataclasses.fields(Columns)]
    return all(np.array_equal(a, b) and getattr(a, "dtype", 0) == getattr(b, "dtype", 0) for a, b in pairs)


def entry(folder: Path) -> Path:
    (found,) = folder.glob("*.columns")
    return found


def test_the_second_time_they_come_from_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = prepare(trace())
    assert same(columns_for(trace()), expected)
    settled()
    assert entry(folder).stat().st_mode & 0o777 == 0o600 and folder.stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(kept, "prepare", lambda _: pytest.fail("prepared again"))
    assert same(columns_for(trace()), expected)


def test_a_copy_elsewhere_has_the_same_columns_and_its_own_path(folder: Path, tmp_path: Path) -> None:
    columns_for(trace())
    settled()
    copy = shutil.copytree(trace().path, tmp_path / "copy")
    assert columns_for(Trace.open(copy)).path == copy
    assert len(list(folder.glob("*.columns"))) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-4096], lambda data: b"", lambda data: data[: len(data) // 2] + bytes(len(data) // 2),
        lambda data: data.replace(b"tmemlab", b"tmemlub", 1), lambda data: data.replace(b'"pages"', b'"pagez"', 1),
        lambda data: data[:90000] + bytes([data[90000] ^ 1]) + data[90001:], lambda data: data[:20],
    ],
    ids=["cut", "empty", "zeros", "magic", "header", "bit", "stub"],
)  # fmt: skip
def test_a_damaged_file_is_made_again(folder: Path, damage: Callable[[bytes], bytes]) -> None:
    expected = prepare(trace())
    columns_for(trace())
    settled()
    whole = entry(folder).read_bytes()
    entry(folder).write_bytes(damage(whole))
    assert same(columns_for(trace()), expected)
    settled()
    assert entry(folder).read_bytes() == whole


def test_damage_to_the_trace_is_still_found(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(trace().path, tmp_path / "copy"))
    columns_for(Trace.open(copy))
    settled()
    columns_for(Trace.open(copy))
    (events,) = copy.glob("events-*.parquet")
    before = events.stat()
    data = bytearray(events.read_bytes())
    data[len(data) // 2] ^= 1
    events.write_bytes(data)
    os.utime(events, ns=(before.st_atime_ns, before.st_mtime_ns))  # as who wants to hide it would
    with pytest.raises(TraceError, match="checksum"):
        columns_for(Trace.open(copy))


def test_another_version_of_the_code_has_columns_of_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns_for(trace())
    settled()
    monkeypatch.setattr(kept, "sources_digest", lambda: "another")
    columns_for(trace())
    settled()
    assert len(list(folder.glob("*.columns"))) == 2


def test_the_folder_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns_for(trace())
    settled()
    first = entry(folder)
    os.utime(first, (1, 1))
    needed = sum(array.nbytes for array in kept._arrays(prepare(trace("redis-zswap"))).values())
    monkeypatch.setenv("TMEMLAB_CACHE_SIZE", str(needed + (64 << 10)))
    columns_for(trace("redis-zswap"))
    settled()
    assert not first.exists()
    monkeypatch.setenv("TMEMLAB_CACHE_SIZE", "4096")
    assert not make_room(folder, 5000)
    columns_for(trace())
    settled()
    assert bytes_of(columns_files(folder)) <= needed + (64 << 10)


def test_a_lower_limit_holds_for_what_is_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns_for(trace())
    settled()
    monkeypatch.setenv("TMEMLAB_CACHE_SIZE", "64K")
    columns_for(trace("redis-zswap"))  # too large to be kept
    settled()
    assert not list(folder.glob("*.columns"))


def test_what_somebody_else_put_there_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of one's own named by mistake: only what was kept there is removed, and only that counts."""
    (folder / "mine").mkdir(parents=True)
    (folder.parent / "compiled" / "mine").mkdir(parents=True)
    mine = [folder / "data.parquet", folder / "mine" / "x", folder.parent / "compiled" / "mine" / "program.o"]
    for path in mine:
        path.write_bytes(b"mine" * 100_000)
        os.utime(path, (1, 1))
    folder.chmod(0o700)
    columns_for(trace())
    settled()
    monkeypatch.setenv("TMEMLAB_CACHE_SIZE", "64K")
    assert not make_room(folder, 1 << 20)
    assert clear(folder.parent) == 0 or not list(folder.glob("*.columns"))
    assert all(path.read_bytes() == b"mine" * 100_000 for path in mine)
    assert not list(folder.glob("*.columns"))


def test_a_limit_that_is_no_size_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMEMLAB_CACHE_SIZE", "plenty")
    with pytest.raises(InvalidInputError, match="TMEMLAB_CACHE_SIZE: 'plenty' is not a size"):
        columns_for(trace())


def test_a_full_disk_is_done_without(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    expected = prepare(trace())
    monkeypatch.setattr(kept.tempfile, "mkstemp", full)
    assert same(columns_for(trace()), expected)
    settled()
    assert not list(folder.glob("*"))


def test_off_is_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMEMLAB_CACHE", "off")
    assert root() is None
    assert len(columns_for(trace()).page)


def test_what_belongs_to_this_user_alone_is_taken(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir(mode=0o700)
    assert why_not(tmp_path / "mine") == "" and why_not(tmp_path / "mine" / "later") == ""
    (tmp_path / "mine").chmod(0o777)
    assert "others may write" in why_not(tmp_path / "mine" / "later")
    (tmp_path / "mine").chmod(0o1777)
    assert why_not(tmp_path / "mine" / "later") == ""  # as in /tmp
    assert "others may write" in why_not(tmp_path / "mine")
    (tmp_path / "file").write_text("")
    assert "not a directory" in why_not(tmp_path / "file")


@as_root
@pytest.mark.parametrize("part", ["folder", "above", "link", "group"])
def test_what_another_user_can_change_is_not(part: str, tmp_path: Path) -> None:
    above, folder = tmp_path / "above", tmp_path / "above" / "folder"
    folder.mkdir(parents=True)
    asked = folder
    if part == "folder":
        os.chown(folder, NOBODY, NOBODY)
    elif part == "above":
        os.chown(above, NOBODY, NOBODY)
    elif part == "link":
        asked = tmp_path / "link"
        asked.symlink_to(folder)
        os.lchown(asked, NOBODY, NOBODY)
    else:
        os.chown(folder, 0, NOBODY)
        folder.chmod(0o770)
    assert why_not(asked) != ""


@as_root
def test_code_in_another_users_cache_is_not_run(tmp_path: Path) -> None:
    """HOME, XDG_CACHE_HOME and NUMBA_CACHE_DIR of somebody else, as after su or sudo -E."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, NOBODY, NOBODY)
    program = "import json, numba, tmemlab.compiled; print(json.dumps(numba.config.CACHE_DIR))"
    for name in ("HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR"):
        environment = {k: v for k, v in os.environ.items() if k not in ("XDG_CACHE_HOME", "TMEMLAB_CACHE")}
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True,
            env=environment | {name: str(theirs)},
        )  # fmt: skip
        assert str(theirs) not in json.loads(done.stdout)
        assert "belongs to another user (uid 65534)" in done.stderr
        assert list(theirs.iterdir()) == []


@as_root
def test_an_untrusted_folder_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    os.chown(tmp_path, NOBODY, NOBODY)
    monkeypatch.setenv("TMEMLAB_CACHE", str(tmp_path / "cache"))
    assert root() is None and root() is None
    assert [record.getMessage() for record in caplog.records] == [
        f"tmemlab: no cache in {tmp_path / 'cache'}: {tmp_path} belongs to another user (uid 65534)"
    ]


def test_a_group_of_ones_own_may_write(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tmp_path.chmod(0o770)
    monkeypatch.setattr(cache, "_alone_in", lambda _: True)
    assert why_not(tmp_path) == ""
    monkeypatch.setattr(cache, "_alone_in", lambda _: False)
    assert why_not(tmp_path) == f"others may write in {tmp_path}"
