"""Small traces and hosts on which a policy shows what it does: for conformance, not for results.

Each is a few hundred events, built from a fixed seed. Together they fill a pool and overflow it, pass hours so
that timers fire, run short of memory and of swap slots, and hold pages of every length, zeros included.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...datasets.trace.schema import Flag, Op, Where
from ...policies.interface import Policy
from ...units import PAGE_SIZE
from ...world.host import DISKS, Costs, Host
from ...world.stack import Stack, parse_stack
from ..inputs.columns import Columns
from ..scores.score import Score, StormPlan

RAM = 400
"""Pages of RAM of the small hosts."""
_MARKS = (10, 12, 15)
_SECOND = 10**9


@dataclass(frozen=True)
class Case:
    """One small replay."""

    name: str
    columns: Columns
    host: Host
    plan: StormPlan


def _dense(pages: npt.NDArray[np.int64]) -> npt.NDArray[np.uint32]:
    """Ids in order of first appearance."""
    _, first, inverse = np.unique(pages, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.uint32)
    rank[np.argsort(first)] = np.arange(len(first), dtype=np.uint32)
    return rank[inverse]


def _swap(
    seed: int, events: int, pages: int, longest_wait_ns: int, lengths: npt.NDArray[np.int64], groups: int = 1
) -> Columns:
    """Pages chosen with a skew, stored when they are in RAM, loaded or freed when they are not."""
    dice = np.random.default_rng(seed)
    page = _dense((pages * dice.random(events) ** 2).astype(np.int64))
    op, flags = np.empty(events, np.uint8), np.zeros(events, np.uint8)
    out: set[int] = set()
    for at, number in enumerate(page.tolist()):
        if number not in out:
            op[at] = Op.STORE
            out.add(number)
            continue
        op[at] = Op.LOAD if dice.random() < 0.9 else Op.INVALIDATE
        stays = op[at] == Op.LOAD and dice.random() < 0.15
        flags[at] = Flag.COPY_STAYS if stays else 0
        if not stays:
            out.discard(number)
    clen = dice.choice(lengths, events).astype(np.uint16)
    where = np.full(events, int(Where.UNKNOWN), np.uint8)
    where[(op == Op.STORE) & (clen == 0)] = int(Where.ZERO)
    count = int(page.max()) + 1
    return Columns(
        path=Path("built"), kind="swap", t=np.cumsum(dice.integers(1, longest_wait_ns, events)), op=op, page=page,
        flags=flags, where=where, clen=clen, cgroup_of_page=(np.arange(count) % groups).astype(np.uint16),
        first_seen_in=np.full(count, int(Where.UNKNOWN), np.uint8), pages=count,
        stores=int((op == Op.STORE).sum()), loads=int((op == Op.LOAD).sum()),
        invalidates=int((op == Op.INVALIDATE).sum()), clen_source="built",
        lengths=np.sort(lengths[lengths > 0]).astype(np.uint16),
    )  # fmt: skip


def _accesses(seed: int, events: int, pages: int, longest_wait_ns: int) -> Columns:
    """Page accesses with a skew, and a scan in the middle."""
    dice = np.random.default_rng(seed)
    chosen = (pages * dice.random(events) ** 3).astype(np.int64)
    scan = np.arange(pages)
    chosen[events // 2 : events // 2 + pages] = scan[: max(events - events // 2, 0)]
    page = _dense(chosen)
    count, nothing = int(page.max()) + 1, np.zeros(0, np.uint8)
    return Columns(
        path=Path("built"), kind="access", t=np.cumsum(dice.integers(1, longest_wait_ns, events)), op=nothing,
        page=page, flags=nothing, where=nothing, clen=np.zeros(0, np.uint16),
        cgroup_of_page=np.zeros(count, np.uint16), first_seen_in=np.full(count, int(Where.UNKNOWN), np.uint8),
        pages=count, stores=0, loads=events, invalidates=0, clen_source="built",
        lengths=np.array([4096], np.uint16),
    )  # fmt: skip


def _host(columns: Columns, free: tuple[int, int], file: int, slots: int, anonymous: int, seed: int) -> Host:
    """A host of RAM pages, sampled forty times, whose free memory wanders between the two numbers of ``free``."""
    dice = np.random.default_rng(seed)
    t = np.linspace(0, int(columns.t[-1]), 40).astype(np.int64)
    share = (1 - np.cos(np.linspace(0, 5 * np.pi, len(t)))) / 2
    pages = (free[1] + share * (free[0] - free[1])).astype(np.int64)
    balance = np.stack([t, pages, dice.integers(0, file + 1, len(t)), np.full(len(t), slots)], axis=1)
    return Host(
        ram=RAM, recorded_ram=RAM, watermark_min=_MARKS[0], watermark_low=_MARKS[1], watermark_high=_MARKS[2],
        balance=np.ascontiguousarray(balance, np.int64), anonymous=np.full(len(t), anonymous, np.int64),
        disk=DISKS["hdd"], costs=Costs(), recorded_free=np.ascontiguousarray(pages),
    )  # fmt: skip


def cases(accesses: bool = False, events: int = 600) -> list[Case]:
    """The small replays of one kind of trace, the same ones every time."""
    calm = StormPlan(storms=0)
    if accesses:
        fast = _accesses(11, events, 150, 2_000_000)
        slow = _accesses(12, events, 150, 40 * _SECOND)
        return [
            Case("accesses", fast, _host(fast, (RAM, RAM), 0, 4 * RAM, 0, 1), calm),
            Case("accesses over hours", slow, _host(slow, (RAM, RAM), 0, 4 * RAM, 0, 1), calm),
        ]
    mixed = np.array([100, 700, 1300, 2049, 2900, 3500, 3700, 4096])
    odd = np.array([0, 0, 32, 900, 2500, 3625, 4000, 4096])
    full = _swap(1, events, 450, 100_000, mixed)
    hours = _swap(2, events, 300, 60 * _SECOND, mixed, groups=2)
    tight = _swap(3, events, 300, 5_000_000, mixed, groups=3)
    zeros = _swap(4, events, 300, 30_000, odd)
    storms = _swap(5, events, 200, 50_000_000, mixed)
    return [
        Case("more than the pool holds", full, _host(full, (RAM, RAM), 0, 4 * RAM, 0, 1), calm),
        Case("hours", hours, _host(hours, (300, 150), 60, 4 * RAM, 100, 2), calm),
        Case("short of memory", tight, _host(tight, (200, 8), 10, 4 * RAM, 100, 3), calm),
        Case("zeros and raw pages", zeros, _host(zeros, (RAM, 300), 0, 4 * RAM, 0, 4), calm),
        Case("storms", storms, _host(storms, (250, 120), 40, 220, 200, 5), StormPlan(3, 0.9, 5)),
    ]


def raw_pages(events: int = 600) -> Case:
    """Pages that take a page each, in memory that is never short: where the best choice is known."""
    raw = _swap(6, events, 200, 100_000, np.array([4096]))
    return Case("raw pages", raw, _host(raw, (RAM, RAM), 0, 4 * RAM, 0, 1), StormPlan(storms=0))


def stack_of(policy: Policy) -> Stack | None:
    """The backing stores that the policy is made for."""
    text = policy.stack()
    return parse_stack(text, RAM * PAGE_SIZE) if text else None


def digest(result: Score) -> dict[str, Any]:
    """All of a score that does not depend on the machine, as plain lists and numbers."""
    row = result.as_json()
    row.pop("events_per_s")
    row.pop("name")
    row.pop("params")
    row["series"], row["found"] = result.series.tolist(), result.found.tolist()
    return row
