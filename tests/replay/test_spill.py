"""A trace that memory does not hold gives the same scores from a file."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tmemlab.datasets.share.bundled import bundled
from tmemlab.datasets.trace.read import Trace
from tmemlab.errors import TmemlabError
from tmemlab.policies.catalogue import parse_policy
from tmemlab.replay.compare import compare
from tmemlab.replay.inputs import spill
from tmemlab.replay.scores.row import StormPlan

NAMES = ("t", "op", "page", "clen")


@pytest.fixture
def trace() -> Trace:
    return Trace.open(bundled()["redis-zswap"])


def test_columns_from_a_file_are_those_in_memory(
    trace: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv(spill.LIMIT_VARIABLE, "1000")
    mapped, read = spill.read_columns(trace, *NAMES), trace.events(*NAMES)
    for name in NAMES:
        assert mapped[name].base is not None and mapped[name].dtype == read[name].dtype
        assert np.array_equal(mapped[name], read[name])
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]  # it never had a name


def test_scores_do_not_depend_on_where_the_columns_are(
    trace: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policies, plan = [parse_policy("zswap.v6_18:max_pool_percent=1")], StormPlan(storms=3)
    (inside,) = compare(trace.path, policies, plan=plan).scores
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv(spill.LIMIT_VARIABLE, "0")
    (outside,) = compare(trace.path, policies, plan=plan).scores
    speed = {"events_per_s": 0.0}
    assert inside.as_json() | speed == outside.as_json() | speed
    assert dataclasses.is_dataclass(inside) and np.array_equal(inside.series, outside.series)


def test_no_room_for_the_file_is_one_sentence(
    trace: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMEMLAB_CACHE", "off")
    monkeypatch.setattr(spill, "private_folder", lambda: tmp_path / "nowhere")
    monkeypatch.setenv(spill.LIMIT_VARIABLE, "0")
    with pytest.raises(TmemlabError, match="slice the trace"):
        spill.read_columns(trace, *NAMES)
