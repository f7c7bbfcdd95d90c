"""Bytes and lines of somebody else's file, plain or compressed with zstd, in bounded memory."""

from collections.abc import Iterator
from pathlib import Path

import zstandard

from ...errors import TraceError

_COMPRESSED_STEP = 4096  # zstd packs at most 32 thousand to one: a step unpacks to 128 MiB at the very worst
_PLAIN_STEP = 1 << 20
_MAX_WINDOW = 1 << 27
MAX_LINE = 1 << 16


def read_chunks(path: Path, size: int) -> Iterator[bytes]:
    """The content of ``path`` in pieces of exactly ``size`` bytes, the last one shorter.

    A name that ends in .zst is decompressed. TraceError where the file cannot be read or was cut short.
    """
    waiting = bytearray()
    for part in _parts(path):
        waiting += part
        while len(waiting) >= size:
            yield bytes(waiting[:size])
            del waiting[:size]
    if waiting:
        yield bytes(waiting)


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines of a text file, from 1; TraceError for a line that is too long to be text."""
    number, rest = 0, b""
    # in small pieces: a hundred million line ends unpacked at once would be as many objects
    pieces = (part[at : at + _PLAIN_STEP] for part in _parts(path) for at in range(0, len(part), _PLAIN_STEP))
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            number += 1
            yield number, line.decode("utf-8", "replace").rstrip("\r")
        if len(rest) > MAX_LINE:
            raise TraceError(f"{path}, line {number + 1} is longer than {MAX_LINE} bytes: it is not a text file")
    if rest:
        yield number + 1, rest.decode("utf-8", "replace").rstrip("\r")


def _parts(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            if path.suffix != ".zst":
                while part := file.read(_PLAIN_STEP):
                    yield part
                return
            decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
            frame = None
            while data := file.read(_COMPRESSED_STEP):
                while data:
                    frame = frame or decompressor.decompressobj()
                    yield frame.decompress(data)
                    # a stream reader would take a file that ends inside a frame for a whole one
                    data, frame = (frame.unused_data, None) if frame.eof else (b"", frame)
            if frame is not None:
                raise TraceError(f"{path} ends inside a zstd frame: it was cut short; fetch it again")
    except zstandard.ZstdError as error:
        raise TraceError(f"{path} is not a sound zstd file ({error}): fetch it again") from None
    except OSError as error:
        raise TraceError(f"{path} cannot be read ({error.strerror}): name a file that can") from None
