"""The interval of a lossy trace's hit rate, against every way in which the lost events may have gone."""

import itertools

from tmemlab.datasets.trace.manifest import Certificate, Reconciliation
from tmemlab.replay.inputs.lossy import Lost


def test_every_fate_of_the_lost_events_is_inside_and_the_ends_are_met() -> None:
    hits, loads, lost = 5, 9, Lost(stores=1, loads=2)
    rates = [
        (hits + flipped + sum(fates)) / (loads + 2)
        for fates in itertools.product((0, 1), repeat=2)  # each lost load a miss or a hit
        for flipped in (-1, 0, 1)  # the lost store took a hit away, did nothing, or gave one
    ]
    assert lost.interval(hits, loads) == (min(rates), max(rates))


def test_nothing_lost_is_no_interval_at_all() -> None:
    assert Lost(0, 0).interval(5, 9) == (5 / 9, 5 / 9)
    assert Lost(3, 0).interval(0, 0) is None
    assert Lost(100, 100).interval(1, 1) == (0, 1)


def test_the_certificate_says_what_was_lost() -> None:
    certificate = Certificate(False, Reconciliation(10, 3, 13), Reconciliation(8, 4, 12))
    assert Lost.of(certificate) == Lost(3, 4)
