"""Pushing and pulling traces. What was interrupted goes on where it stopped; what arrived is what was sent.

A remote trace has the same files as one on disk. The manifest is written last and read first: without it there
is no trace, and with it every byte can be checked.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from ...directories import OwnDirectory
from ...errors import InvalidInputError, TmemlabError, TraceError
from ..trace.manifest import FileEntry, Manifest
from ..trace.output import refuse_used
from ..trace.parquet import disk_errors, file_sha256
from ..trace.read import Trace
from ..trace.schema import MANIFEST_NAME
from ..trace.typedjson import MAX_BYTES
from .remote import STEP, Remote, open_remote

Progress = Callable[[int, int], None]
"""Called with the bytes that are done and those there are."""

_ATTEMPTS = 3


def push(
    trace: Trace, url: str, *, as_recorded: bool = False, progress: Progress = lambda _done, _total: None
) -> int:
    """Copy ``trace`` to ``url``; the bytes that were sent.

    A trace that is not anonymised stays where it is unless ``as_recorded``. Files that are there already, byte for
    byte, are not sent again. InvalidInputError where ``url`` holds another trace.
    """
    if not trace.manifest.anonymised and not as_recorded:
        raise InvalidInputError(
            f"{trace.path} names its host's programs: anonymize it first, or push it --as-recorded"
        )
    remote = open_remote(url, write=True)
    text = trace.manifest.to_json().encode()
    if remote.size(MANIFEST_NAME) is not None:
        if b"".join(remote.read(MANIFEST_NAME)) == text:
            return 0
        raise InvalidInputError(f"{url} already holds another trace: push to another place")
    for file in trace.files:
        file.check_content()
    total = sum(entry.bytes for entry in trace.manifest.files.values()) + len(text)
    sent = done = 0
    for name, entry in sorted(trace.manifest.files.items()):
        if not _is_there(remote, name, entry):
            remote.write(name, _counted(trace.path / name, done, total, progress))
            sent += entry.bytes
        done += entry.bytes
        progress(done, total)
    remote.write(MANIFEST_NAME, [text])
    progress(total, total)
    return sent + len(text)


def pull(
    url: str, out: Path, *, sha256: str | None = None, progress: Progress = lambda _done, _total: None
) -> Manifest:
    """Copy the trace at ``url`` to the new directory ``out``, every checksum compared.

    ``sha256`` is what the manifest must have. What arrived before an interruption stays in a hidden directory
    beside ``out`` and is used by the next attempt. TraceError where what arrives is damaged.
    """
    refuse_used(out)
    remote = open_remote(url)
    text = _manifest_text(remote)
    if sha256 is not None and hashlib.sha256(text).hexdigest() != sha256:
        raise TraceError(f"{url}/{MANIFEST_NAME} is not the one that was asked for: its SHA-256 differs")
    manifest = Manifest.from_json(text, f"{url}/{MANIFEST_NAME}")
    total = sum(entry.bytes for entry in manifest.files.values())
    what = f"pull-{hashlib.sha256(text).hexdigest()[:16]}"
    with disk_errors(out), OwnDirectory.left(out, what) as partial:
        _check_room(partial, out, manifest, total)
        done = 0
        for name, entry in sorted(manifest.files.items()):
            _fetch(remote, name, entry, partial, _of_one_file(progress, done, total))
            done += entry.bytes
        partial.unlink(MANIFEST_NAME)
        with os.fdopen(partial.create(MANIFEST_NAME), "wb") as stream:
            stream.write(text)
        try:
            Trace.open(partial.at)
        except TraceError as error:
            said = str(error).replace(str(partial.at), url)
            partial.remove()
            raise TraceError(said) from None
        partial.become(out)
    return manifest


def _of_one_file(progress: Progress, before: int, total: int) -> Callable[[int], None]:
    """Progress of one file out of several, ``before`` bytes of which are done."""
    return lambda done: progress(before + done, total)


def _manifest_text(remote: Remote) -> bytes:
    size = remote.size(MANIFEST_NAME)
    if size is None:
        raise TraceError(f"{remote.url} is not a trace: it has no {MANIFEST_NAME}")
    text = b""
    for part in remote.read(MANIFEST_NAME):
        text += part
        if len(text) > MAX_BYTES:
            raise TraceError(f"{remote.url}/{MANIFEST_NAME} is too large for a manifest: it is not a trace")
    return text


def _check_room(partial: OwnDirectory, out: Path, manifest: Manifest, total: int) -> None:
    have = sum(partial.size(name) or 0 for name in manifest.files)
    free = shutil.disk_usage(partial.at).free
    if total - have > free:
        raise TmemlabError(
            f"the trace needs {total - have} bytes and {out.absolute().parent} has {free} free: pull elsewhere"
        )


def _fetch(
    remote: Remote, name: str, entry: FileEntry, partial: OwnDirectory, progress: Callable[[int], None]
) -> None:
    """Bring one file into ``partial``, after what is there of it; one that then differs is fetched once more."""
    for attempt in range(_ATTEMPTS):
        have = partial.size(name) or 0
        if have > entry.bytes:
            partial.unlink(name)
            have = 0
        try:
            if have < entry.bytes:
                _append(remote, name, entry.bytes, partial, have, progress)
        except TmemlabError as error:
            if attempt + 1 < _ATTEMPTS and not isinstance(error, TraceError):
                continue
            arrived = partial.size(name) or 0
            raise TmemlabError(
                f"{error}; {arrived} of {entry.bytes} bytes of {name} are here: run it again"
            ) from None
        if partial.size(name) == entry.bytes and file_sha256(partial.at / name) == entry.sha256:
            progress(entry.bytes)
            return
        # what a previous run left may be of another trace: one clean attempt
        partial.unlink(name)
        if have == 0:
            break
    raise TraceError(f"{remote.url}/{name} does not match its checksum: what is there is damaged")


def _append(
    remote: Remote, name: str, size: int, partial: OwnDirectory, have: int, progress: Callable[[int], None]
) -> None:
    with os.fdopen(partial.append(name), "ab") as stream:
        for part in remote.read(name, have):
            stream.write(part[: size - have])
            have += len(part)
            progress(min(have, size))
            if have >= size:
                return


def _is_there(remote: Remote, name: str, entry: FileEntry) -> bool:
    if remote.size(name) != entry.bytes:
        return False
    digest = hashlib.sha256()
    for part in remote.read(name):
        digest.update(part)
    return digest.hexdigest() == entry.sha256


def _counted(path: Path, before: int, total: int, progress: Progress) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while part := stream.read(STEP):
            yield part
            before += len(part)
            progress(before, total)
