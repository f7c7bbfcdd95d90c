"""The memory cgroup that a trace was recorded in: its limit is the memory that there was."""

from ...datasets.trace.manifest import Manifest
from ...datasets.trace.read import Trace
from ...units import PAGE_SIZE


def group_limit(trace: Trace) -> int | None:
    """Bytes that the recorded command's cgroup was limited to; None for a trace of the whole host.

    From the manifest's command; else the limit of the only limited cgroup that events are charged to.
    """
    limit = _of_command(trace.manifest)
    if limit is None and trace.manifest.kind == "swap":
        limits = [row["limit_bytes"] for row in trace.table("cgroups").to_pylist()]
        known = [value for value in limits if isinstance(value, int) and value >= PAGE_SIZE]
        limit = known[0] if len(known) == 1 and len(limits) <= 2 else None
    return limit


def _of_command(manifest: Manifest) -> int | None:
    command = manifest.extra.get("command")
    limit = command.get("memory_limit") if isinstance(command, dict) else None
    return limit if isinstance(limit, int) and limit >= PAGE_SIZE else None
