"""Whether the recorder's own memory cgroup leaves it the memory that it needs: said before it starts."""

from pathlib import Path

from ...errors import TmemlabError
from ...units import format_bytes
from .cgroup import Hierarchy
from .samples import read_number, read_text

NEEDED = 160 << 20
"""Bytes besides the ring: 92 to 127 MiB were charged to a recorder that had begun."""


def group_of_this_process(hierarchy: Hierarchy) -> Path:
    """Its memory cgroup's directory; the mount where that is not to be seen, as in a container."""
    for line in (read_text("/proc/self/cgroup") or "").splitlines():
        number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(",") if hierarchy.version == 1 else number == "0":
            found = hierarchy.mount / path.lstrip("/")
            return found if found.is_dir() else hierarchy.mount
    return hierarchy.mount


def room_left(hierarchy: Hierarchy) -> tuple[Path, int] | None:
    """The cgroup, of this process or above it, that leaves least, and how many bytes; None without a limit.

    Clean page cache is given back before anything is killed, so it counts as room.
    """
    found: list[tuple[int, Path]] = []
    group = group_of_this_process(hierarchy)
    while group != hierarchy.mount.parent:
        limit, usage = read_number(group / hierarchy.limit_name), read_number(group / hierarchy.usage_name)
        if limit is not None and usage is not None and limit < 1 << 60:
            rows = dict(line.split() for line in (read_text(group / "memory.stat") or "").splitlines())
            cache = int(rows.get("total_inactive_file", rows.get("inactive_file", 0)))
            found.append((max(limit - usage + cache, 0), group))
        group = group.parent
    if not found:
        return None
    room, narrowest = min(found)
    return narrowest, room


def need_room(hierarchy: Hierarchy | None, ring_bytes: int) -> None:
    """TmemlabError where the recorder would be killed, or swapped, by its own cgroup's limit."""
    left = room_left(hierarchy) if hierarchy else None
    needed = NEEDED + ring_bytes
    if left is not None and left[1] < needed:
        raise TmemlabError(
            f"the recorder needs some {format_bytes(needed)}, and its memory cgroup {left[0]} leaves "
            f"{format_bytes(left[1])}: raise that limit, take a smaller --ring, or record with --own-cgroup"
        )
