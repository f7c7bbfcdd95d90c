"""Memory cgroups, version 1 or 2: finding, making, limiting and naming them."""

import contextlib
import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ...errors import InvalidInputError, KernelUnsupportedError, TmemlabError
from .guard import Guard
from .samples import read_number, read_text


@dataclass(frozen=True)
class Hierarchy:
    """The mount that the memory controller lives on."""

    mount: Path
    version: int

    @property
    def limit_name(self) -> str:
        """File that holds a group's limit."""
        return "memory.max" if self.version == 2 else "memory.limit_in_bytes"

    @property
    def usage_name(self) -> str:
        """File that holds a group's usage in bytes."""
        return "memory.current" if self.version == 2 else "memory.usage_in_bytes"


def find_hierarchy() -> Hierarchy:
    """Where the memory controller is mounted; KernelUnsupportedError where it is not."""
    for line in (read_text("/proc/self/mounts") or "").splitlines():
        _, mount, kind, options, *_ = line.split()
        if kind == "cgroup" and "memory" in options.split(","):
            return Hierarchy(Path(mount), 1)
        if kind == "cgroup2" and "memory" in (read_text(Path(mount) / "cgroup.controllers") or "").split():
            return Hierarchy(Path(mount), 2)
    raise KernelUnsupportedError(
        "no memory cgroup controller is mounted: boot with systemd, or mount -t cgroup2 none /sys/fs/cgroup"
    )


def resolve(path: str, hierarchy: Hierarchy) -> Path:
    """The directory of a cgroup given as a path below the mount or as a directory; InvalidInputError else."""
    for candidate in (Path(path), hierarchy.mount / path.lstrip("/")):
        inside = candidate == hierarchy.mount or hierarchy.mount in candidate.parents
        if inside and (candidate / "cgroup.procs").is_file():
            return candidate
    raise InvalidInputError(
        f"{path!r} is not a memory cgroup: name one below {hierarchy.mount}, such as /system.slice/redis.service"
    )


def directory_id(directory: Path) -> int:
    """The low half of a cgroup's id, which is the inode of its directory."""
    return directory.stat().st_ino & 0xFFFF_FFFF


class Namer:
    """Cgroup ids to paths; remembers those seen, since a cgroup may be gone when its events are read."""

    def __init__(self, hierarchy: Hierarchy | None) -> None:
        self._hierarchy = hierarchy
        self.paths: dict[int, str] = {}
        self.limits: dict[int, int | None] = {}
        self._unknown: set[int] = set()
        self._given_up: set[int] = set()

    def note(self, numbers: Iterable[int]) -> None:
        """Ids that events carry."""
        self._unknown |= set(map(int, set(numbers))) - self.paths.keys() - self._given_up - {0}

    def refresh_unknown(self) -> None:
        """Walk the hierarchy if an id was noted that has no path yet; each such id once."""
        if self._unknown:
            self.refresh()
            self._given_up |= self._unknown - self.paths.keys()
            self._unknown.clear()

    def refresh(self) -> None:
        """Walk the hierarchy and take in every cgroup there is."""
        if self._hierarchy is None:
            return
        mount = self._hierarchy.mount
        for folder, _, _ in os.walk(mount):
            with contextlib.suppress(OSError):
                directory = Path(folder)
                number = directory_id(directory)
                relative = directory.relative_to(mount)
                self.paths[number] = "/" if relative == Path() else f"/{relative}"
                limit = read_number(directory / self._hierarchy.limit_name)
                self.limits[number] = limit if limit is not None and limit < 1 << 60 else None


def reclaim_of(directory: Path) -> dict[str, int]:
    """Pages that reclaim ever ``scanned`` and ``reclaimed`` in a cgroup; empty on version 1, without counts."""
    rows = dict(line.split() for line in (read_text(directory / "memory.stat") or "").splitlines())
    if "pgscan" not in rows or "pgsteal" not in rows:
        return {}
    return {"scanned": int(rows["pgscan"]), "reclaimed": int(rows["pgsteal"])}


def join(directory: Path) -> None:
    """Move this process into a cgroup."""
    (directory / "cgroup.procs").write_text(str(os.getpid()))


class OwnCgroup:
    """A memory cgroup of ours for one command, removed at the end, or by a guard when we are killed.

    >>> with OwnCgroup(limit=300 << 20) as group:
    ...     subprocess.run(command, preexec_fn=group.join)
    """

    def __init__(self, limit: int | None, hierarchy: Hierarchy | None = None, whose: str = "") -> None:
        """whose: a part of its name, where one process has several."""
        self._hierarchy = hierarchy or find_hierarchy()
        self.directory = self._hierarchy.mount / f"tmemlab-{os.getpid()}{whose}"
        self._limit = limit
        self._guard: Guard | None = None

    def __enter__(self) -> Self:
        self._remove_orphans()
        try:
            self.directory.mkdir()
        except OSError as error:
            raise TmemlabError(
                f"cannot make the memory cgroup {self.directory} ({error.strerror}): "
                "record without --memory-limit, or outside of a container"
            ) from None
        try:
            if self._hierarchy.version == 2 and not (self.directory / "memory.max").exists():
                (self._hierarchy.mount / "cgroup.subtree_control").write_text("+memory")
            if self._limit is not None:
                (self.directory / self._hierarchy.limit_name).write_text(str(self._limit))
        except OSError as error:
            self.remove()
            raise TmemlabError(
                f"the kernel refuses a memory limit of {self._limit} bytes ({error.strerror}): "
                "give a larger --memory-limit"
            ) from None
        self._guard = Guard(self.directory)
        return self

    def _remove_orphans(self) -> None:
        """Empty groups of recorders that were killed before they could remove them."""
        for group in self._hierarchy.mount.glob("tmemlab-[0-9]*"):
            if not Path(f"/proc/{group.name.split('-')[1]}").exists():
                # a group that is not empty refuses
                with contextlib.suppress(OSError):
                    group.rmdir()

    def __exit__(self, *_: object) -> None:
        removed = self.remove()
        if self._guard is not None:
            self._guard.done() if removed else self._guard.take_over()

    @property
    def usage_file(self) -> Path:
        """The file with the group's memory in bytes."""
        return self.directory / self._hierarchy.usage_name

    def join(self) -> None:
        """Move the calling process in; for preexec_fn."""
        join(self.directory)

    def oom_kills(self) -> int:
        """Processes inside that were killed because the group had no memory left."""
        name = "memory.events" if self._hierarchy.version == 2 else "memory.oom_control"
        rows = dict(line.split() for line in (read_text(self.directory / name) or "").splitlines())
        return int(rows.get("oom_kill", 0))

    def members(self) -> list[int]:
        """Process ids inside."""
        return [int(pid) for pid in re.findall(r"\d+", read_text(self.directory / "cgroup.procs") or "")]

    def remove(self) -> bool:
        """Remove the group; what the command left running moves to the group above. False: it is still there."""
        for _ in range(50):
            for pid in self.members():
                with contextlib.suppress(OSError):
                    (self.directory.parent / "cgroup.procs").write_text(str(pid))
            try:
                self.directory.rmdir()
                return True
            except FileNotFoundError:
                return True
            except PermissionError:
                return False  # the privilege was given up; the guard kept its own
            except OSError:
                # A process that has just ended holds its cgroup until it is reaped.
                time.sleep(0.02)
        return False
