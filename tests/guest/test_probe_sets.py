"""Debian's kernels in a guest, each pool and each kind of swap area, with every probe set that attaches there.

Each scenario is one boot, in which one load is recorded once per probe set: a program that swaps a prime number of
pages out and another back, then a sweep. Oracles: the kernel's counters; liblzo2 and lz4 on the same bytes.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tmemlab.collect.kernel.compressors import find_twin
from tmemlab.collect.matching.spool_to_trace import convert
from tmemlab.datasets.trace.read import Trace
from tmemlab.datasets.trace.schema import NO_CLEN, NO_LATENCY, Op, PageKind, Pressure, Where
from tmemlab.datasets.trace.verify import verify

from .kernel import lacking, prepare
from .machine import run

pytestmark = pytest.mark.guest

OUT, BACK, STRIDE = 4999, 1201, 4
SETS = ("kprobe", "fentry")
ROOT = Path(__file__).resolve().parents[2]

SHARE = 8

CHOICES = {
    "kprobe-sample": {"probe_set": "kprobe", "share": 1 / SHARE},
    "fentry-sample": {"probe_set": "fentry", "share": 1 / SHARE},
    "kprobe-comm": {"probe_set": "kprobe", "comm": "wanted"},
    "fentry-comm": {"probe_set": "fentry", "comm": "wanted"},
}
"""Recordings of a part, of two programs with 60 MB each."""

TWO_PROGRAMS = """
cp /run/share/swapper /tmp/wanted
cp /run/share/swapper /tmp/unwanted
/tmp/unwanted sweep 60 2 &
/tmp/wanted sweep 60 2 &
wait
"""

LOAD = """
export RECLAIM=/sys/fs/cgroup$(grep ^0:: /proc/self/cgroup | cut -d: -f3)/memory.reclaim
/run/share/swapper known 4999 1201 4
/run/share/swapper sweep 70 2 &
test ! -e /sys/block/zram0/writeback || {
    sleep 5
    # Every slot is idle, so that all of zram is written to its backing device.
    echo all > /sys/block/zram0/idle
    echo idle > /sys/block/zram0/writeback
}
wait
"""


@dataclass(frozen=True, eq=False)
class Scenario:
    """One boot."""

    name: str
    kernel: str
    swap: str
    zswap: dict[str, str] | None
    parts: bool = False
    """Record as CHOICES say instead."""


def pool(**parameters: str) -> dict[str, str]:
    """zswap's parameters, switched on last."""
    return {"compressor": "lzo", **parameters, "enabled": "Y"}


SCENARIOS = [
    Scenario("zbud", "6.1", "device", pool(zpool="zbud")),
    Scenario("zbud at its limit", "6.1", "file", pool(zpool="zbud", max_pool_percent="1")),
    Scenario("z3fold", "6.1", "file", pool(zpool="z3fold")),
    Scenario("zsmalloc", "6.1", "device", pool(zpool="zsmalloc")),
    Scenario("plain disk", "6.1", "file", None),
    Scenario("zram", "6.1", "zram", None),
    Scenario("zsmalloc at its limit", "6.12", "device", pool(zpool="zsmalloc", max_pool_percent="1")),
    Scenario("plain disk, newer", "6.12", "file", None),
    Scenario("zram, newer", "6.12", "zram", None),
]

PARTS = [
    Scenario("parts", "6.1", "file", pool(zpool="zbud", max_pool_percent="1"), parts=True),
    Scenario("parts, newer", "6.12", "device", pool(zpool="zsmalloc", max_pool_percent="1"), parts=True),
]


@dataclass(frozen=True)
class Recorded:
    """One recording of a scenario, converted."""

    scenario: Scenario
    path: Path
    result: dict[str, Any]
    manifest: Any

    def counted(self, name: str) -> int:
        """How far a counter of the kernel moved meanwhile; 0 where it has none of that name."""
        return int(self.result["after"].get(name, 0) - self.result["before"].get(name, 0))

    @property
    def written_back(self) -> int:
        """Pages that zswap wrote back: from 6.8 a counter of vmstat, in debugfs before."""
        return self.counted("zswpwb" if "zswpwb" in self.result["after"] else "written_back_pages")


def need_guests() -> None:
    """Skip where no guest can be booted; in continuous integration, fail."""
    reason = lacking()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def boots(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Boots a scenario once and keeps what it left."""
    need_guests()
    binary = tmp_path_factory.mktemp("swapper") / "swapper"
    subprocess.run(["gcc", "-O2", "-static", "-o", binary, ROOT / "tests/live/swapper.c"], check=True)

    @cache
    def boot(scenario: Scenario) -> dict[str, Recorded]:
        folder = tmp_path_factory.mktemp("guest")
        share, disk = folder / "share", folder / "disk"
        share.mkdir()
        shutil.copy(binary, share / "swapper")
        wanted = CHOICES if scenario.parts else {name: {"probe_set": name} for name in SETS}
        load = TWO_PROGRAMS if scenario.parts else LOAD
        recordings = [
            {
                "name": name, "limit": 40 << 20, "command": ["bash", "-ec", load],
                "before": "echo 0 > /proc/sys/vm/page-cluster", "after": ":", **options,
            }
            for name, options in wanted.items()
        ]  # fmt: skip
        plan = {"swap": scenario.swap, "zswap": scenario.zswap, "recordings": recordings}
        (share / "plan.json").write_text(json.dumps(plan))
        with disk.open("wb") as stream:
            stream.truncate(512 << 20)
        script = f"cd {ROOT}; export PYTHONDONTWRITEBYTECODE=1\n{sys.executable} -m tests.guest.inside /run/share"
        finished = run(prepare(scenario.kernel), share, script, disks=(disk,), timeout=1200)
        assert finished.exit_code == 0, finished.output
        disk.unlink()
        results = json.loads((share / "results.json").read_text())["recordings"]
        made = {}
        for name in wanted:
            assert "error" not in results[name], results[name]
            manifest = convert(share / name, folder / name)
            made[name] = Recorded(scenario, folder / name, results[name], manifest)
        return made

    return boot


@pytest.fixture(params=[(scenario, name) for scenario in SCENARIOS for name in SETS],
                ids=lambda param: f"{param[0].kernel} {param[0].name} {param[1]}")  # fmt: skip
def recorded(boots: Any, request: pytest.FixtureRequest) -> Recorded:
    scenario, name = request.param
    made: Recorded = boots(scenario)[name]
    return made


def test_the_probe_set_sees_what_the_kernel_counts(recorded: Recorded) -> None:
    manifest, counted = recorded.manifest, recorded.counted
    assert recorded.result["exit"] == 0
    assert recorded.result["dropped"] == 0
    assert manifest.certificate.complete, manifest.certificate
    assert verify(recorded.path) == []
    events = Trace.open(recorded.path).events("op", "where")
    stores, loads = events["where"][events["op"] == Op.STORE], events["where"][events["op"] == Op.LOAD]
    to_disk = np.isin(stores, (Where.DISK, Where.REJECTED)).sum()
    assert (stores == Where.POOL).sum() == counted("zswpout")
    assert to_disk == counted("pswpout") - recorded.written_back
    assert (stores == Where.ZERO).sum() == counted("swpout_zero")
    assert (loads == Where.POOL).sum() == counted("zswpin")
    assert (loads == Where.DISK).sum() == counted("pswpin")
    assert len(stores) > OUT
    assert len(loads) > BACK
    if recorded.scenario.zswap:
        assert (stores == Where.REJECTED).sum() == to_disk
    assert not [text for text in manifest.probe_set.cannot_see if "inferred" in text]


def known_pages(recorded: Recorded) -> tuple[Any, Any, Any]:
    """Events, the rows of the known program's pages among them, and their page numbers from its first."""
    trace = Trace.open(recorded.path)
    events, pages = trace.events("op", "page", "where", "clen", "latency"), trace.table("pages")
    space, vpn, kind = (pages[name].to_numpy() for name in ("space", "vpn", "kind"))
    # It locks everything but its region, so its space has exactly OUT pages; the sweep's has many more.
    (ours,) = np.flatnonzero(np.bincount(space) == OUT)
    mine = space[events["page"]] == ours
    assert set(kind[events["page"][mine]]) == {PageKind.ANONYMOUS}
    numbers = vpn.astype(np.int64) - int(vpn[space == ours].min())
    return events, mine, numbers


def test_exactly_the_known_pages(recorded: Recorded) -> None:
    _, out, back, stride, faults, _ = map(int, recorded.result["said"].split("\n")[0].split())
    assert (out, back, stride, faults) == (OUT, BACK, STRIDE, BACK)
    events, mine, numbers = known_pages(recorded)
    stored, loaded = mine & (events["op"] == Op.STORE), mine & (events["op"] == Op.LOAD)
    assert sorted(numbers[events["page"][stored]].tolist()) == list(range(OUT))
    assert sorted(numbers[events["page"][loaded]].tolist()) == [i * STRIDE for i in range(BACK)]
    gone = events["page"][mine & (events["op"] == Op.INVALIDATE)]
    # Every slot is freed once: after the load or with the process.
    assert sorted(numbers[gone].tolist()) == list(range(OUT))


@cache
def contents() -> list[bytes]:
    """The bytes that swapper.c's fill puts into each page of the known region."""
    pages, x = [], 88172645463325252
    tail = np.arange(256, 512, dtype=np.uint64) * np.uint64(8)
    second = (np.uint64(0x0101010101010101) * (tail & np.uint64(3)) + np.uint64(1)).tobytes()
    for _ in range(OUT):
        words = []
        for _ in range(256):
            x ^= x << 13 & 0xFFFFFFFFFFFFFFFF
            x ^= x >> 7
            x ^= x << 17 & 0xFFFFFFFFFFFFFFFF
            words.append(x)
        pages.append(np.array(words, np.uint64).tobytes() + second)
    return pages


def test_lengths_are_those_of_the_compressor_on_the_same_bytes(recorded: Recorded) -> None:
    events, mine, numbers = known_pages(recorded)
    kind = events["where"] == Where.POOL if recorded.scenario.zswap else events["where"] == Where.DISK
    rows = np.flatnonzero(mine & (events["op"] == Op.STORE) & kind)
    if recorded.scenario.swap != "zram" and not recorded.scenario.zswap:
        assert (events["clen"][rows] == NO_CLEN).all()
        return
    algorithm = "lzo" if recorded.scenario.zswap else recorded.manifest.zram[0]["comp_algorithm"]
    twin = find_twin(algorithm)
    assert len(rows) > 500
    assert twin.exact or algorithm == "lzo-rle"
    theirs = events["clen"][rows].astype(int)
    ours = np.array([twin.length(contents()[numbers[page]]) for page in events["page"][rows]])
    # lzo-rle is lzo with runs of zeros told shorter: 54 bytes on these contents.
    assert ((ours - theirs >= 0) & (ours - theirs <= (0 if twin.exact else 64))).all()
    assert recorded.manifest.clen.method == "measured"


def test_every_load_took_some_time(recorded: Recorded) -> None:
    events = Trace.open(recorded.path).events("op", "latency")
    latency = events["latency"][events["op"] == Op.LOAD]
    # A read that ends on another CPU while its submission returns has none: 31 of 14,675 in the worst run.
    assert (latency != NO_LATENCY).mean() > 0.99
    assert latency.min() > 0


def test_writebacks_have_rows_of_their_own(recorded: Recorded) -> None:
    table = Trace.open(recorded.path).table("pressure").to_pydict()
    slots = [slot for kind, slot in zip(table["kind"], table["pages"], strict=True) if kind == Pressure.WRITEBACK]
    if recorded.scenario.swap == "zram":
        # A slot that is freed while it is being written counts as a write of the device, and as no writeback.
        assert 0 < len(slots) <= recorded.counted("zram_bd_writes")
        return
    assert len(slots) == recorded.written_back
    if "limit" in recorded.scenario.name:
        assert slots, "the pool at its limit wrote nothing back"


@pytest.fixture(params=[(scenario, name) for scenario in PARTS for name in CHOICES],
                ids=lambda param: f"{param[0].kernel} {param[1]}")  # fmt: skip
def part(boots: Any, request: pytest.FixtureRequest) -> tuple[Recorded, str]:
    scenario, name = request.param
    return boots(scenario)[name], name


def test_a_part_is_chosen_inside_the_kernel(part: tuple[Recorded, str]) -> None:
    recorded, name = part
    assert recorded.result["exit"] == 0
    assert recorded.manifest.certificate.complete, recorded.manifest.certificate
    assert verify(recorded.path) == []
    trace = Trace.open(recorded.path)
    events, space = trace.events("op", "page", "where"), trace.table("pages")["space"].to_numpy()
    stored = events["page"][events["op"] == Op.STORE]
    kept = len(stored)
    stores = recorded.counted("zswpout") + recorded.counted("pswpout") - recorded.written_back
    if name.endswith("sample"):
        # SHARDS: binomial over the 30,720 pages of both programs, each swapped about as often; six deviations
        assert abs(kept * SHARE / stores - 1) < 6 * np.sqrt(SHARE / 30_720)
        return
    # 60 MB are 15,360 pages, all of one address space; the other program has as many
    assert 10_000 < len(np.unique(stored)) <= 15_700
    assert np.bincount(space[stored]).max() > 0.99 * kept
    assert 0.3 < kept / stores < 0.7
