"""A trace as one file: a plain tar whose bytes depend on nothing but the trace.

The manifest comes first, then the files in order of name, without directories, owners, times or padding beyond
the two blocks that end a tar. What is inside is compressed already. Any tar reads such a file; :func:`unpack`
reads no other.
"""

import hashlib
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from ...directories import OwnDirectory
from ...errors import InvalidInputError, TmemlabError, TraceError
from ..trace.manifest import Manifest
from ..trace.output import new_file, refuse_used
from ..trace.parquet import disk_errors
from ..trace.read import Trace
from ..trace.schema import EVENTS, MANIFEST_NAME
from ..trace.typedjson import MAX_BYTES

_BLOCK = tarfile.BLOCKSIZE
_STEP = 1 << 20
_END = bytes(2 * _BLOCK)
MAX_PACKED = 1 << 40
MAX_RATIO = 10_000
"""Bytes that the events take in memory for each byte of their files: real traffic is at about 4."""


def pack(trace: Trace, path: Path) -> str:
    """Write ``trace`` to ``path``; the SHA-256 of the file. The same trace gives the same bytes, everywhere.

    TraceError where a file does not match its checksum: damage is not packed.
    """
    digest = hashlib.sha256()
    with new_file(path) as stream:

        def write(data: bytes) -> None:
            digest.update(data)
            stream.write(data)

        names = [MANIFEST_NAME, *sorted(trace.manifest.files)]
        for name in names:
            if name == MANIFEST_NAME:
                text = trace.manifest.to_json().encode()
                write(_header(name, len(text)) + text + _padding(len(text)))
                continue
            entry = trace.manifest.files[name]
            write(_header(name, entry.bytes))
            _copy(trace.path / name, entry.sha256, entry.bytes, write)
            write(_padding(entry.bytes))
        write(_END)
    return digest.hexdigest()


def unpack(path: Path, out: Path, *, max_bytes: int = MAX_PACKED, max_ratio: int = MAX_RATIO) -> Manifest:
    """Unpack ``path`` into the new directory ``out``, every checksum compared.

    Only plain files with the names, the sizes and in the order of the manifest at the front are taken: no other
    path, link, device or directory can be written. Nothing is left where anything is wrong. TraceError names the
    byte; more than ``max_bytes``, or than ``max_ratio`` bytes in memory for each packed, is refused at once.
    """
    refuse_used(out)
    if not path.is_file():
        raise TraceError(f"{path} cannot be read (there is no such file): name a packed trace")
    try:
        with path.open("rb") as stream, disk_errors(out):
            return _unpack(_Tar(path, stream), out, max_bytes, max_ratio)
    except OSError as error:
        raise TraceError(f"{path} cannot be read ({error.strerror}): name a packed trace") from None


def _unpack(tar: "_Tar", out: Path, max_bytes: int, max_ratio: int) -> Manifest:
    text = b"".join(tar.member(MANIFEST_NAME, None))
    manifest = Manifest.from_json(text, f"{tar.path}: {MANIFEST_NAME}")
    _check_size(tar.path, manifest, out, max_bytes, max_ratio)
    partial = OwnDirectory.beside(out, "partial")
    try:
        for name in sorted(manifest.files):
            entry = manifest.files[name]
            digest = hashlib.sha256()
            with os.fdopen(partial.create(name), "wb") as target:
                for part in tar.member(name, entry.bytes):
                    digest.update(part)
                    target.write(part)
            if digest.hexdigest() != entry.sha256:
                raise TraceError(f"{tar.path} is damaged: {name} does not match its checksum; fetch it again")
        tar.end()
        with os.fdopen(partial.create(MANIFEST_NAME), "wb") as target:
            target.write(text)
        try:
            Trace.open(partial.at)
        except TraceError as error:
            raise TraceError(str(error).replace(str(partial.at), str(tar.path))) from None
        partial.become(out)
    except BaseException:
        partial.remove()
        raise
    partial.close()
    return manifest


def _check_size(path: Path, manifest: Manifest, out: Path, max_bytes: int, max_ratio: int) -> None:
    size = sum(entry.bytes for entry in manifest.files.values())
    if size > max_bytes:
        raise TraceError(
            f"{path} unpacks to {size} bytes, more than the limit of {max_bytes}: raise it if you trust it"
        )
    width = sum(field.type.bit_width for field in EVENTS) // 8
    if manifest.events.recorded * width > max_ratio * max(size, 1):
        raise TraceError(
            f"{path} claims {manifest.events.recorded} events in {size} bytes, beyond the limit of {max_ratio} "
            "bytes in memory for each: raise it if you trust it"
        )
    existing = next(place for place in (out.absolute(), *out.absolute().parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if size > free:
        raise TmemlabError(f"{path} unpacks to {size} bytes and {existing} has {free} free: unpack it elsewhere")


class _Tar:
    """The members of the only tar layout that is accepted, one after the other."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self.path = path
        self._stream = stream

    def member(self, name: str, size: int | None) -> Iterator[bytes]:
        """The content of the next member, which must be the plain file ``name`` of ``size`` bytes."""
        at = self._stream.tell()
        header = self._stream.read(_BLOCK)
        if len(header) < _BLOCK:
            raise TraceError(f"{self.path} ends at byte {at + len(header)}, where {name} begins: fetch it again")
        stated = self._stated_size(header, at) if size is None else size
        if header != _header(name, stated):
            raise TraceError(
                f"{self.path} is not a packed trace: at byte {at} there is no plain file {name} of {stated} bytes"
            )
        left = stated
        while left:
            part = self._stream.read(min(left, _STEP))
            if not part:
                raise TraceError(f"{self.path} ends at byte {self._stream.tell()}, inside {name}: fetch it again")
            left -= len(part)
            yield part
        padding = _padding(stated)
        if self._stream.read(len(padding)) != padding:
            raise TraceError(f"{self.path} is damaged or cut short after {name}, at byte {self._stream.tell()}")

    def end(self) -> None:
        """Nothing but the two empty blocks follows."""
        at = self._stream.tell()
        if self._stream.read(len(_END) + 1) != _END:
            raise TraceError(
                f"{self.path} is damaged or goes on where it should end, at byte {at}: fetch it again"
            )

    def _stated_size(self, header: bytes, at: int) -> int:
        try:
            size = int(header[124:135], 8)
        except ValueError:
            size = -1
        if not 0 <= size <= MAX_BYTES:
            raise TraceError(f"{self.path} is not a packed trace: at byte {at} there is no {MANIFEST_NAME}")
        return size


def _header(name: str, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    try:
        return member.tobuf(tarfile.USTAR_FORMAT)
    except ValueError:
        raise InvalidInputError(
            f"{name} has {size} bytes, more than a packed trace can hold in one file"
        ) from None


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)


def _copy(path: Path, sha256: str, size: int, write: Callable[[bytes], None]) -> None:
    """Copy a file of the trace, no byte more or less, and compare its checksum."""
    digest = hashlib.sha256()
    left = size
    with path.open("rb") as stream:
        while left and (part := stream.read(min(left, _STEP))):
            digest.update(part)
            write(part)
            left -= len(part)
    if left or digest.hexdigest() != sha256:
        raise TraceError(f"{path} does not match its checksum: it was damaged or edited; fetch it again")
