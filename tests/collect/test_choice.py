"""What the kernel is told of a choice, and how shares are written on the command line."""

import click
import pytest

from tmemlab.collect.host.samples import SwapArea
from tmemlab.collect.kernel.btf import KernelTypes
from tmemlab.collect.recording.selection import Choice
from tmemlab.commands.numbers import Share
from tmemlab.errors import InvalidInputError


class Types(KernelTypes):
    """Offsets without a kernel."""

    def __init__(self) -> None:
        pass

    def offset(self, structure: str, member: str) -> int | None:  # type: ignore[override]
        return {"owner": 1296, "comm": 1752}.get(member)


AREAS = [SwapArea("/a", "file", 4096 * 4095, -2), SwapArea("/b", "partition", 4096 * 4096, -3)]


def test_every_area_begins_on_a_border_and_has_room_for_its_header() -> None:
    class Table(dict):
        def Leaf(self, first: int, pages: int) -> tuple[int, int]:  # noqa: N802
            return first, pages

        def __setitem__(self, key: object, value: object) -> None:
            super().__setitem__(key.value, value)  # type: ignore[attr-defined]

    table = Table()
    choice = Choice.of(1 / 64, None)
    choice.place_areas({"areas": table}, AREAS)
    # 4095 pages and the header fill one chunk, 4096 and the header need two
    assert dict(table) == {0: (0, 4096), 1: (4096, 8192)}
    macros = choice.macros(Types(), AREAS)
    assert macros["SLOT_CHUNKS"] == 3
    assert macros["SAMPLE_LIMIT"] == 1 << 26
    assert Choice.of(1 / 64, None).salt != choice.salt


def test_a_name_is_two_words_as_the_kernel_holds_it() -> None:
    macros = Choice.of(None, "a-name-of-more-than-fifteen").macros(Types(), AREAS)
    low, high = macros["COMMAND_LOW"], macros["COMMAND_HIGH"]
    assert low is not None and high is not None
    assert low.to_bytes(8, "little") + high.to_bytes(8, "little") == b"a-name-of-more-\0"
    with pytest.raises(InvalidInputError):
        Choice.of(None, "").macros(Types(), AREAS)


def test_without_a_choice_the_programs_are_as_they_were() -> None:
    assert Choice.of(None, None).macros(Types(), AREAS) == {}


def test_shares() -> None:
    share = Share(2**-20, above=False)
    assert share.convert("1/64", None, None) == 1 / 64
    assert share.convert("0.5", None, None) == 0.5
    assert share.convert("1", None, None) == 1
    for wrong in ("0", "2", "1/0", "x", "-1/4", "1/2/3", "nan", ""):
        with pytest.raises(click.BadParameter):
            share.convert(wrong, None, None)
