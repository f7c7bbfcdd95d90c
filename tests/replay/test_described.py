"""A host that was described: the numbers by hand, the trace's peak by brute force, and what nobody knows."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.test_commands import run
from tests.factory import make_trace, relabel
from tmemlab.commands.common import DISK_CLASSES
from tmemlab.datasets.trace.schema import Op
from tmemlab.errors import InvalidInputError
from tmemlab.replay.compare import compare
from tmemlab.replay.scores.row import StormPlan
from tmemlab.world.described import KEYS, Described, peaks
from tmemlab.world.host import DISKS, watermarks

GIB, MIB = 1 << 30, 1 << 20


@given(st.lists(st.tuples(st.sampled_from([0, 0, 1, 2]), st.integers(0, 4), st.integers(0, 4096)), max_size=40))
def test_what_is_out_at_once_by_brute_force(events: list[tuple[int, int, int]]) -> None:
    op, page, clen = np.array(events, np.int64).reshape(-1, 3).T
    out: dict[int, int] = {}
    most = [0, 0]
    for what, which, length in events:
        out.pop(which, None)
        if what == Op.STORE:
            out[which] = length
        most = [max(most[0], sum(out.values())), max(most[1], len(out))]
    assert peaks(op.astype(np.uint8), page.astype(np.uint32), clen.astype(np.uint16)) == tuple(most)


def test_the_host_by_hand() -> None:
    text = "ram=2G, file=300M, unreclaimable=250M, programs=1G, swap=disk:4G, disk=sd-card"
    host = Described.parse(text).host(100 * MIB, 5000, file_floor=100 * MIB)
    pages = 2 * GIB // 4096
    assert (host.ram, host.recorded_ram) == (pages, pages)
    assert (host.watermark_min, host.watermark_low, host.watermark_high) == watermarks(pages)
    free = (2048 - 300 - 250 - 1024) * 256
    assert host.balance.tolist() == [[0, free, 200 * 256, (4 << 18) - 5000]]
    assert host.anonymous.tolist() == [1024 * 256]
    assert (host.disk.name, host.is_described, host.is_known) == ("sd-card", True, True)


def test_programs_fill_what_the_pool_leaves_at_its_largest() -> None:
    host = Described.parse("ram=2G,file=300M,unreclaimable=250M").host(100 * MIB, 0)
    assert int(host.balance[0, 1]) == host.watermark_high + 100 * 256
    assert host.disk.name == "ssd" and int(host.balance[0, 3]) == 2 << 18
    with pytest.raises(InvalidInputError, match="leave no memory to programs"):
        Described.parse("ram=64M").host(100 * MIB, 0)


def test_a_file_says_the_same_as_a_line(tmp_path: Path) -> None:
    file = tmp_path / "board.toml"
    file.write_text('ram = "2G"\nfile = 314572800\nswap = "zram:1G"\ndisk = "hdd"\n')
    assert Described.parse(str(file)) == Described.parse("ram=2G,file=300M,swap=zram:1G,disk=hdd")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("file=1G", "needs ram"), ("ram=2G,rom=1G", "has no 'rom'"), ("ram=2G,ram=4G", "twice"),
        ("ram=1M", "no Linux"), ("ram=2G,disk=tape", "no disk called"), ("ram=nan", "not a size"),
        ("ram=2G,swap=tape:1G", "disk:SIZE or zram:SIZE"), ("ram=2G,swap=disk:", "not a size"),
        ("ram=2G,file=3G", "more than 2 GiB"), ("ram=-1", "not a size"), ("ram=", "not a size"),
        ("ram=" + "9" * 400, ""), ("/no/such/file.toml", "no host description"),
    ],
)  # fmt: skip
def test_what_is_no_host_is_one_sentence(text: str, says: str) -> None:
    done = run("replay", "redis-frontswap", "--host", text)
    assert done.returncode == 2 and says in done.stderr and done.stderr.count("\n") <= 2, done.stderr
    assert "Traceback" not in done.stderr and len(done.stderr) < 500


@pytest.mark.parametrize("content", ["ram = true", "ram = 2.5", "ram = [1]", "ram", "ram = '2G'\n[swap]", "\x00"])
def test_a_file_that_is_none(content: str, tmp_path: Path) -> None:
    (tmp_path / "host.toml").write_text(content)
    with pytest.raises(InvalidInputError):
        Described.parse(str(tmp_path / "host.toml"))


def test_nothing_may_be_said_twice() -> None:
    for words in (["--ram", "4G"], ["--disk", "ssd"]):
        for command in ("replay", "size"):
            done = run(command, "redis-frontswap", "--host", "ram=2G", *words)
            assert done.returncode == 2 and "--host describes" in done.stderr


@pytest.fixture
def imported(tmp_path: Path) -> Path:
    """Swap traffic of pages that come back, with no sample of a host."""
    pages = relabel(f"{i}" for i in range(300))
    events: list[tuple[Any, ...]] = [(1000 * i, "store", page, 1000) for i, page in enumerate(pages)]
    events += [(10**6 + 1000 * i, "load", page) for i, page in enumerate(pages)]
    return make_trace(tmp_path / "imported", events, ram_bytes=2 * MIB, samples=[])


def test_without_samples_there_is_no_p_oom_unless_a_host_is_described(imported: Path) -> None:
    alone = compare(imported, plan=StormPlan(20))
    assert all(score.oom.p is None and not score.oom.storms for score in alone.scores)
    assert any("P(OOM) is unknown" in note for note in alone.notes)
    described = Described.parse("ram=1G,file=300M,programs=400M,swap=disk:2G")
    on_it = compare(imported, plan=StormPlan(20), described=described)
    assert all(score.oom.p is not None for score in on_it.scores)
    assert any("described, not recorded: 400 MiB of programs" in note for note in on_it.notes)
    # the pools of the others may be as large as their host allows
    assert [score.hit_rate for score in alone.scores[:3]] == [score.hit_rate for score in on_it.scores[:3]]


def test_a_storm_on_a_described_host_by_hand(imported: Path) -> None:
    """Nothing can be swapped out, no page cache: a program gets what is free above the min watermark, no more."""
    described = Described.parse("ram=1G,file=0,unreclaimable=512M,programs=1M,swap=disk:0")
    (row,) = compare(
        imported, plan=StormPlan(20), described=described, policies=_policies("bounds.none"),
    ).scores  # fmt: skip
    minimum = watermarks(GIB // 4096)[0]
    free = GIB // 4096 - 512 * 256 - 256 - minimum
    assert row.oom.max_survivable == pytest.approx(free / (GIB // 4096), abs=0.01)


def _policies(*names: str) -> list[Any]:
    from tmemlab.policies.catalogue import parse_policy

    return [parse_policy(name) for name in names]


def test_size_has_room_on_a_described_host(imported: Path) -> None:
    words = ["size", imported, "-p", "vm.pressure", "--storms", "0"]
    host = ["--host", "ram=1G,swap=disk:2G"]
    done = run(*words, "--json", "-")
    assert all(window["room_bytes"] is None for window in json.loads(done.stdout)["windows"])
    done = run(*words, *host, "--json", "-")
    assert all(window["room_bytes"] is not None for window in json.loads(done.stdout)["windows"])
    said = run(*words, *host).stdout
    assert "described, not recorded" in " ".join(said.split())


def test_the_commands_know_every_class_of_disk() -> None:
    assert tuple(DISKS) == DISK_CLASSES


def test_every_key_is_in_the_docs() -> None:
    text = (Path(__file__).parents[2] / "docs/host-model.md").read_text()
    for key in KEYS:
        assert f"| `{key}` |" in text
