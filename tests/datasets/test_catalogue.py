"""The catalogue, the cards and the Croissant descriptions say what the traces are."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.datasets.test_convert import walk
from tests.factory import make_trace
from tmemlab.datasets.describe.card import card, citation, croissant
from tmemlab.datasets.share.bundled import bundled
from tmemlab.datasets.share.catalogue import bundled_catalogue, describe, locate, read_catalogue
from tmemlab.datasets.share.transfer import pull
from tmemlab.datasets.trace.parquet import file_sha256
from tmemlab.datasets.trace.read import Trace
from tmemlab.datasets.trace.schema import EVENTS, TABLES
from tmemlab.errors import InvalidInputError, TraceError

DOCS = Path(__file__).parents[2] / "docs/datasets"
STALE = "a bundled trace changed: run tools/make_catalogue.py"


@pytest.fixture
def trace(tmp_path):
    provenance = {"workload": "a <b>walk</b>\n| of pages", "how": "by hand"}
    path = make_trace(tmp_path / "walk-1", walk(500, 60), manifest={"provenance": provenance})
    return Trace.open(path)


def test_the_catalogue_of_the_package_is_of_what_is_bundled():
    found = read_catalogue()
    assert found == bundled_catalogue(found.version), STALE
    assert found.traces.keys() == bundled().keys()


@pytest.mark.parametrize("name", bundled())
def test_the_published_descriptions_are_of_what_is_bundled(name):
    trace = Trace.open(bundled()[name])
    assert (DOCS / f"{name}.md").read_text() == card(trace, name), STALE
    assert json.loads((DOCS / f"{name}.croissant.json").read_text()) == croissant(trace, name), STALE


def test_an_entry_says_what_the_trace_is(trace):
    entry = describe(trace, url="https://example.org/x")
    assert entry.manifest_sha256 == file_sha256(trace.path / "manifest.json")
    assert (entry.events, entry.pages, entry.kind) == (500, trace.pages, "swap")
    assert entry.bytes == sum(file.stat().st_size for file in trace.path.iterdir())
    assert (entry.license, entry.how) == ("CC0-1.0", "by hand")


def test_a_trace_is_pulled_by_its_name(trace, tmp_path):
    plain = {
        "schema": "tmemlab.catalogue/1", "version": 3,
        "traces": {"walk": {**describe(trace, url=str(trace.path)).__dict__}},
    }  # fmt: skip
    del plain["traces"]["walk"]["extra"]
    (tmp_path / "c.json").write_text(json.dumps(plain))
    url, digest = locate("walk", read_catalogue(tmp_path / "c.json"))
    pull(url, tmp_path / "out", sha256=digest)
    assert len(Trace.open(tmp_path / "out")) == 500
    with pytest.raises(InvalidInputError, match="has no trace 'run': it has walk"):
        locate("run", read_catalogue(tmp_path / "c.json"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "is not a catalogue"),
        ('{"schema": "tmemlab.catalogue/2"}', "is not a catalogue"),
        ("{", "is not valid JSON"),
        ('{"schema": "tmemlab.catalogue/1", "version": 1, "traces": {"../x": {}}}', "missing|not a name"),
        ('{"schema": "tmemlab.catalogue/1", "version": 1, "traces": []}', "must be an object"),
    ],
)
def test_a_catalogue_that_is_none(tmp_path, text, message):
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(TraceError, match=message):
        read_catalogue(tmp_path / "c.json")
    with pytest.raises(InvalidInputError, match="cannot be read"):
        read_catalogue(tmp_path / "none.json")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("several", [False, True])
def test_the_validator_of_croissant_accepts_it_and_finds_the_rows(trace, tmp_path, monkeypatch, several):
    mlcroissant = pytest.importorskip("mlcroissant", reason="install the extra interop")
    path = trace.path
    if several:
        monkeypatch.setattr("tmemlab.datasets.trace.write.ROW_GROUP", 100)
        path = make_trace(tmp_path / "many", walk(500, 60), events_per_file=200)
    described = croissant(Trace.open(path), "walk-1")
    (path / "croissant.json").write_text(json.dumps(described))
    dataset = mlcroissant.Dataset(jsonld=path / "croissant.json")
    assert not dataset.metadata.ctx.issues.errors
    assert not dataset.metadata.ctx.issues.warnings
    rows = list(dataset.records("events-00000"))
    table = pq.read_table(path / "events-00000.parquet")
    assert [row["events-00000/page"] for row in rows] == table["page"].to_pylist()
    assert [row["events-00000/t"] for row in rows] == table["t"].to_pylist()


def test_croissant_has_every_file_and_every_column(trace):
    described = croissant(trace, "walk-1", url="https://example.org/walk-1")
    files = {item["name"]: item for item in described["distribution"]}
    assert files.keys() == trace.manifest.files.keys()
    for name, item in files.items():
        assert item["sha256"] == file_sha256(trace.path / name)
        assert item["contentUrl"] == f"https://example.org/walk-1/{name}"
    columns = [
        field["source"]["extract"]["column"] for record in described["recordSet"] for field in record["field"]
    ]
    assert columns == EVENTS.names + [name for schema in TABLES.values() for name in schema.names]


def test_a_card_cannot_be_broken_by_what_a_trace_says(trace):
    text = card(trace, "walk-1")
    assert "<b>" not in text.replace("\\<b\\>", "")
    assert "a \\<b\\>walk\\</b\\> \\| of pages" in text
    assert "| stores | " in text
    assert citation(trace, "walk-1").startswith("@misc{walk-1,")
