"""What a trace does not let anybody know of the right size, in sentences; the rest is said all the same."""

from ...datasets.trace.read import Trace
from ...units import format_bytes
from ...world.host import Host


def unknown(trace: Trace, host: Host, group_bytes: int | None) -> list[str]:
    """A sentence for everything that is not known; group_bytes: the limit of the recorded memory cgroup."""
    sentences = []
    manifest = trace.manifest
    if manifest.kind == "access":
        sentences.append(
            "Room is unknown: a trace of page accesses has no host. The pool is RAM itself, in whole pages; how "
            "much of it would be enough compressed is unknown as well."
        )
    elif not host.is_known:
        sentences.append(
            "Room is unknown: the trace has no samples of a host's memory. Describe one, such as "
            "--host ram=2G,swap=disk:4G."
        )
    elif host.is_described:
        sentences.append(
            "The host is described, not recorded: its memory is the same at every moment, and the trace swaps "
            "what it swapped on its own host."
        )
    elif group_bytes is not None:
        sentences.append(
            "Room is that of the host: the programs ran in a memory cgroup of "
            f"{format_bytes(group_bytes)}, and how much of that limit, to which Linux charges the pool, it may "
            "take is unknown."
        )
    elif host.ram > host.recorded_ram and host.was_short:
        sentences.append(
            "Need is that of the recorded stores: how many of these pages would have stayed in RAM on a larger "
            "host is unknown here; a replay with --loop closed tells."
        )
    return sentences
