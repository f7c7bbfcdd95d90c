"""zbud, z3fold and zsmalloc with short chains: figures worked out elsewhere, and a twin of the buddies."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.replay.build import I, S, columns, dense, host, replay
from tmemlab.policies.bounds.unbounded import Unbounded
from tmemlab.policies.interface import REFUSED, Allocator
from tmemlab.world.allocators.tables import classes_by_use, tables

# size (pages a zspage, objects): the largest classes of chain size 4 up to Linux 6.1
CHAIN_4 = """4096(1,1) 3264(4,5) 3072(3,4) 2720(2,3) 2448(3,5) 2336(4,7) 2048(1,2) 1808(4,9) 1744(3,7) 1632(2,5)
1536(3,8) 1488(4,11) 1360(1,3) 1248(4,13) 1216(3,10) 1168(2,7) 1104(3,11) 1088(4,15) 1024(1,4)"""


@dataclass(frozen=True)
class Pool(Unbounded):
    """Takes everything, into the allocator given."""

    model: ClassVar[Allocator] = Allocator()

    def allocator(self) -> Allocator:
        return self.model


def pool_of(model: Allocator) -> Pool:
    return type("Pool", (Pool,), {"model": model})()


def test_the_distinct_classes_of_chain_size_4() -> None:
    known = [f"{size}({pages},{objects})" for size, pages, objects in classes_by_use()]
    assert known[: len(CHAIN_4.split())] == CHAIN_4.split()
    assert len(known) == 69


@pytest.mark.parametrize(
    ("length", "bytes_each"),
    [(100, 112.2), (500, 512), (1024, 1092.3), (1300, 1365.3), (2000, 2048), (2048, 2340.6), (2500, 2730.7),
     (3000, 3072), (3256, 3276.8), (3257, 4096), (4096, 4096)],
)  # fmt: skip
def test_bytes_an_object_takes_with_chains_of_4(length: int, bytes_each: float) -> None:
    class_of, classes, _, _ = tables(Allocator(chain=4, by_use=True))
    chosen = classes[class_of[length]]
    assert chosen["pages"] * 4096 / chosen["objects"] == pytest.approx(bytes_each, abs=0.06)


def test_what_zbud_and_z3fold_take() -> None:
    zbud = tables(Allocator("zbud"))[0]
    assert (zbud[64], zbud[65], zbud[3968], zbud[3969]) == (1, 2, 62, REFUSED)
    with_header = tables(Allocator("zbud", header=8))[0]
    assert (with_header[56], with_header[57], with_header[3960], with_header[3961]) == (1, 2, 62, REFUSED)
    z3fold = tables(Allocator("z3fold"))[0]
    assert (z3fold[3904], z3fold[3905], z3fold[4096]) == (61, 62, 62)


def test_two_objects_share_a_zbud_page_and_three_one_of_z3fold() -> None:
    # 1344 bytes are 21 chunks: two of 63 leave 21 unused in zbud; three are 63, one more than z3fold has.
    six = columns([(S, page) for page in range(6)], clen=1344)
    assert replay(six, pool_of(Allocator("zbud"))).pool_bytes["peak"] == 3 * 4096
    assert replay(six, pool_of(Allocator("z3fold"))).pool_bytes["peak"] == 3 * 4096
    smaller = columns([(S, page) for page in range(6)], clen=1280)  # 20 chunks
    assert replay(smaller, pool_of(Allocator("z3fold"))).pool_bytes["peak"] == 2 * 4096
    assert replay(smaller, pool_of(Allocator("z3fold", chunks=59))).pool_bytes["peak"] == 3 * 4096


def test_the_fullest_page_with_room_is_taken() -> None:
    # 40 and 30 chunks do not fit together (70 > 63): two pages, with 23 and 33 chunks free. 20 chunks go to
    # the first, so that 33 still fit into the second.
    lengths = [40 * 64, 30 * 64, 20 * 64, 33 * 64]
    row = replay(columns([(S, p, n) for p, n in enumerate(lengths)]), pool_of(Allocator("zbud")))
    assert row.pool_bytes["peak"] == 2 * 4096


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 3968)), min_size=1, max_size=120),
    st.sampled_from(["zbud", "z3fold"]),
)
@settings(max_examples=100, deadline=None)
def test_pages_equal_those_of_a_twin(wanted: list[tuple[int, int]], kind: str) -> None:
    most, chunks = (2, 63) if kind == "zbud" else (3, 62)
    frames: list[dict[int, int]] = []  # page -> chunks, the frame that changed last in front
    events, ids = [], dense([page for page, _ in wanted])
    held: set[int] = set()
    for page, (_, length) in zip(ids, wanted, strict=True):
        if page in held:
            events.append((I, page, length))
            held.discard(page)
            frame = next(f for f in frames if page in f)
            del frame[page]
            frames.remove(frame)
            if frame:
                frames.insert(0, frame)
            continue
        events.append((S, page, length))
        held.add(page)
        need = -(-length // 64) if kind == "zbud" or length <= 3904 else chunks
        roomy = [f for f in frames if len(f) < most and sum(f.values()) + need <= chunks]
        frame = max(roomy, key=lambda f: sum(f.values())) if roomy else {}
        if roomy:
            frames.remove(frame)
        frame[page] = need
        frames.insert(0, frame)
    row = replay(columns(events), pool_of(Allocator(kind)), host())
    # The pool's size over time is the only thing to see from outside: compare its mean at the end.
    assert row.pool_bytes["peak"] >= len(frames) * 4096
    last = replay(columns([*events, (S, max(ids) + 1, 1)]), pool_of(Allocator(kind)), host())
    steps = (len(events) - 1) or 1
    grown = last.pool_bytes["mean"] * len(events) - (row.pool_bytes["mean"] * steps if len(events) > 1 else 0)
    assert round(grown / 4096) == len(frames)
