"""A whole ranking over one small trace: what it is made of, and that nothing but the numbers decides."""

from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from tests.cli.test_commands import refused, run
from tmemlab.datasets.share.bundled import bundled
from tmemlab.datasets.trace.read import Trace
from tmemlab.errors import InvalidInputError
from tmemlab.policies.catalogue import parse_policy
from tmemlab.policies.template import write_template
from tmemlab.replay.inputs.columns import prepare
from tmemlab.replay.inputs.kept import columns_for
from tmemlab.replay.rank.corpus import SYNTHETIC, corpus
from tmemlab.replay.rank.marks import measure, oom_at
from tmemlab.replay.rank.rank import Ranking, parts, rank
from tmemlab.replay.scores.score import StormPlan, score
from tmemlab.units import PAGE_SIZE
from tmemlab.world.host import build_host

ONE = "redis-frontswap"
NAMES = ("bounds.none", "bounds.unbounded", "zswap.v6_18", "vm.need", "tmem.ramster")


def ranked(names: tuple[str, ...] = NAMES, threads: int = 2, **options: Any) -> Ranking:
    return rank({ONE: bundled()[ONE]}, [parse_policy(name) for name in names], threads=threads, **options)


@pytest.fixture(scope="module")
def two_hosts() -> Ranking:
    return ranked(storms=10)


def test_every_number_is_that_of_a_replay(two_hosts: Ranking) -> None:
    trace = Trace.open(bundled()[ONE])
    cols, host = columns_for(trace), build_host(trace)
    entrant = next(each for each in two_hosts.entrants if each.label == "vm.need")
    row = score(cols, host, parse_policy("vm.need"), StormPlan(10, 0.9))
    recorded = entrant.marks[0]
    assert recorded.hit_rate == row.hit_rate
    assert recorded.pool_bytes == row.pool_bytes["mean"]
    assert recorded.written_share == row.device_bytes["written"] / (cols.stores * PAGE_SIZE)
    # A storm that locks less is the beginning of a larger one: other fractions are what replays with them find.
    each = [score(cols, host, parse_policy("vm.need"), StormPlan(10, f)).oom.p for f in (0.5, 0.6, 0.7)]
    assert oom_at(row.oom, (0.5, 0.6, 0.7)) == pytest.approx(sum(p for p in each if p is not None) / 3)


def test_the_sizes_of_ram_are_as_recorded_and_as_fits(two_hosts: Ranking) -> None:
    recorded, fitting = two_hosts.cases
    trace = Trace.open(bundled()[ONE])
    assert recorded.host.ram * PAGE_SIZE == trace.manifest.ram_bytes
    free, pool, file = (
        trace.column("samples", name, null=0).astype(int) for name in ("mem_free", "pool_bytes", "file")
    )
    rest = trace.manifest.ram_bytes - int((free + pool + file).min())
    peak = int(two_hosts.traces[0].need.occupancy.pages.max()) * PAGE_SIZE
    assert fitting.host.ram * PAGE_SIZE == pytest.approx(rest + 2 * peak, abs=4 * PAGE_SIZE)


def test_who_keeps_the_hits_is_before_who_has_none(two_hosts: Ranking) -> None:
    order = [entrant.label for entrant in two_hosts.entrants]
    assert order[-1] == "bounds.none"
    none = two_hosts.entrants[-1]
    assert none.standing.criteria["of_clairvoyant"].mean is None
    assert none.standing.criteria["regret"].mean == pytest.approx(1, abs=0.01)  # all that is needed is missing


def test_threads_and_order_do_not_matter(two_hosts: Ranking) -> None:
    again = ranked(NAMES[::-1], threads=1, storms=10).as_json()
    first = two_hosts.as_json()
    assert {p["label"]: p for p in again["policies"]} == {p["label"]: p for p in first["policies"]}


def test_a_part_of_the_traces_is_ranked_as_if_it_were_all(two_hosts: Ranking) -> None:
    assert two_hosts.over([ONE]).as_json() == two_hosts.as_json()


def test_parts_are_counted() -> None:
    done: list[object] = []
    ranked(
        ("bounds.none", "vm.need"),
        storms=0,
        rams=["recorded", 2 << 30],
        disks=["ssd", "hdd"],
        on_done=done.append,
    )
    assert len(done) == parts(1, 2, 2, 2)


def test_what_cannot_be_ranked_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"multiple of 0\.05"):
        ranked(fractions=[0.52])
    with pytest.raises(InvalidInputError, match="no trace"):
        rank({})
    assert (
        run("datasets", "synth", tmp_path / "touches", "-c", "loop:pages=10", "--events", "1000").returncode == 0
    )
    refused(run("policies", "rank", "--trace", tmp_path / "touches"), 2, "page accesses", "swap traffic")
    refused(run("policies", "rank", "--only"), 2, "--only", "name some")


def test_a_file_of_ones_own_enters_with_one_argument(tmp_path: Path) -> None:
    path = write_template("mine.second_try", tmp_path / "second_try.py")
    done = run("policies", "rank", path, "--trace", ONE, "--ram", "recorded", "--storms", "0")
    assert done.returncode == 0, done.stderr
    assert "* mine.second_try is number" in done.stdout
    assert "zswap.v6_18" in done.stdout


def test_the_synthetic_traces_are_the_same_each_time(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    some = [each.name for each in SYNTHETIC[1:2]]
    made = [corpus(tmp_path / folder, some) for folder in "ab"]
    assert list(made[0]) == [*bundled(), *some]
    first, second = (prepare(Trace.open(each[some[0]])) for each in made)
    assert (first.t == second.t).all()
    assert (first.page == second.page).all()


def test_a_trace_without_a_host_has_no_storms(two_hosts: Ranking) -> None:
    known = two_hosts.cases[0]
    need, plan, fractions = parse_policy("vm.need"), StormPlan(10), (0.6,)
    assert measure(known, need, plan, fractions, Event())[1].oom_p is not None
    assert measure(replace(known, fraction=None), need, plan, fractions, Event())[1].oom_p is None
