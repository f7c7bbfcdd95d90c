"""The folder for what can be made again: compiled code and prepared columns. The user's own, or not used at all.

Compiled code is loaded and run, and columns are indexes that compiled code does not check. Whoever can write
there runs code as this user: so every folder on the way must belong to this user or to root, and nobody else may
write in it. Where that is not so the home directory of the password database is tried, then a folder of this
process alone, which goes with it.

``TMEMLAB_CACHE`` names another folder, or is ``off``; ``TMEMLAB_CACHE_SIZE`` bounds the columns.
"""

import atexit
import contextlib
import grp
import logging
import os
import pwd
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from .errors import InvalidInputError
from .units import parse_size

FOLDER_VARIABLE = "TMEMLAB_CACHE"
SIZE_VARIABLE = "TMEMLAB_CACHE_SIZE"
SIZE = 4 << 30
"""Bytes of columns that are kept by default, or a tenth of what the file system has free where that is less."""

_OURS = re.compile(r"[0-9a-f]{40}\.(columns|intact)|\.(columns|intact)-\w+")
_INSTALLATION = re.compile("[0-9a-f]{16}")

_log = logging.getLogger("tmemlab")


def why_not(path: Path) -> str:
    """Why ``path`` is not a folder of this user's alone; empty where it is.

    Every folder and link on the way is looked at; what does not exist yet is no reason.
    """
    end = Path(os.path.realpath(path))
    for part in dict.fromkeys([*_way(path.absolute()), *_way(end)]):
        try:
            found = part.lstat()
        except FileNotFoundError:
            continue
        except OSError as error:
            return f"{part} cannot be looked at ({os.strerror(error.errno or 0)})"
        if found.st_uid not in (0, os.geteuid()):
            return f"{part} belongs to another user (uid {found.st_uid})"
        if stat.S_ISLNK(found.st_mode):
            continue
        if not stat.S_ISDIR(found.st_mode):
            return f"{part} is not a directory"
        # In a sticky folder, such as /tmp, nobody can replace what is ours.
        if _open_to_others(found) and (part == end or not found.st_mode & stat.S_ISVTX):
            return f"others may write in {part}"
    return ""


def _way(path: Path) -> list[Path]:
    return [*reversed(path.parents), path]


def _open_to_others(found: os.stat_result) -> bool:
    if found.st_mode & stat.S_IWOTH:
        return True
    return bool(found.st_mode & stat.S_IWGRP) and not _alone_in(found.st_gid)


def _alone_in(group: int) -> bool:
    """Whether a group is this user's own, as most distributions give one to each."""
    if os.geteuid() == group == 0:
        return True
    try:
        user, entry = pwd.getpwuid(os.geteuid()), grp.getgrgid(group)
    except KeyError:
        return False
    return user.pw_gid == group and entry.gr_name == user.pw_name and set(entry.gr_mem) <= {user.pw_name}


def _candidates() -> Iterator[Path]:
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        yield Path(named)
        return
    with contextlib.suppress(RuntimeError):
        yield Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "tmemlab"
    with contextlib.suppress(KeyError):
        yield Path(pwd.getpwuid(os.geteuid()).pw_dir) / ".cache" / "tmemlab"


def root() -> Path | None:
    """The cache folder, made if needed (0700); None where it is off, or none is to be trusted."""
    return _root(*(os.environ.get(name) for name in (FOLDER_VARIABLE, "XDG_CACHE_HOME", "HOME")))


@cache
def _root(named: str | None, _xdg: str | None, _home: str | None) -> Path | None:
    if named == "off":
        return None
    return next((folder for folder in dict.fromkeys(_candidates()) if not refused(folder)), None)


def refused(folder: Path) -> bool:
    """Whether ``folder``, made if needed (0700), is none to be trusted, or cannot be written; says so."""
    reason = _unusable(folder)
    if reason:
        _log.warning("tmemlab: no cache in %s: %s", folder, reason)
    return bool(reason)


def _unusable(folder: Path) -> str:
    reason = why_not(folder)
    if reason:
        return reason
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        return f"it cannot be made ({os.strerror(error.errno or 0)})"
    return why_not(folder) or ("" if os.access(folder, os.W_OK) else "it cannot be written")


@cache
def private_folder() -> Path:
    """A folder of this process alone, removed at its end."""
    folder = Path(tempfile.mkdtemp(prefix="tmemlab-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def columns_folder() -> Path | None:
    """Where prepared columns are kept (0700); None where nothing is."""
    parent = root()
    if parent is None:
        return None
    return None if _unusable(parent / "columns") else parent / "columns"


def size_limit(folder: Path) -> int:
    """Bytes that the columns in ``folder`` may take. InvalidInputError where the variable is no size."""
    wanted = os.environ.get(SIZE_VARIABLE)
    if wanted:
        try:
            return parse_size(wanted)
        except InvalidInputError as error:
            raise InvalidInputError(f"{SIZE_VARIABLE}: {error}") from None
    try:
        return min(SIZE, shutil.disk_usage(folder).free // 10 + bytes_of(columns_files(folder)))
    except OSError:
        return 0


def columns_files(folder: Path) -> list[Path]:
    """The files that were kept in the folder of columns, and what a crash left of one. Any other is not ours."""
    return [path for path in folder.glob("*") if _OURS.fullmatch(path.name)]


def compiled_folders(folder: Path) -> list[Path]:
    """The folders of compiled code in the cache folder, one an installation. Any other is not ours."""
    return [path for path in (folder / "compiled").glob("*") if _INSTALLATION.fullmatch(path.name)]


def bytes_of(paths: Iterable[Path]) -> int:
    """Bytes of files, and of those in folders."""
    return sum(size for path in paths for _, size, _ in _files([path, *path.rglob("*")]))


def _files(paths: Iterable[Path]) -> list[tuple[int, int, Path]]:
    """Time of last use, bytes and path of those that are files, the one used longest ago first."""
    found = []
    for path in paths:
        with contextlib.suppress(OSError):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                found.append((status.st_mtime_ns, status.st_size, path))
    return sorted(found)


def make_room(folder: Path, needed: int) -> bool:
    """Remove what was used longest ago until ``needed`` bytes more are within the limit; False: they never are."""
    limit = size_limit(folder)
    fits = needed <= limit
    files = _files(columns_files(folder))
    total = sum(size for _, size, _ in files) + needed * fits
    for _, size, path in files:
        if total <= limit:
            break
        with contextlib.suppress(OSError):
            path.unlink()
        total -= size
    return fits


def clear(folder: Path) -> int:
    """Remove compiled code and columns from the cache folder: bytes that went. What is not ours stays."""
    files, folders = columns_files(folder / "columns"), compiled_folders(folder)
    gone = bytes_of([*files, *folders])
    for path in files:
        path.unlink(missing_ok=True)
    for path in folders:
        shutil.rmtree(path, ignore_errors=True)
    return gone
