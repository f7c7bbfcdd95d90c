"""Merging against the same done with Python lists."""

import pytest

from tests.datasets.test_convert import walk
from tests.factory import make_trace, relabel, sample
from tmemlab.datasets.derive.merge import merge
from tmemlab.datasets.trace.manifest import Certificate, ClenMethod, Reconciliation, SwapDevice
from tmemlab.datasets.trace.read import Trace
from tmemlab.datasets.trace.schema import NO_SLOT
from tmemlab.datasets.trace.verify import verify
from tmemlab.errors import InvalidInputError


def with_slots(events, slot):
    return [(*e, {"slot": slot(e[2]), "task": e[2] % 2}) for e in events]


@pytest.fixture
def hosts(tmp_path):
    a = with_slots(walk(700, 90, seed=1), lambda page: page)
    b = with_slots(walk(400, 50, seed=2), lambda page: NO_SLOT if page % 3 == 0 else 1000 + page)
    options = {"tasks": [(1, "x", 0), (2, "y", 1)], "cgroups": [("/", None), ("/s", 7)]}
    one = make_trace(
        tmp_path / "a", a, **options, samples=[sample(t * 10**9, zswpin=t) for t in range(0, 100, 10)],
        pressure=[(5, 2, 0, 1, None)], ram_bytes=1 << 30,
    )  # fmt: skip
    two = make_trace(
        tmp_path / "b", b, **options, pressure=[(3, 2, 1, 0, None)], ram_bytes=2 << 30,
        samples=[sample(t * 10**9, zswpin=7 * t, psi_some_us=1) for t in range(0, 50, 5)],
    )  # fmt: skip
    return (a, Trace.open(one)), (b, Trace.open(two))


@pytest.mark.parametrize("row_group", [1 << 20, 64])
def test_events_of_both_in_order_of_time(hosts, tmp_path, monkeypatch, row_group):
    (a, one), (b, two) = hosts
    if row_group < 1000:
        monkeypatch.setattr("tmemlab.datasets.trace.write.ROW_GROUP", row_group)
        one = Trace.open(
            make_trace(tmp_path / "a2", a, tasks=[(1, "x", 0), (2, "y", 1)], cgroups=[("/", None), ("/s", 7)])
        )
    merge([one, two], tmp_path / "m")
    assert verify(tmp_path / "m") == []
    both = sorted([(e, 0) for e in a] + [(e, 1) for e in b], key=lambda pair: pair[0][0])
    found = Trace.open(tmp_path / "m").events()
    assert found["t"].tolist() == [e[0] for e, _ in both]
    assert found["op"].tolist() == [e[1] for e, _ in both]
    assert found["page"].tolist() == relabel((host, e[2]) for e, host in both)
    assert found["task"].tolist() == [e[4]["task"] + 2 * host for e, host in both]
    assert found["cgroup"].tolist() == [2 * host for _, host in both]
    slots = [e[4]["slot"] if e[4]["slot"] == NO_SLOT else e[4]["slot"] + (host << 28) for e, host in both]
    assert found["slot"].tolist() == slots


def test_tables_of_both(hosts, tmp_path):
    (_, one), (_, two) = hosts
    manifest = merge([one, two], tmp_path / "m")
    found = Trace.open(tmp_path / "m")
    assert found.pages == one.pages + two.pages
    assert set(found.column("pages", "space").tolist()) == {0, 1}
    assert [row["path"] for row in found.table("cgroups").to_pylist()] == [
        "/host0",
        "/host0/s",
        "/host1",
        "/host1/s",
    ]
    assert [row["cgroup"] for row in found.table("tasks").to_pylist()] == [0, 1, 2, 3]
    assert [(r["t"], r["cgroup"], r["task"]) for r in found.table("pressure").to_pylist()] == [
        (3, 3, 2),
        (5, 0, 1),
    ]
    assert found.column("samples", "zswpin").tolist() == [t + 7 * min(t, 45) for t in range(0, 100, 10)]
    assert found.column("samples", "mem_total").tolist() == [2 << 30] * 10
    assert found.table("samples")["psi_some_us"].null_count == 10
    assert (manifest.ram_bytes, manifest.cpus) == (3 << 30, 4)
    assert manifest.kernel_counters["zswpout"] == sum(t.manifest.kernel_counters["zswpout"] for t in (one, two))
    assert manifest.certificate.complete
    assert [d.device for d in manifest.swap] == ["/swapfile", "/swapfile"]


def test_the_weaker_claim_holds_for_the_whole(tmp_path):
    events = [(0, "store", 0), (1, "load", 0)]
    lossy = Certificate(False, Reconciliation(1, 3, 4), Reconciliation(1, 0, 1), note="lost three")
    counts = Trace.open(make_trace(tmp_path / "x", events)).manifest.events
    changes = {"certificate": lossy, "clen": ClenMethod("none"), "events": counts.__class__(2, 3, 1, 1, 0)}
    two = Trace.open(make_trace(tmp_path / "b", events, manifest=changes))
    manifest = merge([Trace.open(tmp_path / "x"), two], tmp_path / "m")
    assert (manifest.certificate.complete, manifest.certificate.stores) == (False, Reconciliation(2, 3, 5))
    assert (manifest.clen.method, manifest.events.dropped) == ("none", 3)
    assert verify(tmp_path / "m") == []


def test_what_cannot_be_merged(hosts, tmp_path):
    (_, one), (_, two) = hosts
    access = Trace.open(make_trace(tmp_path / "x", [(0, "load", 0)], manifest={"kind": "access"}))
    with pytest.raises(InvalidInputError, match="at least two"):
        merge([one], tmp_path / "m")
    with pytest.raises(InvalidInputError, match="traces of one kind"):
        merge([one, access], tmp_path / "m")
    crowd = [(i % 2**31, f"c{i}", 0) for i in range(40_000)]
    many = Trace.open(make_trace(tmp_path / "many", [(0, "store", 0)], tasks=crowd))
    with pytest.raises(InvalidInputError, match="80000 tasks together"):
        merge([many, many], tmp_path / "m")
    devices = [SwapDevice(f"d{i}", "file", 1, 0) for i in range(9)]
    wide = Trace.open(make_trace(tmp_path / "wide", [(0, "store", 0)], manifest={"swap": devices}))
    with pytest.raises(InvalidInputError, match="18 swap devices together"):
        merge([wide, wide], tmp_path / "m")
    assert not (tmp_path / "m").exists()
    assert two.pages
