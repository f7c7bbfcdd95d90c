"""What has to be said of a comparison beside its numbers: what did not act, did not apply, is not equal."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from ..policies.interface import Policy
from ..units import format_bytes, format_duration
from ..world.host import Host
from .inputs.columns import Columns
from .scores.row import Score


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
    found = (_nothing_swapped, _unlimited, _failed_stores, _did_not_act, _replayed_as_recorded, _no_cheaper)
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
    without = [row.name for row in result.scores if row.pool_bytes["limit"] is None and row.name != "bounds.none"]
    if without:
        verb = "has" if len(set(without)) == 1 else "have"
        yield (
            f"--pool does not apply to {_listed(without)}, which {verb} no limit of that kind: "
            "do not compare at equal size"
        )


def _failed_stores(result: Compared) -> Iterator[str]:
    """Stores that failed are no work of the pool, and no hits."""
    failed = [row.name for row in result.scores if row.stores["refused"] > 0]
    if failed:
        yield (
            f"{_listed(failed)}: stores failed and their pages stayed in RAM, so reclaim got nothing for them; "
            "loads "
            "of such pages are no hits, and a real program may have been killed there"
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
            f"{_listed(plain)} {verb} every recorded store, as a cache simulator does; the others skip stores "
            "of pages "
            "whose copy is still good"
        )


def _no_cheaper(result: Compared) -> Iterator[str]:
    """Compressed bytes written as they are, to a device that takes whole blocks."""
    if result.host.disk_unit < 4096:
        return
    writes = [
        row.name
        for row in result.scores
        if (row.params.get("compressed_writeback") == "on" and row.writeback["pages"] and not row.levels)
        or any(
            level["kind"] == "disk"
            and level["compressed"]
            and level["unit_bytes"] == 4096
            and level["entered_pages"]
            for level in row.levels
        )
    ]
    if writes:
        yield (
            f"{_listed(writes)}: pages go to disk compressed, but each copy fills blocks of 4096 bytes, as in "
            "Linux, so this saves no I/O; --disk-unit 512 or packed shows what another device would save"
        )
