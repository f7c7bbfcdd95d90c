"""Parts of a trace against the same part taken from Python lists."""

import numpy as np
import pytest

from tests.datasets.test_convert import walk
from tests.factory import make_trace, relabel, sample
from tmemlab.datasets.derive.slice import slice_trace
from tmemlab.datasets.trace.read import Trace
from tmemlab.datasets.trace.verify import verify
from tmemlab.errors import InvalidInputError

CGROUPS = [("/", None), ("/web", 1 << 20), ("/web/a", None), ("/webber", None)]
TASKS = [(10, "nginx", 1), (11, "nginx", 2), (12, "redis", 3)]


def events_by_hand():
    """A random legal walk with an invalidate now and then; each page has one cgroup, tasks change."""
    rng = np.random.default_rng(11)
    out, gone = [], set()
    for t, op, page, clen in walk(2000, 150):
        if page in gone:
            op = 0
            gone.discard(page)
        elif rng.random() < 0.1 and any(e[2] == page for e in out[-50:]):
            op = 2
            gone.add(page)
        out.append((t, op, page, clen, {"cgroup": page % 4, "task": int(rng.integers(0, 3)), "slot": page}))
    return out


@pytest.fixture(scope="module")
def events():
    return events_by_hand()


@pytest.fixture(scope="module")
def trace(events, tmp_path_factory):
    pressure = [(t * 10**9, 2, 0, 0, None) for t in (1, 50, 60, 100)]
    samples = [sample(t * 10**9, zswpin=t) for t in range(0, 120, 7)]
    path = make_trace(
        tmp_path_factory.mktemp("slice") / "t", events, cgroups=CGROUPS, tasks=TASKS, pressure=pressure,
        samples=samples, pages=[(p % 4, 1000 + p, 0) for p in range(max(e[2] for e in events) + 1)],
        duration_ns=120 * 10**9,
    )  # fmt: skip
    assert verify(path) == []
    return Trace.open(path)


def expected(events, chosen, start):
    """(t, op, original page, clen) of the chosen events; invalidates of pages not seen before are left out."""
    seen, out = set(), []
    for event in chosen:
        t, op, page, clen, _ = event
        if op == 2 and page not in seen:
            continue
        seen.add(page)
        out.append((t - start, op, page, clen))
    return out


def check(path, wanted):
    assert verify(path) == []
    found = Trace.open(path)
    columns = found.events()
    assert columns["t"].tolist() == [w[0] for w in wanted]
    assert columns["op"].tolist() == [w[1] for w in wanted]
    assert columns["page"].tolist() == relabel(w[2] for w in wanted)
    assert columns["slot"].tolist() == [w[2] for w in wanted]
    assert columns["clen"].tolist() == [w[3] for w in wanted]
    first = list(dict.fromkeys(w[2] for w in wanted))
    assert found.column("pages", "vpn").tolist() == [1000 + page for page in first]
    assert found.column("pages", "space").tolist() == [page % 4 for page in first]
    assert found.table("cgroups").num_rows == len(CGROUPS)
    return found


@pytest.mark.parametrize(("start", "stop"), [(0, 30), (30, 61), (61, None), (50, 50.5), (0, None)])
def test_an_interval(trace, events, tmp_path, start, stop):
    first, last = int(start * 10**9), 2**62 if stop is None else int(stop * 10**9)
    slice_trace(trace, tmp_path / "s", start_ns=first, stop_ns=None if stop is None else last)
    found = check(tmp_path / "s", expected(events, [e for e in events if first <= e[0] < last], first))
    assert found.manifest.duration_ns == min(last, 120 * 10**9) - first
    t, counter = found.column("samples", "t").tolist(), found.column("samples", "zswpin").tolist()
    inside = [s * 10**9 for s in range(0, 120, 7) if first <= s * 10**9 < last]
    before = [s for s in range(0, 120, 7) if s * 10**9 < first][-1:]
    assert t == [0] * len(before) + [s - first for s in inside]
    assert counter == before + [s // 10**9 for s in inside]
    pressure = [s * 10**9 - first for s in (1, 50, 60, 100) if first <= s * 10**9 < last]
    assert found.column("pressure", "t").tolist() == pressure


@pytest.mark.parametrize(
    ("choice", "rows"),
    [
        ({"cgroup": "/web"}, {1, 2}),
        ({"cgroup": "/web/"}, {1, 2}),
        ({"cgroup": "/web/a"}, {2}),
        ({"cgroup": "/"}, {0, 1, 2, 3}),
    ],
)
def test_a_cgroup_takes_its_descendants_in(trace, events, tmp_path, choice, rows):
    slice_trace(trace, tmp_path / "s", **choice)
    check(tmp_path / "s", expected(events, [e for e in events if e[4]["cgroup"] in rows], 0))


@pytest.mark.parametrize(("task", "rows"), [("nginx", {0, 1}), ("12", {2})])
def test_a_task_takes_whole_pages(trace, events, tmp_path, task, rows):
    first, last = 20 * 10**9, 30 * 10**9
    slice_trace(trace, tmp_path / "s", task=task, start_ns=first, stop_ns=last)
    inside = [e for e in events if first <= e[0] < last]
    pages = {e[2] for e in inside if e[4]["task"] in rows}
    check(tmp_path / "s", expected(events, [e for e in inside if e[2] in pages], first))


def test_the_halves_hold_the_whole(trace, events, tmp_path):
    middle = 60 * 10**9
    one = slice_trace(trace, tmp_path / "a", stop_ns=middle).events
    two = slice_trace(trace, tmp_path / "b", start_ns=middle).events
    assert one.stores + two.stores == trace.manifest.events.stores
    assert one.loads + two.loads == trace.manifest.events.loads


def test_a_slice_says_where_it_is_from(trace, tmp_path):
    manifest = slice_trace(trace, tmp_path / "s", start_ns=10**9, stop_ns=2 * 10**9, cgroup="/web")
    assert manifest.provenance["derived"] == [
        {"by": "slice", "from_ns": 10**9, "to_ns": 2 * 10**9, "cgroup": "/web", "task": None}
    ]
    assert manifest.provenance["how"] == "built by hand in a test"
    assert manifest.certificate.stores.recorded == manifest.events.stores
    assert (manifest.certificate.complete, manifest.certificate.stores.kernel) == (True, None)
    assert manifest.kernel_counters == {}
    again = slice_trace(Trace.open(tmp_path / "s"), tmp_path / "s2", task="nginx")
    assert [step["task"] for step in again.provenance["derived"]] == [None, "nginx"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start_ns": 121 * 10**9}, "the trace lasts 120 s"),
        ({"start_ns": 5, "stop_ns": 5}, "there is nothing from"),
        ({"cgroup": "/none"}, "no cgroup '/none': it has /, /web"),
        ({"task": "emacs"}, "no task 'emacs': it has nginx, redis"),
    ],
)
def test_what_is_not_in_the_trace(trace, tmp_path, options, message):
    with pytest.raises(InvalidInputError, match=message):
        slice_trace(trace, tmp_path / "s", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_slice_across_row_groups_is_the_same(events, tmp_path, monkeypatch):
    options = {"cgroups": CGROUPS, "tasks": TASKS}
    one = slice_trace(Trace.open(make_trace(tmp_path / "one", events, **options)), tmp_path / "a", start_ns=10**10)
    monkeypatch.setattr("tmemlab.datasets.trace.write.ROW_GROUP", 100)
    many = Trace.open(make_trace(tmp_path / "many", events, events_per_file=300, **options))
    two = slice_trace(many, tmp_path / "b", start_ns=10**10)
    assert one.events == two.events
    before, after = Trace.open(tmp_path / "a").events(), Trace.open(tmp_path / "b").events()
    assert all(np.array_equal(before[name], after[name]) for name in before)
