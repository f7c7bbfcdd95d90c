"""Nothing that identifies is left, and nothing that a replay needs is lost."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.datasets.test_convert import walk
from tests.factory import make_trace, sample
from tmemlab.datasets.derive.anonymize import _group, anonymize
from tmemlab.datasets.derive.hostsize import rounded
from tmemlab.datasets.derive.layout import APART, moved
from tmemlab.datasets.share.bundled import bundled
from tmemlab.datasets.trace.manifest import (
    Certificate,
    ClenMethod,
    Kernel,
    ProbeSet,
    Reconciliation,
    StartEnd,
    SwapDevice,
)
from tmemlab.datasets.trace.read import Trace
from tmemlab.datasets.trace.schema import SAMPLES
from tmemlab.datasets.trace.verify import verify
from tmemlab.errors import InvalidInputError
from tmemlab.replay.compare import compare
from tmemlab.replay.scores.row import StormPlan
from tmemlab.replay.validate import validate

# every string here is planted somewhere in the trace and must be nowhere afterwards
SECRETS = {
    "comm": "acme-billing",
    "comm2": "acme-rare",
    "cgroup": "customer-4711",
    "inner": "tenant-x",
    "swap": "/dev/acme-vg",
    "release": "6.18.0-acmehost",
    "tool": "acme-wrapper",
    "reason": "acme-reason",
    "note": "acme-note",
    "clen": "acme-clen",
    "workload": "acme-workload",
    "command": "acme-command",
    "extra": "acme-extra",
    "gap": "acme-gap",
    "zswap": "acme zswap",
    "zram": "/dev/acme-zram",
    "license": "© acme 2026",
    "pid": "31337",
    "created": "03:04:05",
    "blind": "acme-blind",
    "psi": "778899001",
    "clock": "acme clock",
}


def secretive(path, **more):
    events = walk(600, 80)
    stores, loads = (sum(e[1] == op for e in events) for op in (0, 1))
    columns = {"task": 0, "cgroup": 1}
    events = [(*e, columns | ({"task": 1, "cgroup": 2} if i % 100 == 0 else {})) for i, e in enumerate(events)]
    manifest = {
        "kernel": Kernel(SECRETS["release"], "x86_64", extra={"node": SECRETS["extra"]}),
        "tool": SECRETS["tool"],
        "clock": SECRETS["clock"],
        "probe_set": ProbeSet("tracepoint", SECRETS["reason"], [SECRETS["blind"]]),
        "certificate": Certificate(
            False, Reconciliation(stores, 0, stores), Reconciliation(loads, 0, loads),
            gaps=[{"from_ns": 1, "to_ns": 2, "reason": SECRETS["gap"]}], note=SECRETS["note"],
        ),
        "clen": ClenMethod("sampled", "lz4", 5, SECRETS["clen"]),
        "swap": [SwapDevice(SECRETS["swap"], "partition", 1 << 30, -2)],
        "zswap": StartEnd({"max_pool_percent": "20", "x": SECRETS["zswap"]}, {"compressor": "zstd"}),
        "zram": [{"disksize": 5, "backing_dev": SECRETS["zram"], "algorithm": "lzo-rle"}],
        "license": SECRETS["license"],
        "provenance": {"workload": SECRETS["workload"], "command": [SECRETS["command"]]},
        "extra": {"hostname": SECRETS["extra"]},
    }  # fmt: skip
    boot = int(SECRETS["psi"])
    return make_trace(
        path, events, manifest=manifest,
        tasks=[(31337, SECRETS["comm"], 1), (31338, SECRETS["comm2"], 2)],
        cgroups=[("/", None), (f"/{SECRETS['cgroup']}", 5), (f"/{SECRETS['cgroup']}/{SECRETS['inner']}", None)],
        samples=[sample(t * 10**9, psi_some_us=boot + t, zswpin=boot + 2 * t) for t in range(100)],
        pages=[(7, 0x7F31_3373_1337 + i, 0) for i in range(max(e[2] for e in events) + 1)],
        pressure=[(5, 4, 2, 1, 100)],
        **more,
    )  # fmt: skip


def everything(path):
    """All bytes and all decoded values of a trace as one text."""
    parts = []
    for file in path.iterdir():
        parts.append(file.read_bytes().decode("latin-1"))
        if file.suffix == ".parquet":
            table = pq.read_table(file)
            parts += [str(table.schema.metadata), str(pq.read_metadata(file).metadata)]
            parts += ["\n".join(map(str, table[name].unique().to_pylist())) for name in table.column_names]
    return "\n".join(parts)


def test_no_identifying_string_is_left(tmp_path):
    path = secretive(tmp_path / "t")
    before = everything(path)
    anonymize(Trace.open(path), tmp_path / "a", k=100)
    anonymize(Trace.open(path), tmp_path / "b")
    for secret in [*SECRETS.values(), str(0x7F31_3373_1337)]:
        escaped = json.dumps(secret)[1:-1]
        assert secret in before or escaped in before, f"{secret} was never there: the test proves nothing"
        for out in ("a", "b"):
            after = everything(tmp_path / out)
            assert secret not in after, secret
            assert escaped not in after, secret
    assert verify(tmp_path / "a") == []
    assert verify(tmp_path / "b") == []


def test_what_a_replay_reads_is_the_same(tmp_path):
    before = Trace.open(secretive(tmp_path / "t"))
    anonymize(before, tmp_path / "a", exact_host=True)
    after = Trace.open(tmp_path / "a")
    one, two = before.events(), after.events()
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])
    assert after.column("pages", "vpn").tolist() == list(range(before.pages))
    assert set(after.column("pages", "space").tolist()) == {0}
    for name in SAMPLES.names:
        was, now = before.column("samples", name), after.column("samples", name)
        np.testing.assert_array_equal(np.diff(was), np.diff(now))
        if name not in ("psi_some_us", "zswpin"):
            np.testing.assert_array_equal(was, now)
    for name in ("kind", "ram_bytes", "cpus", "duration_ns", "events"):
        assert getattr(after.manifest, name) == getattr(before.manifest, name)
    assert after.manifest.zswap.start == {"max_pool_percent": "20"}
    assert after.manifest.zram == [{"disksize": 5, "algorithm": "lzo-rle"}]
    assert after.manifest.swap[0].size_bytes == 1 << 30
    assert after.manifest.kernel.release == "6.18.0"
    assert (after.manifest.anonymised, before.manifest.anonymised) == (True, False)


def test_names_are_equal_under_one_key_and_unlike_under_another(tmp_path):
    trace = Trace.open(secretive(tmp_path / "t"))
    tables = []
    for name, key in (("a", b"k" * 32), ("b", b"k" * 32), ("c", b"x" * 32), ("d", None), ("e", None)):
        anonymize(trace, tmp_path / name, key=key)
        found = Trace.open(tmp_path / name)
        tables.append((found.table("tasks").to_pylist(), found.table("cgroups").to_pylist()))
    assert tables[0] == tables[1]
    names = [tuple(row["comm"] for row in tasks) for tasks, _ in tables]
    assert len(set(names[1:])) == 4
    paths = [row["path"] for row in tables[0][1]]
    assert paths[0] == "/"
    assert paths[2].startswith(paths[1] + "/g-")
    with pytest.raises(InvalidInputError, match="could be guessed"):
        anonymize(trace, tmp_path / "f", key=b"short")


def test_rare_groups_become_one(tmp_path):
    trace = Trace.open(secretive(tmp_path / "t"))
    anonymize(trace, tmp_path / "a", k=7)
    found = Trace.open(tmp_path / "a")
    # of two commands one is rare: alone it would be known, so the other joins it
    assert found.table("tasks").to_pylist() == [{"pid": 0, "comm": "merged", "cgroup": 0}]
    # "/" has no event at all and the inner one six: together fewer than seven
    assert [row["path"] for row in found.table("cgroups").to_pylist()] == ["/merged"]
    assert found.table("pressure").to_pylist()[0]["task"] == 0
    report = found.manifest.extra["redaction"]
    assert (report["commands"], report["commands_merged"], report["cgroups_merged"], report["k"]) == (2, 2, 3, 7)


@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 40)), min_size=1, max_size=30),
    st.integers(1, 60),
)
def test_no_label_stands_for_fewer_than_k_events_or_for_one_rare_name(rows, k):
    names, events = [name for name, _ in rows], np.array([count for _, count in rows])
    groups = _group(names, events, k, one_row=True)
    assert len(groups.kept) == len({"merged" if name in groups.rare else name for name in names})
    totals = {}
    for at, name in enumerate(names):
        kept = names[groups.kept[groups.row[at]]]
        assert kept == name or {kept, name} <= groups.rare
        label = "merged" if name in groups.rare else name
        totals[label] = totals.get(label, 0) + int(events[at])
    if k > 1 and len(set(names)) > 1:
        assert all(total >= k for total in totals.values()) or len(totals) == 1
        assert len(groups.rare) != 1


RUNS = st.lists(
    st.tuples(st.integers(0, 2), st.lists(st.integers(1, 300), min_size=1, max_size=6), st.integers(513, 2**34)),
    min_size=1, max_size=8,
)  # fmt: skip


def laid_out(runs, gaps):
    """Pages of runs, a gap before each: space and page number."""
    ends, pages = {}, []
    for (space, steps, _), gap in zip(runs, gaps, strict=True):
        at = ends.get(space, 0) + gap
        for step in steps:
            pages.append((space, at))
            at += step
        ends[space] = pages[-1][1]
    return np.array([s for s, _ in pages], np.uint32), np.array([v for _, v in pages], np.uint64)


@given(RUNS, st.integers(0, 2**63), st.randoms(use_true_random=False))
def test_where_mappings_lay_cannot_be_told(runs, seed, random):
    """Other distances between the same runs give the same result; distances within one stay as they were."""
    space, vpn = laid_out(runs, [gap for _, _, gap in runs])
    _, elsewhere = laid_out(runs, [random.randint(513, 2**34) for _ in runs])
    result = moved(space, vpn, seed)
    np.testing.assert_array_equal(result, moved(space, elsewhere, seed))
    for s in set(space.tolist()):
        order = np.argsort(vpn[space == s])
        old, new = vpn[space == s][order].astype(np.int64), result[space == s][order].astype(np.int64)
        assert len(set(new.tolist())) == len(new)
        near = np.diff(old) <= APART
        np.testing.assert_array_equal(np.diff(old)[near], np.diff(new)[near])
        assert (np.abs(np.diff(np.sort(new))) <= APART).sum() == near.sum()  # no two mappings become one


@pytest.mark.parametrize("name", ["redis-frontswap", "redis-zswap", "sqlite-limit", "sqlite-shrinker"])
def test_scores_are_the_same(name, tmp_path):
    """With --exact-host: the default policies, and the recorded pool with all that is derived of the host."""
    before = bundled()[name]
    anonymize(Trace.open(before), tmp_path / "a", exact_host=True)
    speed = {"events_per_s": 0.0}
    one, two = (compare(path, plan=StormPlan(20)) for path in (before, tmp_path / "a"))
    for a, b in zip(one.scores, two.scores, strict=True):
        assert a.as_json() | speed == b.as_json() | speed
    a, b = validate(before), validate(tmp_path / "a")
    assert a.policy == b.policy and a.predicted == b.predicted and a.measured == b.measured


@given(st.integers(0, 2**62))
def test_there_are_eight_sizes_between_powers_of_two(size):
    step = 2 ** max(len(bin(size)) - 2 - 4, 0)
    candidates = [k * step for k in range(8, 17)] if size >= 16 else range(17)
    assert abs(rounded(size) - size) == min(abs(each - size) for each in candidates)
    assert rounded(rounded(size)) == rounded(size)


def test_two_hosts_of_a_class_cannot_be_told_apart(tmp_path):
    """The same shares of two sizes of RAM, watermarks as the kernel makes them: one trace becomes of both."""
    made = []
    for name, ram, swap in (("one", 8_111_000_000, 2_100_000_000), ("other", 8_280_000_000, 2_200_000_000)):
        low = int((16 * ram / 1024) ** 0.5) * 1024
        more = dict.fromkeys(("unevictable", "mlocked", "slab"), 0)
        rows = [
            sample(t, mem_total=ram, mem_free=int(ram * share), mem_available=int(ram * 0.8), anon=int(ram * 0.1),
                   file=ram // 10, swap_total=swap, swap_free=swap // 2, watermark_min=low,
                   watermark_low=low * 5 // 4, watermark_high=low * 3 // 2, **more)
            for t, share in ((0, 0.7), (5, 0.65))
        ]  # fmt: skip
        trace = make_trace(
            tmp_path / name, [(0, "store", 0, 100), (5, "load", 0)], samples=rows,
            cgroups=[("/", None), ("/a", ram // 2)], ram_bytes=ram,
            manifest={
                "swap": [SwapDevice("/dev/a", "partition", swap, -2)],
                "zram": [{"disksize": ram // 2, "mm_stat": f"1 2 3 {ram // 4} 5"}],
                "extra": {"command": {"memory_limit": ram // 3}},
            },
        )  # fmt: skip
        anonymize(Trace.open(trace), tmp_path / f"{name}-a", key=b"k" * 32)
        assert verify(tmp_path / f"{name}-a") == []
        made.append(Trace.open(tmp_path / f"{name}-a"))
    one, other = made
    for table in ("samples", "cgroups", "tasks", "pages"):
        assert one.table(table).equals(other.table(table)), table
    plain = [
        {key: value for key, value in json.loads((trace.path / "manifest.json").read_text()).items()
         if key not in ("sha256", "tool")}
        for trace in made
    ]  # fmt: skip
    assert plain[0] == plain[1]
    exact = anonymize(Trace.open(tmp_path / "one"), tmp_path / "exact", exact_host=True)
    assert exact.ram_bytes == 8_111_000_000


@pytest.mark.parametrize("name", ["redis-frontswap", "redis-zswap", "sqlite-limit", "sqlite-shrinker"])
def test_rounding_the_host_moves_hits_by_little(name, tmp_path):
    """What docs/privacy.md says of it."""
    before = bundled()[name]
    anonymize(Trace.open(before), tmp_path / "a")
    one, two = (compare(path, plan=StormPlan(0)) for path in (before, tmp_path / "a"))
    for a, b in zip(one.scores, two.scores, strict=True):
        assert abs(a.hit_rate - b.hit_rate) < 0.01, a.label


def test_times_can_be_coarsened(tmp_path):
    trace = Trace.open(secretive(tmp_path / "t"))
    anonymize(trace, tmp_path / "a", coarsen_ns=10**6)
    was, now = trace.events("t")["t"], Trace.open(tmp_path / "a").events("t")["t"]
    assert now.tolist() == [t // 10**6 * 10**6 for t in was.tolist()]
    assert verify(tmp_path / "a") == []


def test_the_report_names_what_was_dropped(tmp_path):
    manifest = anonymize(Trace.open(secretive(tmp_path / "t")), tmp_path / "a")
    dropped = manifest.extra["redaction"]["dropped"]
    assert {"provenance", "swap.device", "certificate.note", "unknown keys"} <= set(dropped)
    assert manifest.provenance == {"how": "anonymised"}
    assert manifest.created == "2026-01-01T00:00:00Z"


def test_what_a_replay_derives_of_the_host_stays_and_no_word_with_it(tmp_path):
    """Counts and times; not another key, and not text where numbers belong."""
    extra = {
        "zswap_worker": {"runs": 3, "delay_us": 1.5, "acme-worker": 1}, "reclaim": {"scanned": 9, "reclaimed": 4},
        "failed_writes": {"recorded": 2, "zram": -7}, "memory_cgroups": 1, "acme": "acme-extra",
        "command": {"argv": ["acme-command"], "memory_limit": 1 << 20, "exit_code": 0},
    }  # fmt: skip
    zram = [{"disksize": 1 << 30, "mm_stat": " 1 2 3 4096 5 6 7", "io_stat": "0 0 0 0", "device": "/dev/acme"}]
    path = make_trace(tmp_path / "t", [(0, "store", 0, 100)], manifest={"extra": extra, "zram": zram})
    anonymize(Trace.open(path), tmp_path / "a", exact_host=True)
    after = Trace.open(tmp_path / "a").manifest
    kept = {name: value for name, value in after.extra.items() if name != "redaction"}
    assert kept == {
        "zswap_worker": {"runs": 3, "delay_us": 1.5}, "reclaim": {"scanned": 9, "reclaimed": 4},
        "failed_writes": {"recorded": 2, "zram": -7}, "memory_cgroups": 1, "command": {"memory_limit": 1 << 20},
    }  # fmt: skip
    assert after.zram == [{"disksize": 1 << 30, "mm_stat": " 1 2 3 4096 5 6 7", "io_stat": "0 0 0 0"}]
    assert "acme" not in (tmp_path / "a" / "manifest.json").read_text()
