"""Cuts: exact where the kernel held still, honest where it did not."""

import itertools
from typing import Any

import numpy as np

from tmemlab.collect.recording.cuts import Counters, cut
from tmemlab.collect.records import NAMES


class Kernel:
    """A vmstat whose zswpout moves by the next of ``steps`` at every reading."""

    def __init__(self, steps: Any) -> None:
        self.steps, self.value, self.phases = iter(steps), 100, 0

    def read(self) -> bytes:
        self.value += next(self.steps)
        return str(self.value).encode()

    def parse(self, text: bytes) -> dict[str, int]:
        return {"zswpout": int(text)}


class Maps(Counters):
    def __init__(self) -> None:
        self._cells = np.zeros((2, 4, len(NAMES)), np.uint64)
        self._control = np.zeros(2, np.uint64)
        self.phase = 0


def test_a_quiet_kernel_is_cut_at_once() -> None:
    made = cut(Maps(), Kernel(itertools.repeat(0)))
    assert (made.phase, made.unsure, made.vmstat) == (1, 0, {"zswpout": 100})


def test_it_waits_for_a_quiet_instant_and_counts_from_there() -> None:
    maps = Maps()
    made = cut(maps, Kernel([5, 7, 5, 3, 5, 0, 99]))
    assert (made.phase, made.unsure) == (3, 0)
    assert made.vmstat == {"zswpout": 100 + 5 + 7 + 5 + 3 + 5}
    assert maps._control[0] == 3


def test_without_one_it_takes_the_narrowest_and_says_how_unsure_it_is() -> None:
    steps = [x for width in (9, 4, 8) for x in (1, width)]
    made = cut(Maps(), Kernel(itertools.chain(steps, itertools.repeat(6))), patience=0.05)
    assert made.unsure == 4
    assert made.phase == 2


def test_a_frugal_cut_takes_no_phase_while_pages_move() -> None:
    maps = Maps()
    # steps at readings: three pairs that move, a quiet pair, and a quiet cut
    made = cut(maps, Kernel(itertools.chain([1] * 6, itertools.repeat(0))), attempts=6, frugal=True)
    assert (made.phase, made.unsure, maps.phase) == (1, 0, 1)
    made = cut(maps, Kernel(itertools.repeat(1)), attempts=6, patience=0.05, frugal=True)
    assert made.unsure == 1 and maps.phase <= 7


def test_two_cuts_never_run_out_of_phases() -> None:
    maps = Maps()
    first = cut(maps, Kernel(itertools.repeat(1)), patience=60)
    last = cut(maps, Kernel(itertools.repeat(1)), patience=60)
    assert first.phase < last.phase <= 255
    assert maps.phase <= 255


def test_an_operation_under_way_makes_a_cut_unsure() -> None:
    maps = Maps()
    maps._cells[:, 3, :2] = [[5, 2], [0, 2]]  # one began on the first CPU and has not ended
    made = cut(maps, Kernel(itertools.repeat(0)), patience=0.01)
    assert made.unsure == 1
    maps._cells[1, 3, 1] = 3
    assert cut(maps, Kernel(itertools.repeat(0))).unsure == 0
