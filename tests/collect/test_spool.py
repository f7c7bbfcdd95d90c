"""The spool survives being cut off at any byte and being changed at any byte."""

from pathlib import Path

import numpy as np
import pytest

from tmemlab.collect.records import RECORD, Records
from tmemlab.collect.spool import SPOOL_NAME, Frame, SpoolReader, SpoolWriter, file_again
from tmemlab.directories import OwnDirectory
from tmemlab.errors import TmemlabError, TraceError


def some_records(count: int, seed: int = 1) -> Records:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, count * RECORD.itemsize, np.uint8).view(RECORD)


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    writer = SpoolWriter.into(OwnDirectory.existing(tmp_path))
    writer.document(Frame.START, {"hello": 1})
    writer.records(some_records(20))
    writer.document(Frame.SAMPLE, {"rows": [], "dropped": 0})
    writer.records(some_records(31, seed=2))
    writer.document(Frame.END, {"bye": 2})
    writer.close()
    return tmp_path


def test_what_goes_in_comes_out(spool: Path) -> None:
    kinds, values = zip(*SpoolReader(spool), strict=True)
    assert kinds == (Frame.START, Frame.RECORDS, Frame.SAMPLE, Frame.RECORDS, Frame.END)
    assert values[0] == {"hello": 1}
    assert np.array_equal(values[1], some_records(20))
    assert np.array_equal(values[3], some_records(31, seed=2))


def test_cut_at_any_byte_gives_whole_frames_and_says_what_is_left(spool: Path) -> None:
    whole = (spool / SPOOL_NAME).read_bytes()
    ends = []
    for cut in range(len(whole) + 1):
        (spool / SPOOL_NAME).write_bytes(whole[:cut])
        reader = SpoolReader(spool)
        frames = list(reader.frames())
        ends.append(len(frames))
        assert frames == list(SpoolReader(spool).frames())
        kept = cut - reader.torn_bytes
        assert 0 <= reader.torn_bytes <= cut
        assert (kept == 0) == (len(frames) == 0)
    assert ends == sorted(ends)
    assert ends[-1] == 5


def test_a_changed_byte_ends_the_spool_there(spool: Path) -> None:
    whole = bytearray((spool / SPOOL_NAME).read_bytes())
    good = list(SpoolReader(spool).frames())
    for at in range(0, len(whole), 7):
        whole[at] ^= 0x40
        (spool / SPOOL_NAME).write_bytes(whole)
        frames = list(SpoolReader(spool).frames())
        assert frames == good[: len(frames)]
        assert len(frames) < len(good)
        whole[at] ^= 0x40


def test_files_are_private(spool: Path) -> None:
    assert (spool / SPOOL_NAME).stat().st_mode & 0o777 == 0o600


def test_no_spool_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="no unfinished recording"):
        SpoolReader(tmp_path)


def test_a_spool_that_died_at_once_is_one_sentence(tmp_path: Path) -> None:
    SpoolWriter.into(OwnDirectory.existing(tmp_path)).close()
    with pytest.raises(TraceError, match="nothing to recover"):
        SpoolReader.start(tmp_path)


def test_a_removed_directory_comes_back_with_everything(tmp_path: Path) -> None:
    folder = tmp_path / "recording"
    folder.mkdir()
    directory = OwnDirectory.existing(folder)
    writer = SpoolWriter.into(directory)
    writer.records(some_records(20))
    assert file_again(directory) is None
    (folder / SPOOL_NAME).unlink()
    folder.rmdir()
    again = file_again(directory)
    assert again is not None
    writer.move(again)
    writer.records(some_records(31, seed=2))
    # a rename takes the file elsewhere: the recording stays where it was asked for
    folder.rename(tmp_path / "elsewhere")
    again = file_again(directory)
    assert again is not None
    writer.move(again)
    writer.document(Frame.END, {})
    writer.close()
    kinds, values = zip(*SpoolReader(folder), strict=True)
    assert kinds == (Frame.RECORDS, Frame.RECORDS, Frame.END)
    assert np.array_equal(values[0], some_records(20))
    assert np.array_equal(values[1], some_records(31, seed=2))
    assert (folder / SPOOL_NAME).stat().st_mode & 0o777 == 0o600


def test_a_directory_that_cannot_come_back_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "recording"
    folder.mkdir()
    directory = OwnDirectory.existing(folder)
    writer = SpoolWriter.into(directory)
    (folder / SPOOL_NAME).unlink()
    folder.rmdir()
    folder.write_text("in the way")
    with pytest.raises(TmemlabError, match="cannot be made again"):
        file_again(directory)
    writer.close()
