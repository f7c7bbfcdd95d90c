"""The CPU allowance, with clocks that the test turns."""

import pytest

from tmemlab.collect.recording import thrift


def test_what_was_used_beyond_the_share_is_slept_off(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = {"wall": 100.0, "cpu": 5.0}
    monkeypatch.setattr("time.monotonic", lambda: clock["wall"])
    monkeypatch.setattr("time.process_time", lambda: clock["cpu"])
    allowance = thrift.Allowance(0.25)
    # a second's worth may be used at once: a quarter of a CPU second
    clock["wall"] += 0.1
    clock["cpu"] += 0.25
    assert allowance.pause() == 0
    # 0.1 s of CPU too much takes 0.4 s of a quarter of a CPU
    clock["cpu"] += 0.1
    assert allowance.pause() == pytest.approx(0.4)
    clock["wall"] += 0.4
    assert allowance.pause() == pytest.approx(0)
    # an hour of idling saves up one second's worth, no more
    clock["wall"] += 3600
    allowance.pause()
    clock["cpu"] += 0.5
    assert allowance.pause() == pytest.approx(1.0)


def test_without_a_share_there_is_no_pause() -> None:
    assert thrift.Allowance(None).pause() == 0
