"""The traces that ship: sound, small, and saying how they were made."""

import pytest

from tmemlab.datasets.share.bundled import bundled
from tmemlab.datasets.trace.read import Trace
from tmemlab.datasets.trace.verify import verify

TRACES = bundled()


@pytest.mark.parametrize("name", TRACES)
def test_a_bundled_trace_is_sound_and_small(name):
    assert verify(TRACES[name]) == []
    trace = Trace.open(TRACES[name])
    size = sum(file.entry.bytes for file in trace.files)
    # latencies, where there are any, cost the ninth byte
    assert size <= 9 * len(trace)
    assert len(trace) >= 180_000
    assert trace.manifest.certificate.complete
    assert trace.manifest.license
    assert trace.manifest.provenance


def test_all_of_them_are_small():
    sizes = [file.entry.bytes for path in TRACES.values() for file in Trace.open(path).files]
    assert sum(sizes) < 10_000_000
