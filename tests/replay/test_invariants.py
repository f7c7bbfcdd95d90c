"""What must hold after every event, whatever the policy and its parameters."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tmemlab.policies.interface import DISK, LISTS, POOL, REMOTE, RESIDENT, STAYED, Policy
from tmemlab.policies.registry import all_policies
from tmemlab.replay.inputs.columns import Columns, next_loads
from tmemlab.replay.loops.open import run
from tmemlab.replay.loops.state import State
from tmemlab.replay.loops.tapes import SwapTape
from tmemlab.world.host import Host
from tmemlab.world.stack import Stack, parse_stack

from .build import I, L, S, columns, dense, host

POLICIES = all_policies()


@st.composite
def traces(draw: st.DrawFn) -> Columns:
    """Legal traces of up to 200 events over 30 pages of two cgroups with mixed lengths, some zero."""
    stored: set[int] = set()
    events = []
    for page in draw(st.lists(st.integers(0, 29), min_size=1, max_size=200)):
        op = draw(st.sampled_from([S, L, L, I])) if page in stored else S
        (stored.add if op == S else stored.discard)(page)
        events.append((op, page, draw(st.sampled_from([0, 40, 900, 2100, 3700, 4096]))))
    ids = dense([e[1] for e in events])
    built = [(op, page, clen) for (op, _, clen), page in zip(events, ids, strict=True)]
    return columns(
        built, step_ns=draw(st.sampled_from([500, 50_000])), cgroups=[i % 2 for i in range(max(ids) + 1)]
    )


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Any policy with any parameters within their ranges, limits small enough to matter."""
    kind = draw(st.sampled_from(list(POLICIES.values())))
    values = {}
    for param in kind.params():
        if param.choices:
            values[param.name] = draw(st.sampled_from(param.choices))
        elif param.name == "max_pool_pages":
            values[param.name] = draw(st.integers(0, 12))
        elif isinstance(param.default, int):
            values[param.name] = draw(st.integers(int(param.low or 0), min(int(param.high or 64), 4096)))
        else:
            values[param.name] = draw(st.floats(param.low or 0, min(param.high or 64, 100)))
    return kind(**values)


def check_zspages(state: State, held: Any, objects: dict[int, int]) -> None:
    pages = state.pages
    for page in held:
        assert state.zspages[state.frames[page]]["zclass"] == state.class_of[pages[page]["clen"]]
    classes = state.classes[state.zspages["zclass"][list(objects)]] if objects else state.classes[:0]
    assert state.world.host.pool_pages == classes["pages"].sum()
    assert (classes["objects"] >= list(objects.values())).all()
    assert classes["zspages"].size == state.classes["zspages"].sum()


def check_buddies(state: State, held: Any, objects: dict[int, int]) -> None:
    h = state.world.host
    assert h.pool_pages == len(objects)
    assert max(objects.values(), default=0) <= h.buddies
    used: Counter[int] = Counter()
    for page in held:
        used[int(state.frames[page])] += int(state.class_of[state.pages[page]["clen"]])
    for frame, chunks in used.items():
        assert state.zspages[frame]["zclass"] == h.chunks - chunks  # chunks left, never negative


def check(state: State, cols: Columns, ghosts: tuple[int, ...]) -> None:
    h = state.world.host
    pages = state.pages[: cols.pages]
    inside = pages[pages["place"] == POOL]
    assert h.pool_count == len(inside)
    assert h.pool_bytes == inside["clen"].astype(int).sum()
    held = np.flatnonzero(pages["place"] == POOL)
    inuse = Counter(state.frames[held].tolist())
    used = np.flatnonzero(state.zspages["inuse"])
    objects = dict(zip(used.tolist(), state.zspages["inuse"][used].tolist(), strict=True))
    assert objects == inuse or h.buddies < 0
    if h.buddies < 0:
        assert h.pool_pages == -(-h.pool_bytes // 4096)
    elif h.buddies:
        check_buddies(state, held, objects)
    else:
        check_zspages(state, held, objects)
    assert h.resident == np.isin(pages["place"], (RESIDENT, STAYED)).sum()
    on_lists: list[int] = []
    on_ghosts: list[int] = []
    following, before = state.pages["next"].tolist(), state.pages["prev"].tolist()
    linked, lengths = state.pages["linked"].tolist(), state.lengths.tolist()
    for which in range(LISTS):
        head = len(following) - LISTS + which
        at = following[head]
        members = on_ghosts if which in ghosts else on_lists
        enlisted = 0
        while at != head:
            members.append(at)
            enlisted += linked[at] == 2 + which
            assert before[following[at]] == at
            at = following[at]
        assert lengths[which] == enlisted
    assert len(on_lists + on_ghosts) == len(set(on_lists + on_ghosts))
    assert set(on_lists) <= set(np.flatnonzero(pages["place"] == POOL).tolist())
    assert not set(on_ghosts) & set(np.flatnonzero(pages["place"] == POOL).tolist())


def check_stores(state: State, cols: Columns, stack: Stack) -> None:
    """A page that a store holds is on that store's list alone; capacities are never exceeded."""
    pages, somewhere = state.pages[: cols.pages], []
    for at, (level, row) in enumerate(zip(stack.levels, state.levels, strict=True)):
        head = len(state.kept) - len(stack.levels) + at
        held, page = [], int(state.kept[head]["next"])
        while page != head:
            held.append(page)
            assert state.kept[page]["level"] == at and pages[page]["place"] == row["kind"]
            assert state.kept[state.kept[page]["next"]]["prev"] == page
            page = int(state.kept[page]["next"])
        assert row["pages"] == len(held)
        assert row["bytes"] == state.kept["size"][held].astype(int).sum()
        assert not level.capacity or max(row["peak"], row["bytes"]) <= level.capacity
        somewhere += held
    assert len(somewhere) == len(set(somewhere))
    outside = np.isin(pages["place"], (REMOTE, DISK))
    assert set(somewhere) == set(np.flatnonzero(outside).tolist())


def step_through(cols: Columns, policy: Policy, on: Host, stack: Stack | None = None) -> State:
    state = State.at_start(cols, on, policy, 0, stack)
    hooks = [h.native for h in policy.hooks()]
    future = next_loads(cols.op, cols.page, cols.pages) if policy.needs_future else np.zeros(0, np.int64)
    series, found = np.full((1, 4), -1, np.int64), np.zeros(0, np.uint8)
    at = 0
    while at < cols.events:
        tape = SwapTape(cols.t, cols.op, cols.page, cols.flags, cols.clen, future, on.balance, series, found)
        at = run(state.world, tape, at, int(cols.t[at]) + 1, *hooks)
        check(state, cols, policy.ghost_lists())
        if stack:
            check_stores(state, cols, stack)
    h = state.world.host
    assert h.accepted + h.rejected + h.refused + h.zero_stores == cols.stores
    in_ram = h.loads_pool + h.loads_zero + h.loads_resident + h.loads_refused
    assert in_ram + h.loads_remote + h.loads_disk == cols.loads
    assert state.latencies.sum() <= h.loads_remote + h.loads_disk
    assert h.invalidates == cols.invalidates
    return state


@given(traces(), policies(), st.sampled_from([(1 << 20, 1 << 20), (160, 140), (160, 3)]))
@settings(max_examples=400, deadline=None)
def test_every_page_is_in_one_place_and_the_pool_adds_up(
    cols: Columns, policy: Policy, memory: tuple[int, int]
) -> None:
    ram, free = memory
    step_through(cols, policy, host(ram, free, marks=(10, 12, 15)))


@st.composite
def stacks(draw: st.DrawFn) -> Stack:
    """One to three stores of a few pages above and below the pool, the last one limited or not."""
    parts = ["ram"]
    for _ in range(draw(st.integers(1, 3))):
        kind, size = draw(st.sampled_from(["remote", "disk"])), draw(st.sampled_from(["", ":16K", ":40K"]))
        form = draw(st.sampled_from(["", "@compressed", "@plain", "@nvme", "@3us"]))
        parts.insert(draw(st.integers(0, len(parts))), kind + size + form)
    if parts[-1] == "ram":
        parts.append("disk")
    return parse_stack(",".join(parts), 1 << 30)


@given(traces(), policies(), stacks(), st.sampled_from([(1 << 20, 1 << 20), (160, 140), (160, 3)]))
@settings(max_examples=300, deadline=None)
def test_every_page_is_in_one_store_of_a_stack(
    cols: Columns, policy: Policy, stack: Stack, memory: tuple[int, int]
) -> None:
    ram, free = memory
    step_through(cols, policy, host(ram, free, marks=(10, 12, 15)), stack)


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_runs_at_both_ends_of_every_parameter(name: str) -> None:
    rng = np.random.default_rng(3)
    stored: set[int] = set()
    events = []
    for page in rng.integers(0, 60, 600).tolist():
        op = L if page in stored else S
        (stored.add if op == S else stored.discard)(page)
        events.append((op, page, int(rng.integers(60, 4097))))
    ids = dense([e[1] for e in events])
    cols = columns([(op, page, clen) for (op, _, clen), page in zip(events, ids, strict=True)])
    kind = POLICIES[name]
    settings = [kind()]
    for param in kind.params():
        ends = param.choices or tuple(end for end in (param.low, param.high) if end is not None)
        settings += [kind(**{param.name: type(param.default)(end)}) for end in ends]
    for policy in settings:
        step_through(cols, policy, host(400, 300, marks=(10, 12, 15)))
