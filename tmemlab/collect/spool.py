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
_HEADER = struct.Struct("<4sIIIII")  # magic, kind, sequence, raw bytes, packed bytes, checksum


class Frame(IntEnum):
    """What a frame holds: JSON objects, except RECORDS."""

    START = 1
    RECORDS = 2
    SAMPLE = 3
    END = 4


class SpoolFullError(TmemlabError):
    """The device of the spool has no room left; what was written before is whole."""


class SpoolWriter:
    """Appends frames to spool.frames in ``directory``, where it must not exist; files are 0600."""

    def __init__(self, directory: OwnDirectory) -> None:
        self.path = directory.path / SPOOL_NAME
        self._directory = directory
        self._descriptor = self._create()
        self._compressor = zstandard.ZstdCompressor(level=1)
        self._sequence = 0
        self.bytes_written = 0

    def _create(self) -> int:
        descriptor = self._directory.create(SPOOL_NAME, "r+")
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # gone with this process, however it ends
        return descriptor

    def keep(self) -> None:
        """Where somebody removed or renamed the directory, make it again, with all that was written.

        The kernel keeps a removed file as long as it is open.
        """
        if self._directory.is_there() and self._directory.size(SPOOL_NAME) is not None:
            return
        try:
            self._directory.again()
            lost, self._descriptor = self._descriptor, self._create()
            at = 0
            while at < self.bytes_written:
                at += os.sendfile(self._descriptor, lost, at, self.bytes_written - at)
            os.close(lost)
        except (OSError, InvalidInputError) as error:
            reason = getattr(error, "strerror", None) or error
            raise TmemlabError(
                f"{self.path.parent} was removed and cannot be made again ({reason}): nothing is kept"
            ) from None

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
        written = 0
        try:
            while written < len(frame):
                written += os.write(self._descriptor, frame[written:])
        except OSError as error:
            # Take the torn frame back, so that the spool ends on a whole one.
            os.ftruncate(self._descriptor, self.bytes_written)
            os.lseek(self._descriptor, self.bytes_written, os.SEEK_SET)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise SpoolFullError(f"no space left for {self.path}") from None
            raise
        self._sequence += 1
        self.bytes_written += len(frame)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class SpoolReader:
    """The frames of a spool, as far as they are whole.

    ``torn_bytes`` after iterating: bytes behind the last whole frame.
    """

    def __init__(self, directory: Path, shown: Path | None = None) -> None:
        """shown: how errors name the directory, to people."""
        self.path = directory / SPOOL_NAME
        if not self.path.is_file():
            where = shown or directory
            raise TraceError(f"{where} holds no unfinished recording: name the OUT of tmemlab collect")
        self.torn_bytes = 0

    def is_being_written(self) -> bool:
        """Whether a recorder that lives has the file open."""
        with self.path.open("rb") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            except OSError:
                return False
        return False

    def frames(self) -> Iterator[tuple[Frame, bytes]]:
        """Kind and raw bytes of each whole frame in order."""
        unpacker = zstandard.ZstdDecompressor()
        size, at, expected = self.path.stat().st_size, 0, 0
        with self.path.open("rb") as stream:
            while header := stream.read(_HEADER.size):
                self.torn_bytes = size - at
                if len(header) < _HEADER.size:
                    return
                magic, kind, sequence, raw, packed_size, checksum = _HEADER.unpack(header)
                if magic != _MAGIC or sequence != expected or packed_size > size - at:
                    return
                packed = stream.read(packed_size)
                fields = (kind, sequence, raw, packed_size)
                if len(packed) < packed_size or zlib.crc32(packed, zlib.crc32(repr(fields).encode())) != checksum:
                    return
                try:
                    frame = Frame(kind), unpacker.decompress(packed, max_output_size=max(raw, 1))
                except (ValueError, zstandard.ZstdError):
                    raise TraceError(
                        f"{self.path} is of another version of tmemlab: recover it with the one that made it"
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
