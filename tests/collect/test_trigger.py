"""Triggers of the flight recorder against pressure that is made by hand."""

import pytest

from tmemlab.collect.recording.options import Progress
from tmemlab.collect.recording.trigger import OomKill, Trigger
from tmemlab.errors import InvalidInputError


def at(seconds: float, stalled_s: float | None) -> Progress:
    us = None if stalled_s is None else round(stalled_s * 1e6)
    return Progress(seconds=seconds, sample={"psi_some_us": us, "psi_full_us": 0})


def test_pressure_is_of_the_whole_time_and_met_once_each_time_it_rises() -> None:
    trigger = Trigger.parse("psi:some>40%/10s")
    heard, stalled = [], 0.0
    # 8 s quiet; stalled all the time for 12 s; quiet for 20 s; stalled again
    for tick in range(120):
        now = tick / 2
        stalled += 0.5 if 8 < now <= 20 or now > 40 else 0.0
        if trigger.met(at(now, stalled)):
            heard.append(now)
    # more than 4 s of 10 are stalled from 12.5 s on, and again from 44.5 s on
    assert heard == [12.5, 44.5]


def test_pressure_needs_its_whole_time_first() -> None:
    """A recorder that begins under pressure waits until it has seen as much of it as was asked about."""
    trigger = Trigger.parse("psi:some>40%/10s")
    assert [now for now in range(15) if trigger.met(at(now, float(now)))] == [10]


def test_without_psi_there_is_no_pressure() -> None:
    trigger = Trigger.parse("psi:full>1%/1s")
    assert not any(trigger.met(at(now, None)) for now in range(5))


def test_kills_before_the_recorder_began_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = iter([b"pgfault 1\noom_kill 3\n", b"oom_kill 3\n", b"oom_kill 4\n", b"oom_kill 4\n", b"nothing\n"])
    monkeypatch.setattr("tmemlab.collect.recording.trigger.CounterFile.read", lambda _: next(counts))
    condition = OomKill()
    assert [condition.met(Progress()) for _ in range(5)] == [False, False, True, False, False]


def test_several_and_the_signal() -> None:
    trigger = Trigger.parse("oom, psi:full>10%/5s,signal")
    assert [str(condition) for condition in trigger.conditions] == ["oom", "psi:full>10%/5s"]
    assert trigger.by_signal
    assert not Trigger.parse("never").conditions


@pytest.mark.parametrize(
    "text", ["", "omm", "psi:some>40%", "psi:some>nan/10s", "psi:some>0/1s", "psi:some>1/1s", "oom,never",
             "psi:some>40%/0s", "psi:some>40%/" + "9" * 400 + "s", "oom;signal"],
)  # fmt: skip
def test_what_is_no_trigger_is_one_sentence(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        Trigger.parse(text)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300
