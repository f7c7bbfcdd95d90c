"""Request for request what libCacheSim answers, on exported traces: a recorded one, a Zipf one and a scan."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.factory import make_trace, relabel
from tests.policies.orders import LIRS
from tests.replay.test_orders import plain_requests
from tmemlab.datasets.formats.registry import export_trace
from tmemlab.datasets.share.bundled import default_trace
from tmemlab.datasets.trace.read import Trace
from tmemlab.datasets.trace.schema import Op, Where

from .build import L, columns, replay

PEERS = {
    "lru": "LRU", "fifo": "FIFO", "clock": "Clock", "sieve": "Sieve", "s3fifo": "S3FIFO", "twoq": "TwoQ",
    "arc": "ARC", "lfu": "LFU",
}  # fmt: skip
REQUESTS = 60_000


def exported(kind: str, folder: Path) -> list[int]:
    """Objects asked for, in order, from a file in libCacheSim's format that was written from a trace."""
    if kind == "recorded":
        trace = Trace.open(default_trace())
    else:
        asked = np.array(relabel(plain_requests(kind, REQUESTS, 2_000).tolist()), np.uint32)
        nothing = np.zeros(REQUESTS, np.uint16)
        made = {
            "t": np.arange(REQUESTS) * 1000, "op": np.full(REQUESTS, Op.LOAD, np.uint8), "page": asked,
            "cgroup": nothing, "task": nothing, "flags": nothing.astype(np.uint8),
            "where": np.full(REQUESTS, Where.UNKNOWN, np.uint8),
        }  # fmt: skip
        trace = Trace.open(make_trace(folder / "trace", columns=made, samples=[], manifest={"kind": "access"}))
    export_trace(trace, folder / "trace.bin", "libcachesim")
    record = np.dtype([("clock", "<u4"), ("id", "<u8"), ("size", "<u4"), ("next", "<i8")])
    return list(np.fromfile(folder / "trace.bin", record)["id"][:REQUESTS].tolist())


@pytest.mark.parametrize("kind", ["recorded", "zipf", "scan"])
def test_every_answer_is_libcachesims(kind: str, tmp_path: Path) -> None:
    lcs: Any = pytest.importorskip(
        "libcachesim", reason="libcachesim is a development dependency: make test installs it"
    )
    objects = exported(kind, tmp_path)
    pages = relabel(objects)
    capacity = max(len(set(pages)) // 8, 10)
    built = columns([(L, page) for page in pages], kind="access")
    request = lcs.Request()
    request.obj_size = 1
    for order, name in PEERS.items():
        peer = getattr(lcs, name)(cache_size=capacity)
        theirs = np.empty(len(objects), bool)
        for at, wanted in enumerate(objects):
            request.obj_id = wanted
            theirs[at] = peer.get(request)
        ours = replay(built, f"order.{order}:max_pool_pages={capacity}").found == Where.POOL
        different = np.flatnonzero(ours != theirs)
        assert len(different) == 0, f"{order}: request {different[0]} of {len(different)} that differ"
        assert 0 < ours.sum() < len(objects)


@pytest.mark.parametrize("kind", ["recorded", "zipf", "scan"])
def test_every_answer_of_lirs_is_the_brute_force_twins(kind: str, tmp_path: Path) -> None:
    # libCacheSim's answers for pages that it gave up: tests/policies/test_orders.py shows one.
    pages = relabel(exported(kind, tmp_path)[:20_000])
    capacity = max(len(set(pages)) // 8, 10)
    twin = LIRS(capacity)
    ours = replay(columns([(L, page) for page in pages], kind="access"), f"order.lirs:max_pool_pages={capacity}")
    assert (ours.found == Where.POOL).tolist() == [twin.request(page) for page in pages]
