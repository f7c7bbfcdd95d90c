"""Synthetic traces, samples, statistics and comparisons, against models that a page of Python can hold."""

import json
import math
from collections import Counter, OrderedDict

import numpy as np
import pytest

from tests.datasets.test_convert import walk
from tests.factory import make_trace, relabel
from tests.factory import sample as sample_row
from tmemlab.datasets.derive.sample import sample
from tmemlab.datasets.describe.diff import diff
from tmemlab.datasets.describe.statistics import stats
from tmemlab.datasets.synthetic.patterns import Loop, Phase, Scan, Uniform, Zipf, parse_pattern
from tmemlab.datasets.synthetic.synth import Storm, synthesize
from tmemlab.datasets.synthetic.touches_to_swap import CLUSTER, ResidentSet
from tmemlab.datasets.trace.read import Trace
from tmemlab.datasets.trace.verify import verify
from tmemlab.errors import InvalidInputError


def drawn(pattern, n, pieces=7, seed=1):
    source = pattern.source(np.random.default_rng(seed))
    sizes = [n // pieces] * (pieces - 1) + [n - n // pieces * (pieces - 1)]
    return np.concatenate([source(size) for size in sizes])


def test_loop_goes_round():
    assert drawn(Loop(pages=10), 25).tolist() == [i % 10 for i in range(25)]


def test_scan_is_made_of_whole_runs():
    pages = drawn(Scan(pages=1000, run=50), 500)
    for run in pages.reshape(10, 50):
        assert run.tolist() == [(int(run[0]) + i) % 1000 for i in range(50)]
    assert len(set(pages[::50].tolist())) > 5


def test_uniform_reaches_everything_equally():
    counts = np.bincount(drawn(Uniform(pages=50), 50_000), minlength=50)
    assert counts.min() > 850
    assert counts.max() < 1150


@pytest.mark.parametrize("alpha", [0.0, 0.8, 1.2])
def test_zipf_has_the_frequencies_of_its_law(alpha):
    counts = sorted(Counter(drawn(Zipf(pages=100, alpha=alpha), 200_000).tolist()).values(), reverse=True)
    total = sum(rank**-alpha for rank in range(1, 101))
    for rank in (1, 2, 10):
        expected = 200_000 * rank**-alpha / total
        assert abs(counts[rank - 1] - expected) < 6 * math.sqrt(expected) + 0.1 * expected * (alpha == 0)


def test_phase_moves_the_popular_pages():
    pages = drawn(Phase(pages=1000, alpha=1.2, period=10_000, shift=0.25), 20_000)
    popular = [Counter(part.tolist()).most_common(1)[0][0] for part in (pages[:10_000], pages[10_000:])]
    assert popular[0] != popular[1]
    still = drawn(Phase(pages=1000, alpha=1.2, period=10_000, shift=0), 20_000)
    assert len({Counter(part.tolist()).most_common(1)[0][0] for part in (still[:10_000], still[10_000:])}) <= 2


@pytest.mark.parametrize(
    "pattern", [Uniform(pages=77), Zipf(pages=77), Loop(pages=77), Scan(pages=77), Phase(pages=77)]
)
def test_patterns_stay_in_their_footprint_and_repeat_under_a_seed(pattern):
    one, two = drawn(pattern, 5000), drawn(pattern, 5000)
    assert one.tolist() == two.tolist()
    assert (one.min(), one.max()) == (0, 76)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("zipff", "'zipff' is not a pattern: use uniform, zipf"),
        ("zipf:beta=1", "zipf has no parameter 'beta': it has pages, weight, alpha"),
        ("zipf:alpha=x", "alpha=x is not a number"),
        ("zipf:pages=1.5", "pages=1.5 is not a number"),
        ("zipf:pages=0", "pages=0 is outside 1 to"),
        ("zipf:alpha=nan", "alpha=nan is outside 0 to 5"),
        ("loop:weight=0", "weight=0 is outside"),
        ("scan:run=0", "run=0 is outside"),
        ("phase:shift=2", "shift=2 is outside 0 to 1"),
    ],
)
def test_patterns_that_are_none(text, message):
    with pytest.raises(InvalidInputError, match=message):
        parse_pattern(text)
    assert parse_pattern("zipf:pages=9,alpha=1") == Zipf(pages=9, alpha=1.0)


def lru_model(touches, capacities):
    """Stores and loads of an LRU set that reclaims down to a cluster below its size."""
    resident, swapped, events = OrderedDict(), set(), []
    for page, capacity in zip(touches, capacities, strict=True):
        if page in resident:
            resident.move_to_end(page)
        else:
            if page in swapped:
                swapped.remove(page)
                events.append((1, page))
            resident[page] = True
        if len(resident) > capacity:
            while len(resident) > max(1, capacity - CLUSTER):
                victim, _ = resident.popitem(last=False)
                swapped.add(victim)
                events.append((0, victim))
    return events


def test_the_resident_set_against_an_ordered_dictionary():
    rng = np.random.default_rng(4)
    touches = rng.zipf(1.1, 20_000) % 700
    capacity = np.linspace(400, 40, 20_000).astype(np.int64)
    events = ResidentSet(700), []
    for at in range(0, 20_000, 3000):
        part = slice(at, at + 3000)
        t, op, page = events[0].touch(np.arange(20_000)[part], touches[part], capacity[part])
        assert (np.diff(t) >= 0).all()
        events[1].extend(zip(op.tolist(), page.tolist(), strict=True))
    assert events[1] == lru_model(touches.tolist(), capacity.tolist())


@pytest.mark.parametrize("resident", [None, 1 << 20])
def test_a_synthetic_trace_is_sound_and_repeats(tmp_path, resident):
    patterns = [Zipf(pages=500), Loop(pages=300, weight=0.5)]
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        synthesize(tmp_path / name, patterns, events=10_000, resident_bytes=resident, seed=seed)
        assert verify(tmp_path / name) == []
    one, two, three = (Trace.open(tmp_path / name) for name in "abc")
    assert one.manifest.files == two.manifest.files
    assert one.manifest.files != three.manifest.files
    assert one.manifest.events.recorded == 10_000
    assert one.manifest.kind == ("swap" if resident else "access")
    columns = one.events("task", "page", "clen", "t")
    share = (columns["task"] == 1).mean()
    if not resident:
        assert 0.31 < share < 0.36
        assert 90_000_000 < int(columns["t"][-1]) < 110_000_000
    by_page = {}
    for page, clen in zip(columns["page"].tolist(), columns["clen"].tolist(), strict=True):
        assert by_page.setdefault(page, clen) == clen


def test_compressed_lengths_have_the_mean_and_the_zeros(tmp_path):
    synthesize(tmp_path / "t", [Uniform(pages=50_000)], events=100_000, clen_mean=1000, zero_share=0.2)
    clen = Trace.open(tmp_path / "t").events("clen")["clen"]
    assert abs((clen == 0).mean() - 0.2) < 0.01
    assert abs(clen[clen > 0].mean() - 1000) < 10


def test_a_storm_pushes_the_resident_set_out(tmp_path):
    storm = Storm(at_ns=50_000_000, bytes=3 << 20, bytes_per_s=100 << 20)
    options = {"events": 6000, "resident_bytes": 4 << 20, "seed": 5}
    synthesize(tmp_path / "calm", [Zipf(pages=1500)], **options)
    synthesize(tmp_path / "storm", [Zipf(pages=1500)], **options, storm=storm)
    trace = Trace.open(tmp_path / "storm")
    assert verify(tmp_path / "storm") == []
    columns = trace.events("t", "op")
    during = (columns["t"] > 50_000_000) & (columns["t"] < 80_000_000)
    # 30 ms at 100 MiB/s lock 768 pages; they are stored besides what is stored without a storm
    calm = Trace.open(tmp_path / "calm").events("t", "op")
    calmly = ((calm["op"] == 0) & (calm["t"] > 50_000_000) & (calm["t"] < 80_000_000)).sum()
    assert ((columns["op"] == 0) & during).sum() > calmly + 700
    samples = trace.table("samples").to_pylist()
    assert samples[0]["mlocked"] == 0
    assert samples[-1]["mlocked"] == min(3 << 20, round((samples[-1]["t"] - 50_000_000) * (100 << 20) / 1e9))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"events": 0}, "at least 1 event"),
        ({"rate": 0}, "at least 1 event"),
        ({"resident_bytes": 1}, "a resident set needs"),
        ({"resident_bytes": 1 << 40}, "everything fits into the resident set"),
        ({"storm": Storm(0, 1, 1)}, "a storm locks a part"),
        ({"clen_mean": 9000}, "compressed lengths"),
    ],
)
def test_synthetic_traces_that_cannot_be(tmp_path, options, message):
    with pytest.raises(InvalidInputError, match=message):
        synthesize(tmp_path / "t", [Zipf(pages=100)], **({"events": 10} | options))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    pages = [(p % 3, p // 3, 0) for p in range(400)]
    events = walk(8000, 400)
    used = max(e[2] for e in events) + 1
    path = tmp_path_factory.mktemp("shape") / "t"
    samples = [sample_row(t * 10**9, zswpin=1000 * t) for t in range(100)]
    return Trace.open(make_trace(path, events, pages=pages[:used], samples=samples))


@pytest.mark.parametrize("block", [1, 16])
def test_a_sample_keeps_whole_blocks_and_all_their_events(trace, tmp_path, block):
    sample(trace, tmp_path / "s", share=0.3, block=block, seed=3)
    assert verify(tmp_path / "s") == []
    whole, part = trace.events("t", "op", "page", "clen"), Trace.open(tmp_path / "s")
    names = list(zip(trace.column("pages", "space").tolist(), trace.column("pages", "vpn").tolist(), strict=True))
    kept = set(zip(part.column("pages", "space").tolist(), part.column("pages", "vpn").tolist(), strict=True))
    assert 0.05 < len(kept) / len(names) < 0.6
    blocks = {(space, vpn // block) for space, vpn in kept}
    assert kept == {name for name in names if (name[0], name[1] // block) in blocks}
    chosen = [i for i, page in enumerate(whole["page"].tolist()) if names[page] in kept]
    found = part.events("t", "op", "page", "clen")
    assert found["t"].tolist() == whole["t"][chosen].tolist()
    assert found["op"].tolist() == whole["op"][chosen].tolist()
    assert found["page"].tolist() == relabel(whole["page"][chosen].tolist())


def test_a_sample_shrinks_the_host_and_not_the_time(trace, tmp_path):
    manifest = sample(trace, tmp_path / "s", share=0.25)
    part = Trace.open(tmp_path / "s")
    assert manifest.ram_bytes == trace.manifest.ram_bytes // 4
    assert manifest.duration_ns == trace.manifest.duration_ns
    assert part.column("samples", "mem_free")[0] == trace.column("samples", "mem_free")[0] // 4
    assert part.column("samples", "zswpin").tolist() == [250 * t for t in range(100)]
    assert part.table("samples")["psi_some_us"].null_count == 100
    assert part.column("samples", "t").tolist() == trace.column("samples", "t").tolist()


def test_samples_by_seed(trace, tmp_path):
    pages = []
    for name, share, seed in (("a", 0.5, 1), ("b", 0.5, 1), ("c", 0.5, 2), ("d", 1.0, 1)):
        sample(trace, tmp_path / name, share=share, seed=seed)
        pages.append(Trace.open(tmp_path / name).events("t", "page"))
    assert pages[0]["t"].tolist() == pages[1]["t"].tolist() != pages[2]["t"].tolist()
    assert pages[3]["page"].tolist() == trace.events("page")["page"].tolist()
    for share in (0, -1, 1.5):
        with pytest.raises(InvalidInputError, match="takes a share"):
            sample(trace, tmp_path / "e", share=share)


def test_statistics_against_python(tmp_path):
    second = 10**9
    events = [
        (0, "store", 0, 100), (1, "store", 1, 0), (second, "load", 0, 100, {"flags": 1}),
        (2 * second, "store", 0, 300),
        (2 * second + 5, "load", 2), (2 * second + 9, "invalidate", 0), (3 * second - 1, "store", 0, 200),
    ]  # fmt: skip
    found = stats(Trace.open(make_trace(tmp_path / "t", events, duration_ns=3 * second)))
    assert found["rates"]["stores_per_s"] == {"mean": 4 / 3, "p50": 2.0, "p99": 2.0, "max": 2.0}
    assert found["rates"]["loads_per_s"]["mean"] == pytest.approx(2 / 3)
    assert (found["stored_pages"], found["stores_per_page"]) == (2, 2.0)
    assert (found["never_loaded_share"], found["refault_share"]) == (0.5, 0.25)
    assert (found["zero_share"], found["readahead_share"]) == (0.25, 0.5)
    assert found["clen"] == {"mean_bytes": 200.0, "p10": 100, "p50": 200, "p90": 300}
    assert found["away_s"]["p50"] == pytest.approx(2**29.5 / 1e9)  # the octave of one second
    json.dumps(found, allow_nan=False)


def test_statistics_of_nothing(tmp_path):
    found = stats(Trace.open(make_trace(tmp_path / "t")))
    assert found["refault_share"] is None
    assert found["away_s"]["p50"] is None
    assert found["rates"]["clen_mean"]["mean"] is None


def test_statistics_do_not_depend_on_row_groups(tmp_path, monkeypatch):
    one = stats(Trace.open(make_trace(tmp_path / "one", walk(3000, 100))))
    monkeypatch.setattr("tmemlab.datasets.trace.write.ROW_GROUP", 100)
    many = stats(Trace.open(make_trace(tmp_path / "many", walk(3000, 100), events_per_file=500)))
    assert {k: v for k, v in one.items() if k != "path"} == {k: v for k, v in many.items() if k != "path"}


def evenly(path, per_second, seconds=60, seed=0, jitter=3):
    rng = np.random.default_rng(seed)
    events, page = [], 0
    for second in range(seconds):
        for i in range(int(per_second + rng.integers(-jitter, jitter + 1))):
            events.append((second * 10**9 + i, "store", page))
            page += 1
    return Trace.open(make_trace(path, events, duration_ns=seconds * 10**9))


def test_diff_finds_what_is_there_and_nothing_else(tmp_path):
    a, b, c = evenly(tmp_path / "a", 20), evenly(tmp_path / "b", 20, seed=1), evenly(tmp_path / "c", 25, seed=2)
    rows = {row["name"]: row for row in diff(a, b)["rows"]}
    assert rows["stores_per_s"]["significant"] is False
    assert rows["clen_mean"]["difference"] is None
    row = {row["name"]: row for row in diff(a, c)["rows"]}["stores_per_s"]
    assert row["significant"] is True
    assert row["ci95"][0] < row["difference"] < row["ci95"][1]
    assert 4 < row["difference"] < 6
    assert diff(a, c) == diff(a, c)


def test_diff_claims_nothing_from_too_little(tmp_path):
    a, b = evenly(tmp_path / "a", 20, seconds=7), evenly(tmp_path / "b", 40, seconds=60)
    row = diff(a, b)["rows"][0]
    assert (row["ci95"], row["significant"]) == (None, None)
    assert row["difference"] > 15


def test_the_intervals_of_diff_hold_the_truth_as_often_as_they_say(tmp_path):
    """Twenty pairs of the same process with dependent neighbours: few may look different."""
    rng = np.random.default_rng(8)
    wrong = 0
    for pair in range(20):
        traces = []
        for side in "ab":
            level, events, page = 0.0, [], 0
            for second in range(80):
                level = 0.5 * level + rng.normal(0, 3)
                for i in range(max(1, round(20 + level))):
                    events.append((second * 10**9 + i, "store", page))
                    page += 1
            traces.append(Trace.open(make_trace(tmp_path / f"{pair}{side}", events, duration_ns=80 * 10**9)))
        wrong += diff(*traces)["rows"][0]["significant"]
    assert wrong <= 6
