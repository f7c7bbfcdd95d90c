"""A new file that appears under its name only when it is complete."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ...errors import InvalidInputError, TmemlabError
from .parquet import disk_errors


@contextmanager
def _looking_at(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # a folder that is closed, a name that is none
        reason = getattr(error, "strerror", None) or error
        raise InvalidInputError(f"{path} cannot be looked at ({reason}): write elsewhere") from None


def refuse_used(path: Path) -> None:
    """InvalidInputError where there is anything at ``path`` but an empty directory."""
    with _looking_at(path):
        used = path.is_symlink() or (path.exists() and not (path.is_dir() and next(path.iterdir(), None) is None))
    if used:
        raise InvalidInputError(f"{path} already exists: name a directory that does not, or remove it")


def refuse_existing(path: Path) -> None:
    """InvalidInputError where there is anything at ``path``."""
    with _looking_at(path):
        used = path.exists() or path.is_symlink()
    if used:
        raise InvalidInputError(f"{path} already exists: name a file that does not, or remove it")


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A binary stream, readable and writable, that becomes ``path`` (0600) at the end of the block.

    InvalidInputError where ``path`` exists; TmemlabError where the disk refuses. An exception removes what was
    written.
    """
    refuse_existing(path)
    with disk_errors(path):
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.partial-", dir=path.absolute().parent)
        partial = Path(name)
        try:
            with os.fdopen(descriptor, "w+b") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
                _publish(stream.fileno(), partial, path)
        finally:
            partial.unlink(missing_ok=True)


def _publish(descriptor: int, partial: Path, path: Path) -> None:
    """The open file itself gets the name, whatever lies under its temporary one by now."""
    try:
        # unlike a rename, refuses to replace what appeared meanwhile
        os.link(f"/proc/self/fd/{descriptor}", path, follow_symlinks=True)
    except FileExistsError:
        raise InvalidInputError(f"{path} appeared while it was being written: name another file") from None
    except OSError:  # a filesystem without hard links
        partial.rename(path)
        if not os.path.samestat(os.fstat(descriptor), path.lstat()):
            raise TmemlabError(f"{path} is not what was written: somebody else swapped it") from None
