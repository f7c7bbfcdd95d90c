"""Lengths that a recording lacks, by hand: what the kernel did with the page tells something of them."""

from pathlib import Path
from typing import Any

import pytest

from tests.factory import make_trace
from tmemlab.datasets.trace.manifest import Kernel, StartEnd
from tmemlab.datasets.trace.read import Trace
from tmemlab.datasets.trace.schema import Where
from tmemlab.replay.inputs.columns import prepare

T, R = Where.POOL, Where.REJECTED


def lengths(path: Path, stores: list[tuple[Where, int | None]], release: str, enabled: str = "Y") -> list[int]:
    """Those of a replay of ``stores``, each of a page of its own."""
    events: list[Any] = [
        (10 * i, "store", i, clen, {"where": int(where)}) for i, (where, clen) in enumerate(stores)
    ]
    settings = {"enabled": enabled, "max_pool_percent": "5"}
    changes = {"kernel": Kernel(release, "x86_64"), "zswap": StartEnd(settings, dict(settings))}
    found = prepare(Trace.open(make_trace(path, events, manifest=changes)))
    return [int(clen) for clen in found.clen]


def test_what_is_rejected_while_others_are_taken_does_not_compress(tmp_path: Path) -> None:
    stores = [(T, 700), (R, None), (R, 3900), (T, 800)]
    assert lengths(tmp_path / "t", stores, "6.1.0") == [700, 4096, 4096, 800]


def test_at_its_limit_the_pool_rejects_whatever_comes(tmp_path: Path) -> None:
    stores = [(T, 700), *[(R, 900)] * 17, (T, 800), (R, 900)]
    assert lengths(tmp_path / "t", stores, "6.1.0") == [clen for _, clen in stores]


@pytest.mark.parametrize(("release", "enabled"), [("6.15.0", "Y"), ("6.18.44", "Y"), ("6.1.0", "N")])
def test_a_kernel_that_takes_pages_raw_rejects_at_its_limit_alone(
    tmp_path: Path, release: str, enabled: str
) -> None:
    stores = [(T, 700), (R, 900), (T, 800)]
    assert lengths(tmp_path / "t", stores, release, enabled) == [700, 900, 800]


def test_lengths_are_drawn_from_pages_that_met_the_same_end(tmp_path: Path) -> None:
    stores = [*[(T, 500)] * 150, *[(R, 3000)] * 150, *[(R, None)] * 20, *[(T, None)] * 20]
    found = lengths(tmp_path / "t", stores, "6.18.0")
    assert set(found[300:320]) == {3000}
    assert set(found[320:]) == {500, 3000}
