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
import shutil
import stat
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from .units import parse_size

FOLDER_VARIABLE = "TMEMLAB_CACHE"
SIZE_VARIABLE = "TMEMLAB_CACHE_SIZE"
SIZE = 4 << 30
"""Bytes of columns that are kept by default, or a tenth of what the file system has free where that is less."""

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
    for folder in dict.fromkeys(_candidates()):
        reason = _unusable(folder)
        if not reason:
            return folder
        _log.warning("tmemlab: no cache in %s: %s", folder, reason)
    return None


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
    """Bytes that the files in ``folder`` may take. InvalidInputError where the variable is no size."""
    wanted = os.environ.get(SIZE_VARIABLE)
    if wanted:
        return parse_size(wanted)
    try:
        return min(SIZE, shutil.disk_usage(folder).free // 10 + used(folder))
    except OSError:
        return 0


def used(folder: Path) -> int:
    """Bytes of the files in a folder and below it."""
    return sum(size for _, size, _ in _files(folder))


def _files(folder: Path) -> list[tuple[int, int, Path]]:
    """Time of last use, bytes and path of each file, the one used longest ago first."""
    found = []
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                found.append((status.st_mtime_ns, status.st_size, path))
    return sorted(found)


def make_room(folder: Path, needed: int) -> bool:
    """Remove what was used longest ago until ``needed`` bytes more are within the limit; False: they never are."""
    limit = size_limit(folder)
    if needed > limit:
        return False
    files = _files(folder)
    total = sum(size for _, size, _ in files)
    for _, size, path in files:
        if total + needed <= limit:
            break
        with contextlib.suppress(OSError):
            path.unlink()
        total -= size
    return True


def clear(folder: Path) -> int:
    """Remove compiled code and columns from the cache folder: bytes that went."""
    gone = 0
    for part in (folder / "compiled", folder / "columns"):
        if part.is_dir() and not part.is_symlink():
            gone += used(part)
            shutil.rmtree(part, ignore_errors=True)
    return gone
