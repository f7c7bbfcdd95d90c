"""What is said beside the numbers, and how the table puts them."""

from pathlib import Path

import pytest

from tmemlab.datasets.share.bundled import resolve
from tmemlab.policies.catalogue import parse_policy
from tmemlab.replay.compare import Comparison, compare
from tmemlab.replay.report import table
from tmemlab.replay.scores.row import StormPlan

CALM = StormPlan(storms=0)


def of(*policies: str, **settings: object) -> Comparison:
    chosen = [parse_policy(text) for text in policies]
    return compare(resolve(Path("redis-zswap")), chosen, plan=CALM, **settings)  # type: ignore[arg-type]


def said(result: Comparison, *words: str) -> list[str]:
    return [note for note in result.notes if all(word in note for word in words)]


def test_a_limit_that_does_not_apply_is_said() -> None:
    result = of("tmem.zcache", "tmem.ramster", "zswap.v6_18", "bounds.none", pool="4M")
    assert said(result, "--pool", "tmem.zcache and tmem.ramster")
    assert [row.pool_bytes["limit"] for row in result.scores] == [None, None, 4 << 20, None]
    assert not said(of("tmem.zcache"), "--pool")


def test_what_could_not_act_is_said() -> None:
    result = of(
        "zram.writeback", "zram.recompress", "proactive.cold_age", "zram.writeback:mode=huge,writeback_interval=9"
    )
    assert len(said(result, "did not act")) == 3
    assert said(result, "zram.recompress", "shorter: 1 min 29 s", "after 1 h 0 min")
    assert said(result, "proactive.cold_age", "after the warm-up comes after 10 min 0 s")


def test_failed_stores_are_said_and_have_a_column() -> None:
    result = of("zram.basic", "zswap.v6_18", pool="1M")
    assert said(result, "stores failed under zram.basic", "mem_limit_percent")
    titles, _ = table(result.scores)
    assert "store failed" in titles
    assert "store failed" not in table(of("zswap.v6_18").scores)[0]


def test_an_option_that_is_no_cheaper_is_said() -> None:
    assert said(of("vm.pressure", pool="2M"), "vm.pressure", "fills blocks of 4096 bytes")
    assert not said(of("vm.pressure", pool="2M", disk_unit="512"), "fills blocks of 4096 bytes")
    assert said(of("zswap.v6_18", pool="2M", disk_unit="packed"), "--disk-unit changes nothing")
    assert not said(of("vm.pressure:compressed_writeback=off", pool="2M"), "fills blocks of 4096 bytes")
    assert said(of("zswap.v6_18", pool="2M", stack="ram,disk@compressed"), "fills blocks of 4096 bytes")


def test_orders_beside_others_are_said_to_replay_what_was_recorded() -> None:
    assert said(of("order.lru", "zswap.v6_18"), "order.lru replays every recorded store")
    assert not said(of("order.lru", "order.fifo"), "every recorded store")


def test_ram_anywhere_has_a_column_where_there_is_another_host() -> None:
    titles, rows = table(of("tmem.ramster").scores)
    assert rows[0][titles.index("any RAM")] == "100.0%"
    assert titles.index("survives") < titles.index("P(OOM)")


def test_calls_are_judged_in_a_sentence() -> None:
    row = of("tmem.frontswap", calls="kvm-vmexit").scores[0]
    verdict = row.calls["verdict"]
    single = row.calls["batches"][0]
    seconds = 89.6
    assert verdict["cpu_share"] == pytest.approx(single["cpu_s"] / seconds, rel=0.01)
    assert verdict["load_us"] == pytest.approx(1.5 + 2.5 + single["load_added_us"])
    assert verdict["disk_load_us"] == pytest.approx(1.5 + 120)
    assert not verdict["destroys"]
    assert "? No:" in verdict["sentence"]
    dear = of("tmem.frontswap", calls="kvm-vmexit:call_cycles=300000").scores[0].calls["verdict"]
    assert dear["destroys"] and "? Yes:" in dear["sentence"]
