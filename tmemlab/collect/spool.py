"""The spool: what a recording writes while it runs, readable up to the last whole frame after any death.

A file of frames, appended to and never rewritten. Each frame carries its length, its place in the order and
a checksum, so a torn tail is recognised and everything before it is used.
"""

import contextlib
import errno
import fcntl
import json
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from enum import IntEnum
from pathlib import Path
from typing import Any, Self

import numpy as np
import zstandard

from ..directories import OwnDirectory
from ..errors import InvalidInputError, TmemlabError, TraceError
from .records import RECORD, Records

SPOOL_NAME = "spool.frames"
Scrub = Callable[[dict[str, Any]], dict[str, Any]]
"""Takes host identity out of the START and END documents."""

_MAGIC = b"TMSF"
_LARGEST = 256 << 20
"""Bytes of a frame: records come in pieces of 3.5 MiB, a list of all cgroups is smaller. More is no frame."""
_HEADER = struct.Struct("<4sIIIII")  # magic, kind, sequence, raw bytes, packed bytes, checksum


class Frame(IntEnum):
    """What a frame holds: JSON objects, except RECORDS."""

    START = 1
    RECORDS = 2
    SAMPLE = 3
    END = 4


class SpoolFullError(TmemlabError):
    """The device of the spool has no room left; what was written before is whole."""


def segment_name(number: int) -> str:
    """Name of a part of the spool of a flight recorder; its parts are read in the order of their names."""
    return f"spool-{number:06}.frames"


def new_file(directory: OwnDirectory, name: str = SPOOL_NAME) -> int:
    """A descriptor of a new, empty spool in ``directory``, 0600, locked as long as anybody has it open."""
    descriptor = directory.create(name, "r+")
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # gone with its processes, however they end
    return descriptor


def file_again(directory: OwnDirectory, name: str = SPOOL_NAME) -> int | None:
    """Where somebody removed or renamed the directory or the file: it made again, empty; None where it is there.

    TmemlabError where it cannot be. The kernel keeps a removed file as long as it is open: see SpoolWriter.move.
    """
    if directory.is_there() and directory.size(name) is not None:
        return None
    try:
        directory.again()
        return new_file(directory, name)
    except (OSError, InvalidInputError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TmemlabError(
            f"{directory.path} was removed and cannot be made again ({reason}): nothing is kept"
        ) from None


class SpoolWriter:
    """Appends frames to the file ``descriptor``, which is :func:`new_file`'s; ``path`` is its name, for people.

    on_full: makes room on a full disk; False where there is none to be made.
    """

    def __init__(self, descriptor: int, path: Path, on_full: Callable[[], bool] = lambda: False) -> None:
        self.path = path
        self._descriptor = descriptor
        self.on_full = on_full
        self._compressor = zstandard.ZstdCompressor(level=1)
        self._sequence = 0
        self.bytes_written = 0

    @classmethod
    def into(cls, directory: OwnDirectory) -> Self:
        """A new spool in ``directory``."""
        return cls(new_file(directory), directory.path / SPOOL_NAME)

    def move(self, descriptor: int) -> None:
        """Go on in another file, with all that was written."""
        lost, self._descriptor = self._descriptor, descriptor
        at = 0
        while at < self.bytes_written:
            at += os.sendfile(descriptor, lost, at, self.bytes_written - at)
        os.close(lost)

    def give_up(self) -> None:
        """Give the room on the disk back: what was written is not wanted any more."""
        os.ftruncate(self._descriptor, 0)
        self.close()

    def records(self, records: Records) -> None:
        """Append RECORDS, column after column: like values side by side compress best."""
        if len(records):
            columns = b"".join(records[name].tobytes() for name in RECORD.names or ())
            self._append(Frame.RECORDS, columns)

    def document(self, kind: Frame, value: dict[str, Any]) -> None:
        """Append a JSON frame."""
        self._append(kind, json.dumps(value, separators=(",", ":")).encode())

    def _append(self, kind: Frame, raw: bytes) -> None:
        packed = self._compressor.compress(raw)
        fields = (int(kind), self._sequence, len(raw), len(packed))
        checksum = zlib.crc32(packed, zlib.crc32(repr(fields).encode()))
        frame = _HEADER.pack(_MAGIC, *fields, checksum) + packed
        while not self._wrote(frame):
            if not self.on_full():
                raise SpoolFullError(f"no space left for {self.path}")
        self._sequence += 1
        self.bytes_written += len(frame)

    def _wrote(self, frame: bytes) -> bool:
        """False where there was no room; then the spool ends on a whole frame as before."""
        written = 0
        try:
            while written < len(frame):
                written += os.write(self._descriptor, frame[written:])
        except OSError as error:
            os.ftruncate(self._descriptor, self.bytes_written)
            os.lseek(self._descriptor, self.bytes_written, os.SEEK_SET)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                return False
            raise
        return True

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class SpoolReader:
    """The frames of a spool, or of the parts of one in their order, as far as they are whole.

    ``torn_bytes`` after iterating: bytes behind the last whole frame.
    """

    def __init__(self, directory: Path, shown: Path | None = None) -> None:
        """shown: how errors name the directory, to people."""
        self.directory = directory
        self.paths = parts(directory)
        if not self.paths:
            where = shown or directory
            raise TraceError(f"{where} holds no unfinished recording: name the OUT of tmemlab collect")
        self.torn_bytes = 0

    def is_being_written(self) -> bool:
        """Whether a recorder that lives has a part open."""
        return any(map(_is_locked, self.paths))

    def frames(self) -> Iterator[tuple[Frame, bytes]]:
        """Kind and raw bytes of each whole frame in order; parts behind a torn one are left out."""
        for path in self.paths:
            yield from self._frames_of(path)
            if self.torn_bytes:
                return

    def _frames_of(self, path: Path) -> Iterator[tuple[Frame, bytes]]:
        unpacker = zstandard.ZstdDecompressor()
        size, at, expected = path.stat().st_size, 0, 0
        with path.open("rb") as stream:
            while header := stream.read(_HEADER.size):
                self.torn_bytes = size - at
                if len(header) < _HEADER.size:
                    return
                magic, kind, sequence, raw, packed_size, checksum = _HEADER.unpack(header)
                if magic != _MAGIC or sequence != expected or packed_size > size - at or raw > _LARGEST:
                    return
                packed = stream.read(packed_size)
                fields = (kind, sequence, raw, packed_size)
                if len(packed) < packed_size or zlib.crc32(packed, zlib.crc32(repr(fields).encode())) != checksum:
                    return
                try:
                    frame = Frame(kind), unpacker.decompress(packed, max_output_size=max(raw, 1))
                except (ValueError, zstandard.ZstdError):
                    raise TraceError(
                        f"{path} is of another version of tmemlab: recover it with the one that made it"
                    ) from None
                yield frame
                at += _HEADER.size + packed_size
                expected += 1
                self.torn_bytes = size - at

    def __iter__(self) -> Iterator[tuple[Frame, Records | dict[str, Any]]]:
        for kind, raw in self.frames():
            yield kind, (decode_records(raw) if kind is Frame.RECORDS else json.loads(raw))

    @classmethod
    def start(cls, directory: Path, shown: Path | None = None) -> dict[str, Any]:
        """The START document; TraceError where the recording died before it was written."""
        for kind, value in cls(directory, shown):
            if kind is Frame.START and isinstance(value, dict):
                return value
            break
        where = shown or directory
        raise TraceError(f"the recording in {where} died before its first frame: there is nothing to recover")

    def __enter__(self) -> Self:
        return self


def parts(directory: Path) -> list[Path]:
    """The files of the spool in ``directory``, in their order."""
    whole = directory / SPOOL_NAME
    return [whole] if whole.is_file() else sorted(directory.glob("spool-[0-9]*.frames"))


def _is_locked(path: Path) -> bool:
    with path.open("rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
    return False


def decode_records(raw: bytes) -> Records:
    """The records of a RECORDS frame."""
    count, left = divmod(len(raw), RECORD.itemsize)
    if left:
        raise TraceError("a frame of the spool is no whole number of records: another version wrote it")
    records = np.empty(count, RECORD)
    at = 0
    for name in RECORD.names or ():
        kind = RECORD[name]
        records[name] = np.frombuffer(raw, kind, count, at)
        at += kind.itemsize * count
    return records
