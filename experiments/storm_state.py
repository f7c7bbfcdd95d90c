"""What the kernel said of itself when a storm began, as the replay's host and trace; and what came of it.

The state is input: RAM, free memory, watermarks, page cache, anonymous memory, free slots, the size of the pool
and the number of pages in it. Of what happened afterwards nothing goes in.
"""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tmemlab.collect.kernel.compressors import find_twin
from tmemlab.datasets.trace.schema import Op, Where
from tmemlab.policies.catalogue import parse_policy
from tmemlab.policies.interface import Policy
from tmemlab.replay.inputs.columns import Columns
from tmemlab.replay.scores.score import Score, StormPlan, score
from tmemlab.world.host import DISKS, Costs, Host

STEP_NS = 300_000
"""Between two stores of the filler, about what the guest did."""
LATER = 1000
"""The trace's silence after the filler, in its own lengths: every storm begins in it."""


@dataclass(frozen=True)
class Began:
    """Pages of 4096 bytes, when the storm began."""

    ram: int
    free: int
    """What an ordinary allocation may use: what a zone keeps for others is left out."""
    marks: tuple[int, int, int]
    file: int
    anonymous: int
    swap_free: int
    pool: int
    attempts: int
    """Pages that were offered to the pool until then, taken or not: what the kernel swapped out."""


def fields(path: Path) -> dict[str, int]:
    """The numbers of /proc/meminfo or /proc/vmstat by their names."""
    rows = (line.replace(":", "").split() for line in path.read_text().splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) > 1}


def read_began(run: Path) -> Began:
    """From the files start.* of a run."""
    m = {name: kib // 4 for name, kib in fields(run / "start.meminfo").items()}
    v = fields(run / "start.vmstat")
    back = v.get("zswpwb", 0)  # 6.1 has it in debugfs only
    if "zswpwb" not in v and (run / "start.written_back_pages").exists():
        back = int((run / "start.written_back_pages").read_text() or 0)
    free, marks = 0, [0, 0, 0]
    for zone in re.split(r"^Node ", (run / "start.zoneinfo").read_text(), flags=re.M)[1:]:
        said = {name: int(value) for name, value in re.findall(r"^\s+(?:pages )?(\w+)\s+(\d+)$", zone, re.M)}
        if not said.get("managed"):
            continue
        kept = max(map(int, re.findall(r"protection: \((.*)\)", zone)[0].split(",")))
        free += max(said["free"] - kept, 0)
        for i, name in enumerate(("min", "low", "high")):
            marks[i] += said[name] - said.get("boost", 0)
    return Began(
        m["MemTotal"], free, (marks[0], marks[1], marks[2]), m["Active(file)"] + m["Inactive(file)"],
        m["Active(anon)"] + m["Inactive(anon)"], m["SwapFree"], m["Zswap"],
        v["zswpout"] + v["pswpout"] - back,
    )  # fmt: skip


def given_at_end(run: Path, began: Began) -> int | None:
    """Pages that the storm had when the kernel first killed, from the kernel's own report; None: it never did."""
    text = (run / "dmesg").read_text()
    found = re.search(r"invoked oom-killer:.*?Mem-Info:.*?unevictable:(\d+)", text, re.S)
    if found is None or "Out of memory: Killed" not in text:
        return None
    return int(found[1]) - fields(run / "start.meminfo")["Unevictable"] // 4


def who_was_killed(run: Path) -> str:
    """The filler or the storm; nobody."""
    tasks = re.findall(r"\[ *(\d+)\] +0 +\d+ +\d+ +(\d+) .* storm_load", (run / "dmesg").read_text())
    killed = re.findall(r"Out of memory: Killed process (\d+)", (run / "dmesg").read_text())
    if not killed:
        return ""
    return "filler" if killed[0] == sorted(tasks, key=lambda task: int(task[0]))[1][0] else "storm"


def _dice(x: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """The same as in storm_load.c."""
    x = x ^ x >> np.uint32(16)
    x = x * np.uint32(0x7FEB352D)
    x = x ^ x >> np.uint32(15)
    x = x * np.uint32(0x846CA68B)
    mixed: npt.NDArray[np.uint32] = x ^ x >> np.uint32(16)
    return mixed


def lengths(pages: int) -> npt.NDArray[np.uint16]:
    """Compressed lengths of the filler's pages: those of 64 amounts of noise, and between them on a line."""
    noise = np.random.default_rng(1).bytes(2048)
    twin, sizes = find_twin("lzo"), np.linspace(400, 1899, 64).astype(int)
    measured = [twin.length(noise[:size] + bytes([7]) * (4096 - size)) for size in sizes]
    random = 400 + _dice(np.arange(pages, dtype=np.uint32)) % np.uint32(1500)
    return np.rint(np.interp(random, sizes, measured)).astype(np.uint16)


def trace(began: Began) -> Columns:
    """What the filler swapped out, so that the pool is what the storm found; then silence."""
    count = max(began.attempts, 1)
    op = np.full(count + 1, int(Op.STORE), np.uint8)
    op[-1] = int(Op.INVALIDATE)
    page = np.append(np.arange(count), count).astype(np.uint32)
    t = np.arange(count + 1, dtype=np.int64) * STEP_NS
    t[-1] = LATER * count * STEP_NS
    clen = np.append(lengths(count), 4096).astype(np.uint16)
    unknown = np.full(count + 1, int(Where.UNKNOWN), np.uint8)
    return Columns(
        Path("storm"), "swap", t, op, page, np.zeros(count + 1, np.uint8), unknown, clen,
        np.zeros(count + 1, np.uint16), unknown, count + 1, int((op == Op.STORE).sum()), 0, 1, "measured",
        lengths(max(began.anonymous, 1)),
    )  # fmt: skip


def host_of(began: Began, costs: Costs, pool: int) -> Host:
    """The host model's initial state; ``pool`` is what the replay's own pool holds by then."""
    balance = np.array([[0, began.free + pool, began.file, began.swap_free]], np.int64)
    return Host(
        began.ram, began.ram, *began.marks, balance, np.array([began.anonymous], np.int64), DISKS["ssd"], costs,
        balance[:, 1].copy(),
    )  # fmt: skip


def policy_of(cell: dict[str, Any]) -> Policy:
    """The policy of that kernel under the cell's settings."""
    if cell["zpool"] == "off":
        return parse_policy("bounds.none")
    name = {"6.1": "zswap.v5_6", "6.12": "zswap.v6_12"}[cell["kernel"]]
    text = f"{name}:zpool={cell['zpool']},max_pool_percent={cell['percent']}"
    if cell["kernel"] == "6.12":
        on = cell["shrinker"] and cell["group"] != "/"
        # The cgroup has no limit of its own, so only the storm's reclaim calls the shrinker.
        text += f",shrinker={'on' if on else 'off'},inactive_pages={1 << 32}"
    return parse_policy(text)


def predict(run: Path, costs: Costs | None = None, storms: int = 20) -> tuple[Began, Score, int]:
    """The state, the score of a storm that began in it, and the pages of the replay's pool at that moment."""
    cell = json.loads((run / "cell.json").read_text())
    began, policy = read_began(run), policy_of(cell)
    columns, costs = trace(began), costs or Costs()
    roomy = replace(host_of(began, costs, began.pool), balance=np.array([[0, 1 << 30, 0, 1 << 30]], np.int64))
    found = score(columns, roomy, policy, StormPlan(storms=0))
    pool = round(found.pool_bytes["mean"] / 4096)  # nearly all of the trace is the silence
    result = score(columns, host_of(began, costs, pool), policy, StormPlan(storms, cell["fraction"] / 100))
    return began, result, pool
