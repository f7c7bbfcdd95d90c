"""Directories that are written: opened once, owner and mode checked, used by descriptor from then on.

Who works as root in a place where others may write too must not be led elsewhere: by a link where a directory
should be, by a directory that was there before, by one that is swapped while it is written. So a directory that is
written is made here under a name that nobody can foretell, 0700, or was this user's before; it is opened without
following a link, and everything in it is named through the descriptor (``at``, below /proc/self/fd), whatever
happens to its name. When it is put in its place, that place is looked at again.
"""

import contextlib
import errno
import os
import secrets
import shutil
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

from .errors import InvalidInputError, TmemlabError

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ATTEMPTS = 100
_RANDOM = 8
"""Letters of a random name."""


class OwnDirectory:
    """An open directory of this user's that nobody else may write in.

    ``path`` is its name, for people; ``made`` whether :meth:`new` made it.
    """

    def __init__(self, path: Path, parent: int, name: str) -> None:
        """Opens ``name`` in the directory ``parent``, a descriptor, which becomes this object's.

        InvalidInputError where it is not a directory, another user's, or open to others.
        """
        self.path, self._parent, self._name = path, parent, name
        self.made = False
        try:
            self._descriptor = os.open(name, _FLAGS, dir_fd=parent)
        except OSError as error:
            os.close(parent)
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise InvalidInputError(f"{path} is a link or no directory: name another, or remove it") from None
            raise InvalidInputError(f"{path} cannot be opened ({error.strerror}): name another") from None
        found = os.fstat(self._descriptor)
        if found.st_uid != os.geteuid():
            self.close()
            raise InvalidInputError(
                f"{path} belongs to another user (uid {found.st_uid}), who could change what is written there: "
                "name another directory"
            )
        if found.st_mode & 0o022:
            self.close()
            raise InvalidInputError(f"others may write in {path}: chmod go-w {path}, or name another directory")
        if found.st_mode & 0o077:
            os.fchmod(self._descriptor, 0o700)

    @property
    def at(self) -> Path:
        """Where the directory is, whatever its name is by now."""
        return Path(f"/proc/self/fd/{self._descriptor}")

    @classmethod
    def new(cls, path: Path) -> Self:
        """Make ``path``, or take it where it is there and empty. InvalidInputError where it is in use."""
        name = path.absolute().name
        try:
            parent = _parent_of(path)
        except OSError as error:
            raise InvalidInputError(
                f"cannot make the directory {path} ({error.strerror}): choose another"
            ) from None
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:
            found = cls(path, parent, name)
            if os.listdir(found._descriptor):  # noqa: PTH208
                found.close()
                raise InvalidInputError(f"{path} already exists: name another directory, or remove it") from None
            return found
        except OSError as error:
            os.close(parent)
            raise InvalidInputError(
                f"cannot make the directory {path} ({error.strerror}): choose another"
            ) from None
        made = cls(path, parent, name)
        made.made = True
        return made

    @classmethod
    def existing(cls, path: Path) -> Self:
        """Open ``path``, with what is in it."""
        return cls(path, _parent_of(path), path.absolute().name)

    @classmethod
    def beside(cls, path: Path, what: str) -> Self:
        """Make a hidden directory beside ``path``, to become it; ``what`` is a part of its random name."""
        parent = _parent_of(path)
        for _ in range(_ATTEMPTS):
            name = f"{_prefix(path, what)}{secrets.token_hex(_RANDOM // 2)}"
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=parent)
                return cls(path.absolute().parent / name, parent, name)
        os.close(parent)
        raise TmemlabError(f"{path.absolute().parent} has no room for another name: write elsewhere")

    @classmethod
    def left(cls, path: Path, what: str) -> Self:
        """One of those made by :meth:`beside` that was left there by this user, or a new one."""
        parent = path.absolute().parent
        with contextlib.suppress(OSError):
            for entry in sorted(os.scandir(parent), key=lambda entry: entry.name):
                if entry.name.startswith(_prefix(path, what)):
                    with contextlib.suppress(InvalidInputError):
                        return cls(parent / entry.name, _parent_of(path), entry.name)
        return cls.beside(path, what)

    def create(self, name: str, mode: str = "wb") -> int:
        """A descriptor of the new file ``name`` (0600); FileExistsError where there is anything."""
        access = os.O_RDWR if "+" in mode else os.O_WRONLY
        flags = access | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(name, flags, 0o600, dir_fd=self._descriptor)

    def append(self, name: str) -> int:
        """A descriptor at the end of the file ``name``, made if needed.

        InvalidInputError where it is no plain file of this user's alone.
        """
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(name, flags, 0o600, dir_fd=self._descriptor)
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENXIO):
                raise
            raise InvalidInputError(f"{self.path / name} is no plain file: remove it") from None
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_nlink != 1:
            os.close(descriptor)
            raise InvalidInputError(f"{self.path / name} is no plain file of yours alone: remove it")
        return descriptor

    def size(self, name: str) -> int | None:
        """Bytes of a plain file; None where there is none."""
        try:
            found = os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(found.st_mode):
            raise InvalidInputError(f"{self.path / name} is no plain file: remove it")
        return found.st_size

    def unlink(self, name: str) -> None:
        """Remove a file, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._descriptor)

    def move(self, name: str, other: "OwnDirectory") -> None:
        """Move a file to another directory of the same file system."""
        os.rename(name, name, src_dir_fd=self._descriptor, dst_dir_fd=other._descriptor)

    def flush(self) -> None:
        """Have the names of the files on the device."""
        os.fsync(self._descriptor)

    def become(self, path: Path, *, durable: bool = True) -> None:
        """Take the name ``path``, in the same parent; an empty directory there is replaced.

        OSError where there is something. TmemlabError where it is not this directory that has the name then:
        somebody else who may write in the parent swapped it.
        """
        name = path.absolute().name
        os.rename(self._name, name, src_dir_fd=self._parent, dst_dir_fd=self._parent)
        self._name = name
        if not self.is_there():
            raise TmemlabError(
                f"{path} is not what was written: somebody else swapped it; write where you alone may"
            )
        self.path = path
        if durable:
            os.fsync(self._parent)

    def is_there(self) -> bool:
        """Whether the directory still has its name."""
        mine = os.fstat(self._descriptor)
        try:
            found = os.stat(self._name, dir_fd=self._parent, follow_symlinks=False)
        except OSError:
            return False
        return (mine.st_dev, mine.st_ino) == (found.st_dev, found.st_ino)

    def again(self) -> None:
        """Make the directory anew under its name, where somebody removed or renamed it; or take it as it is.

        OSError or InvalidInputError where something else has the name.
        """
        if self.is_there():
            return
        fresh = type(self).new(self.path)
        self.close()
        self._descriptor, self._parent, self._name = fresh._descriptor, fresh._parent, fresh._name

    def remove(self) -> None:
        """Remove the directory with all that is in it, and close it; what somebody put under its name stays."""
        for name in os.listdir(self._descriptor):  # noqa: PTH208
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=self._descriptor)
                continue
            shutil.rmtree(name, ignore_errors=True, dir_fd=self._descriptor)
        with contextlib.suppress(OSError):
            if self.is_there():
                os.rmdir(self._name, dir_fd=self._parent)
        self.close()

    def close(self) -> None:
        """Close the descriptors; nothing more can be named through ``at``."""
        for descriptor in (getattr(self, "_descriptor", -1), self._parent):
            if descriptor >= 0:
                os.close(descriptor)
        self._descriptor = self._parent = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _prefix(path: Path, what: str) -> str:
    return f".{path.absolute().name[:200]}.{what}-"


def _parent_of(path: Path) -> int:
    """The parent of ``path``, made if needed, as a descriptor."""
    parent = path.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    return os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def refuse_special(path: Path) -> None:
    """InvalidInputError where ``path`` is a pipe, a socket or a device: reading one may never end."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return  # whoever opens it says why it cannot be
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise InvalidInputError(f"{path} is a pipe, a socket or a device: write it to a file first")
