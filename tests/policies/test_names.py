"""A policy's numbers and registers by name: where they lie, what they hold, compiled and in plain Python."""

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import njit, typeof, types

import tmemlab
from tests.replay.build import S, columns, host
from tmemlab.policies.interface import (
    ACCEPT,
    HOOK_TYPE,
    LISTS,
    REJECT,
    WORLD,
    LimitedPool,
    Policy,
    Registers,
    Table,
    hook,
    param,
    push_tail,
)
from tmemlab.policies.registry import all_policies
from tmemlab.replay.loops.state import State
from tmemlab.world.layout import Layout

PACKAGE = Path(tmemlab.__file__).parent
MOST = 8


class Family(Registers):
    """What a family shares."""

    first: int
    share: float


class Own(Family):
    """Two registers of the family, one more, two tables."""

    last: int
    fixed = Table(3)
    paged = Table(1, per_page=2)


@njit
def helped(w: Any) -> None:
    """A function that policies with different names share."""
    w.own.first += 1


@hook
def store(w: Any, page: int) -> int:
    """Write everything that has a name."""
    helped(w)
    own = w.own
    own.share = w.p.ratio / 2
    own.last = w.p.limit
    own.fixed[0], own.fixed[1], own.fixed[2] = w.p.batch, w.p.switch, w.p.mode
    own.paged[0] = own.paged.shape[0]
    own.paged[own.paged.shape[0] - 1] = w.p.turn_ns
    push_tail(w, 0, page)
    return ACCEPT


@hook
def other_store(w: Any, page: int) -> int:
    """The shared function with another layout behind it."""
    helped(w)
    push_tail(w, 0, page)
    return REJECT


@dataclass(frozen=True)
class Named(LimitedPool):
    """Every kind of number."""

    ratio: float = param(0.75, "a fraction")
    batch: int = param(8, "a whole number", low=1, high=64)
    switch: str = param("on", "a switch", choices=("on", "off"))
    mode: str = param("third", "a choice", choices=("first", "second", "third"))
    turn_s: float = param(1.5, "a time")
    own = Own
    store = store

    def derived(self, ram_pages: int) -> Mapping[str, float]:
        """A time in ns besides."""
        return {**super().derived(ram_pages), "turn_ns": int(self.turn_s * 1e9)}


class Shifted(Registers):
    """The same name elsewhere."""

    before: int
    first: int


@dataclass(frozen=True)
class Other(Policy):
    """A policy of another layout."""

    own = Shifted
    store = other_store


@njit
def ask(w: Any, question: Any, page: int) -> int:
    """Call a hook as the loops do."""
    return int(question(w, page))


def state_of(policy: Policy) -> State:
    return State.at_start(columns([(S, 0), (S, 1)]), host(ram=1000), policy, 0)


EXPECTED_SCALARS = (1, np.float64(0.375).view(np.int64), 200)
PAGES = 2 + LISTS


@pytest.mark.parametrize("way", ["compiled", "plain"])
def test_what_a_hook_writes_by_name_lies_in_the_order_of_declaration(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "plain":
        monkeypatch.setitem(globals(), "helped", helped.py_func)
    policy = Named()
    state = state_of(policy)
    question = policy.hooks()[0]
    answer = ask(state.world, question.native, 1) if way == "compiled" else question.function(state.world, 1)
    assert answer == ACCEPT
    paged = [1 + 2 * PAGES, *[0] * (2 * PAGES - 1), 1_500_000_000]
    assert state.own.tolist() == [*EXPECTED_SCALARS, 8, 1, 2, *paged]


def test_the_same_name_lies_elsewhere_in_another_policy() -> None:
    one, two = Named(), Other()
    first, second = state_of(one), state_of(two)
    ask(first.world, one.hooks()[0].native, 1)
    ask(second.world, two.hooks()[0].native, 1)
    assert first.own[0] == 1
    assert second.own.tolist() == [0, 1]


def test_numbers_are_the_parameters_and_what_is_derived() -> None:
    numbers = Named(switch="off", mode="second", max_pool_pages=70).numbers(1000)
    assert numbers == {
        "max_pool_percent": 20.0, "max_pool_pages": 70, "ratio": 0.75, "batch": 8, "switch": 0, "mode": 1,
        "turn_s": 1.5, "limit": 70, "turn_ns": 1_500_000_000,
    }  # fmt: skip
    assert Named().numbers(1999)["limit"] == 399


def test_every_policy_reads_its_parameters_under_their_names() -> None:
    for kind in all_policies().values():
        assert {about.name for about in kind.params()} <= set(kind().numbers(1000))


def test_a_whole_number_that_is_no_longer_whole_is_refused() -> None:
    layout = Layout.of({"limit": 3}, Registers)
    with pytest.raises(ValueError, match=r"limit is 2\.5"):
        layout.numbers_array({"limit": 2.5})


@pytest.mark.parametrize("name", ["firts", "pages"])
def test_a_misspelt_name_is_an_error_in_plain_python_too(name: str) -> None:
    world = state_of(Named()).world
    with pytest.raises(AttributeError):
        getattr(world.own, name)
    with pytest.raises(AttributeError):
        setattr(world.own, name, 1)
    with pytest.raises(AttributeError):
        getattr(world.p, name)
    with pytest.raises(ValueError, match="read-only"):
        world.p.batch = 3


def test_what_reads_no_names_is_compiled_for_one_world() -> None:
    for policy in (Named(), Other()):
        ask(state_of(policy).world, policy.hooks()[0].native, 1)
    # what is loaded from the cache is not compiled at all
    push_tail.compile((WORLD, *[types.int64] * (push_tail.py_func.__code__.co_argcount - 1)))
    assert {signature[0] for signature in push_tail.signatures} == {WORLD}
    assert {typeof(policy.hooks()[0].native) for policy in (Named(), Other())} == {HOOK_TYPE}
    assert len(ask.signatures) == 1, "a loop is compiled for a pointer, not for the hook that it met first"


def test_the_hooks_that_orders_share_are_found_again_by_the_next_process() -> None:
    program = (
        "from tmemlab.policies.catalogue import parse_policy\n"
        "print([h.native.from_cache for n in ('clock', 'sieve') for h in parse_policy('order.' + n).hooks()[:2]])"
    )
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str([True] * 4)
    for name in ("clock", "sieve"):  # Numba compiles a function anew when the file changed that this says
        home = all_policies()[f"order.{name}"].store.function.__code__.co_filename
        assert Path(home).name == f"{name}.py"


def wide_functions(folder: Path) -> Iterator[str]:
    """Functions that take more than MOST arguments by position."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and len(node.args.posonlyargs + node.args.args) > MOST:
                yield f"{path.name}: {node.name}"


def test_no_function_of_policies_or_world_takes_more_than_eight_arguments_by_position() -> None:
    assert [*wide_functions(PACKAGE / "policies"), *wide_functions(PACKAGE / "world")] == []
