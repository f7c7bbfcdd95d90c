"""Scores are declared once: table, JSON, Parquet, HTML and conditions follow."""

from pathlib import Path
from typing import Any

import pytest

from tests.factory import make_trace
from tests.replay.test_compare import busy_events
from tmemlab.policies.catalogue import parse_policy
from tmemlab.replay.compare import Comparison, compare
from tmemlab.replay.report import table, write_html
from tmemlab.replay.scores import declare
from tmemlab.replay.scores.declare import FORMATS, measure, measures
from tmemlab.replay.scores.row import StormPlan
from tmemlab.replay.scores.threshold import Threshold
from tmemlab.replay.sweep import flat, table_of


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_trace(tmp_path_factory.mktemp("scores") / "t", busy_events(4000, 300), ram_bytes=1 << 30)


def replayed(path: Path) -> Comparison:
    return compare(path, [parse_policy("zswap.v6_18")], plan=StormPlan(2))


def leaves(row: dict[str, Any], prefix: str = "") -> set[str]:
    declared = {found.key for found in measures()}
    found: set[str] = set()
    for key, value in row.items():
        name = f"{prefix}{key}"
        found |= leaves(value, f"{name}.") if isinstance(value, dict) and name not in declared else {name}
    return found


def test_json_has_the_declared_scores_and_no_others(path: Path) -> None:
    row = replayed(path).scores[0].as_json()
    params = {f"params.{name}" for name in row["params"]}
    assert leaves(row) - params == {"name"} | {found.key for found in measures()}


def test_every_score_says_what_it_is() -> None:
    for found in measures():
        assert found.unit in {*FORMATS, "list", "map"}, found.key
        assert found.meaning.endswith("."), found.key


@pytest.fixture
def planted() -> Any:
    """A score such as a stranger would add."""
    measures.cache_clear()
    measure(
        "device_bytes.per_store", "bytes", "Bytes that the device wrote for each store.",
        lambda o: o.h.disk_written / o.h.accepted if o.h.accepted else None,
        column="a store", place=45,
    )  # fmt: skip
    yield
    del declare._DECLARED["device_bytes.per_store"]
    measures.cache_clear()


def test_a_new_score_is_everywhere(path: Path, tmp_path: Path, planted: None, monkeypatch: Any) -> None:
    monkeypatch.setattr(declare, "measures", lambda: tuple(declare._DECLARED.values()))
    result = replayed(path)
    row = result.scores[0]
    expected = row.device_bytes["written"] / row.stores["accepted"]
    document = row.as_json()
    assert document["device_bytes"]["per_store"] == expected
    assert flat(document)["device_bytes.per_store"] == expected
    assert table_of(result)["device_bytes.per_store"].to_pylist() == [expected]
    titles, rows = table(result.scores)
    assert titles[4:7] == ["written back", "a store", "pool mean"]
    assert rows[0][5] == FORMATS["bytes"](expected)
    assert Threshold.parse(f"device_bytes.per_store>={expected}").exceeded_by(document)
    write_html(result, tmp_path / "r.html")
    assert "<th>a store</th>" in (tmp_path / "r.html").read_text()
