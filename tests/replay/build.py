"""Columns and hosts without files, for tests that replay thousands of small traces."""

from pathlib import Path
from typing import Any

import numpy as np

from tmemlab.datasets.trace.schema import Op, Where
from tmemlab.policies.catalogue import parse_policy
from tmemlab.policies.interface import Policy
from tmemlab.replay.inputs.columns import Columns, next_loads
from tmemlab.replay.scores.score import Score, StormPlan, score
from tmemlab.world.host import DISKS, Costs, Host

S, L, I = int(Op.STORE), int(Op.LOAD), int(Op.INVALIDATE)  # noqa: E741


def columns(
    events: list[tuple[int, int]] | list[tuple[int, int, int]],
    kind: str = "swap",
    clen: int = 4096,
    step_ns: int = 1_000_000,
    cgroups: list[int] | None = None,
) -> Columns:
    """``events`` are (op, page) or (op, page, compressed length), one every ``step_ns``."""
    op = np.array([e[0] for e in events], np.uint8)
    page = np.array([e[1] for e in events], np.uint32)
    lengths = np.array([e[2] if len(e) > 2 else clen for e in events], np.uint16)
    pages = int(page.max()) + 1
    first = np.full(pages, int(Where.UNKNOWN), np.uint8)
    return Columns(
        Path("built"), kind, np.arange(len(op), dtype=np.int64) * step_ns, op, page,
        np.zeros(len(op), np.uint8), np.full(len(op), int(Where.UNKNOWN), np.uint8), lengths,
        np.array(cgroups or [0] * pages, np.uint16), first, pages,
        int((op == S).sum()), int((op == L).sum()), int((op == I).sum()), "built", lengths[:1].copy(),
    )  # fmt: skip


def host(
    ram: int = 1 << 20,
    free: int | None = None,
    file: int = 0,
    anon: int = 0,
    swap: int = 1 << 22,
    marks: tuple[int, int, int] = (100, 125, 150),
    costs: Costs | None = None,
    disk: str = "ssd",
    unit: int = 4096,
) -> Host:
    """A host whose memory does not change by itself; sizes in pages."""
    balance = np.array([[0, ram if free is None else free, file, swap]], np.int64)
    return Host(ram, ram, *marks, balance, np.array([anon], np.int64), DISKS[disk], costs or Costs(),
                balance[:, 1].copy(), disk_unit=unit)  # fmt: skip


def replay(cols: Columns, policy: str | Policy, on: Host | None = None, **plan: Any) -> Score:
    """One policy over built columns, with the place of every event kept."""
    chosen = parse_policy(policy) if isinstance(policy, str) else policy
    future = next_loads(cols.op, cols.page, cols.pages) if chosen.needs_future else None
    return score(cols, on or host(), chosen, StormPlan(**{"storms": 0, **plan}), future, keep_found=True)


def dense(pages: list[int]) -> list[int]:
    """Page ids in order of first appearance."""
    ids: dict[int, int] = {}
    return [ids.setdefault(page, len(ids)) for page in pages]


def stores_and_loads(wanted: list[tuple[int, bool]]) -> list[tuple[int, int]]:
    """(op, page) of drawn (page, whether it is stored again where it could be loaded)."""
    stored: set[int] = set()
    ops = []
    for page, again in wanted:
        op = L if page in stored and not again else S
        (stored.add if op == S else stored.discard)(page)
        ops.append(op)
    return list(zip(ops, dense([page for page, _ in wanted]), strict=True))
