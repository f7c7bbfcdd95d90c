"""What has to be said of a comparison beside its numbers: what did not act, did not apply, is not equal."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from ..datasets.trace.codes import Where
from ..policies.interface import Policy
from ..units import PAGE_SIZE, format_bytes, format_count, format_duration
from ..world.host import Host
from .inputs.columns import Columns
from .scores.row import Score

_MANY = 20
"""One load in so many is enough to speak of it."""


class Compared(Protocol):
    """What is looked at of a :class:`.compare.Comparison`."""

    @property
    def columns(self) -> Columns:
        """The trace."""

    @property
    def host(self) -> Host:
        """What it was replayed on."""

    @property
    def pool_bytes(self) -> int | None:
        """--pool."""

    @property
    def closed(self) -> bool:
        """Whether a resident set stood in front."""

    @property
    def group_bytes(self) -> int | None:
        """The limit of the recorded memory cgroup in a closed loop."""

    @property
    def scores(self) -> Sequence[Score]:
        """A row a policy."""

    @property
    def policies(self) -> Sequence[Policy]:
        """What was replayed."""


def notes(result: Compared) -> list[str]:
    """Every sentence that applies, the widest first."""
    found = (
        _nothing_swapped, _unknown_host, _described_host, _stored_before, _unlimited, _failed_stores, _did_not_act,
        _replayed_as_recorded, _no_cheaper,
    )  # fmt: skip
    return [sentence for about in found for sentence in about(result)]


def _listed(names: list[str]) -> str:
    unique = list(dict.fromkeys(names))
    return unique[0] if len(unique) == 1 else f"{', '.join(unique[:-1])} and {unique[-1]}"


def _nothing_swapped(result: Compared) -> Iterator[str]:
    idle = result.closed and all(row.loads["resident"] == result.columns.loads for row in result.scores)
    if idle and result.columns.kind != "access":
        where = "this host's free memory"
        if result.group_bytes is not None:
            where = f"a memory cgroup of {format_bytes(result.group_bytes)}"
        yield f"nothing was swapped: all pages that left RAM while recording fit into {where}"


def _unlimited(result: Compared) -> Iterator[str]:
    """--pool, and policies that have no limit to set."""
    if result.pool_bytes is None:
        return
    ram_bytes = result.host.ram * PAGE_SIZE
    without = [
        policy.name
        for policy in result.policies
        if policy.with_pool(result.pool_bytes, ram_bytes) is policy and policy.name != "bounds.none"
    ]
    if without:
        verb = "has" if len(set(without)) == 1 else "have"
        yield f"--pool does not limit {_listed(without)}, which {verb} no such limit: compare pool peaks as well"


def _unknown_host(result: Compared) -> Iterator[str]:
    """Without samples nothing is known of the memory that a storm would meet."""
    if result.columns.kind == "swap" and not result.closed and not result.host.is_known:
        yield (
            "P(OOM) is unknown: the trace has no samples of its host's memory. Describe a host, such as "
            "--host ram=2G,file=300M,swap=disk:4G"
        )


def _described_host(result: Compared) -> Iterator[str]:
    """What a description leaves open is said with what was taken for it."""
    if result.host.is_described and not result.closed:
        programs = format_bytes(int(result.host.anonymous[0]) * PAGE_SIZE)
        yield (
            f"the host is described, not recorded: {programs} of programs stay in RAM, the same at every moment, "
            "and the trace swaps what it swapped on its own host"
        )


def _stored_before(result: Compared) -> Iterator[str]:
    """A window begins in the middle: what was out already lies, for every policy, where the kernel had put it."""
    pages = int((result.columns.first_seen_in != Where.UNKNOWN).sum()) if result.columns.kind == "swap" else 0
    if pages * _MANY > result.columns.loads:
        yield (
            f"{format_count(pages)} of {format_count(result.columns.loads)} loads are of pages that were swapped "
            "out before the recording began: every policy finds them where the kernel had put them"
        )


def _failed_stores(result: Compared) -> Iterator[str]:
    """Stores that failed are no work of the pool, and no hits."""
    failed = [
        f"{row.label} ({format_count(row.stores['refused'])})" for row in result.scores if row.stores["refused"]
    ]
    if failed:
        yield (
            f"stores failed under {_listed(failed)}: those pages stayed in RAM and freed nothing, and loads of "
            "them are no hits; on a real host the program might have been killed"
        )


def _did_not_act(result: Compared) -> Iterator[str]:
    """Policies whose timers the trace is too short for."""
    duration = int(result.columns.t[-1])
    for row, policy in zip(result.scores, result.policies, strict=True):
        first, why = policy.acts_from()
        if first > duration:
            yield (
                f"{row.label} did not act: {why} comes after "
                f"{format_duration(first / 1e9)}, and the trace is shorter: {format_duration(duration / 1e9)}"
            )


def _replayed_as_recorded(result: Compared) -> Iterator[str]:
    """Orders replay the recorded stores; everybody else spares those of pages that still have a copy."""
    spared = {policy.spares_stores for policy in result.policies}
    if result.columns.kind == "swap" and not result.closed and result.columns.residence and len(spared) == 2:
        plain = [policy.name for policy in result.policies if not policy.spares_stores]
        verb = "replays" if len(set(plain)) == 1 else "replay"
        yield (
            f"{_listed(plain)} {verb} every recorded store, as a cache simulator does, and so has more of them; "
            "the other policies skip stores of pages whose copy is still good"
        )


def _no_cheaper(result: Compared) -> Iterator[str]:
    """Compressed bytes on a disk: what the disk's unit does to them."""
    writes = [row.label for row in result.scores if _writes_compressed(row)]
    unit = result.host.disk_unit
    if writes and unit == PAGE_SIZE:
        yield (
            f"{_listed(writes)}: pages go to disk compressed, but each copy fills blocks of 4096 bytes, as in "
            "Linux, so this saves no I/O; --disk-unit 512 or packed shows what another device would save"
        )
    elif unit != PAGE_SIZE and not writes and not any(row.levels for row in result.scores):
        yield "--disk-unit changes nothing here: no policy wrote compressed bytes to the disk"


def _writes_compressed(row: Score) -> bool:
    """Whether compressed copies went to a disk; in a stack, to one that takes them in whole blocks."""
    if row.levels:
        return any(
            level["kind"] == "disk" and level["compressed"] and level["unit_bytes"] == PAGE_SIZE
            for level in row.levels if level["entered_pages"]
        )  # fmt: skip
    return row.params.get("compressed_writeback") == "on" and row.writeback["pages"] > 0
