"""zswap's worker at the recorded kernel's moments: by hand, and against a twin that waits as it pleases."""

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.factory import make_trace
from tmemlab.datasets.trace.read import Trace
from tmemlab.datasets.trace.schema import Pressure, Where
from tmemlab.policies.catalogue import parse_policy
from tmemlab.replay.inputs.columns import prepare
from tmemlab.replay.inputs.worker_runs import worker_runs
from tmemlab.replay.scores.score import Score, StormPlan, score
from tmemlab.world.records import RUN

from .build import L, S, columns, host, stores_and_loads
from .test_zswap import DISK, POOL, RAM, REJECTED, Twin

STEP = 1_000_000


def runs(*rows: tuple[float, float, float, int]) -> np.ndarray:
    """(asked, began, ended) in steps, and pages written."""
    made = np.zeros(len(rows), RUN)
    for row, (asked, began, ended, pages) in zip(made, rows, strict=True):
        row["asked"], row["began"], row["ended"] = (int(STEP * at) for at in (asked, began, ended))
        row["pages"] = pages
    return made


def follow(events: list[tuple[int, int]], given_runs: np.ndarray, policy: str) -> Score:
    return score(
        columns(events, step_ns=STEP), host(RAM), parse_policy(policy), StormPlan(storms=0), keep_found=True,
        runs=given_runs,
    )  # fmt: skip


def test_the_worker_runs_when_it_ran() -> None:
    # Ten entries fill the pool. Rejected stores ask from step 10 on, and the kernel's worker had to wait for a CPU
    # until 13.5; it took ten second chances then and wrote the first entry back, so that store 14 is accepted.
    events = [(S, page) for page in range(16)] + [(L, 0)]
    row = follow(events, runs((10, 13.5, 13.6, 1)), "zswap.v6_18:max_pool_percent=1")
    assert row.found.tolist() == [POOL] * 10 + [REJECTED] * 4 + [POOL, REJECTED, DISK]


def test_a_run_waits_for_a_pool_that_is_not_full_yet() -> None:
    # The kernel's pool was full two stores before the replay's, whose worker has nothing to do until store 10.
    events = [(S, page) for page in range(12)]
    row = follow(events, runs((8, 8.5, 10.9, 36)), "zswap.v6_18:max_pool_percent=1")
    assert row.found.tolist() == [POOL] * 10 + [REJECTED, POOL]


def test_stores_far_from_any_recorded_run_ask_for_one_of_their_own() -> None:
    events = [(S, page) for page in range(13)]
    later = runs((5000, 5001, 5001.1, 1))
    assert follow(events, later, "zswap.v6_18:max_pool_percent=1").found.tolist() == [POOL] * 10 + [
        REJECTED, POOL, REJECTED,
    ]  # fmt: skip


def test_a_longer_run_of_the_kernels_has_time_for_another() -> None:
    # Thirty entries, all with a second chance: a run takes fifteen or sixteen of them. The kernel's wrote pages at
    # once, and went on for five steps, in which the stores that are rejected here ask again.
    policy = "zswap.v6_18:max_pool_percent=3"
    once = runs((30, 30.5, 30.501, 0))
    assert follow([(S, page) for page in range(36)], once, policy).writeback["pages"] == 0
    long = runs((30, 30.5, 35.5, 77))
    assert follow([(S, page) for page in range(36)], long, policy).writeback["pages"] == 3


@given(
    st.lists(st.tuples(st.integers(0, 60), st.booleans()), min_size=20, max_size=400),
    st.integers(2, 40),
    st.integers(10, 100),
    st.lists(st.integers(0, 12), min_size=1, max_size=8),
)
@settings(max_examples=200, deadline=None)
def test_it_equals_a_twin_whose_worker_waits_for_a_cpu(
    wanted: list[tuple[int, bool]], limit: int, percent: int, waits: list[int]
) -> None:
    events = stores_and_loads(wanted)

    twin = Twin(limit, percent, 0, 10, 100, 0)
    expected, seen = [], []
    for number, (op, page) in enumerate(events):
        before = twin.written
        twin.advance(number * STEP)
        if seen and not twin.working and seen[-1][2] is None:
            seen[-1][2], seen[-1][3] = twin.clock, twin.written - before
        if op == S:
            idle = not twin.working
            twin.start = waits[len(seen) % len(waits)] * STEP + STEP // 2
            expected.append(POOL if twin.store(page, number * STEP) else REJECTED)
            if idle and twin.working:
                seen.append([number * STEP, twin.clock, None, 0])
        else:
            expected.append(POOL if twin.load(page) else DISK)
    ended = [run for run in seen if run[2] is not None]
    if not ended:
        return
    made = np.array([tuple(run) for run in ended], RUN)
    last = seen[-1][0] // STEP if seen[-1][2] is None else len(events)  # a run that never ended is not recorded
    times = "worker_visit_us=0.01,worker_page_us=0.1,worker_start_us=1000000,worker_late_share=0"
    policy = f"zswap.v6_18:max_pool_percent={limit / 10},accept_threshold_percent={percent},{times}"
    found = follow(events, made, policy).found.tolist()
    assert found[:last] == expected[:last]


def pressure(*rows: tuple[int, Pressure, int | None]) -> list[tuple[int, int, int, int, int | None]]:
    return [(t, int(kind), 0, 0, pages) for t, kind, pages in rows]


ASK, BEGIN, END = Pressure.WORKER_QUEUED, Pressure.WORKER_BEGIN, Pressure.WORKER_END


def events_rejected_at(*t: int) -> list[tuple[int, str, int, int, dict[str, int]]]:
    return [(at, "store", page, 100, {"where": int(Where.REJECTED)}) for page, at in enumerate(t)]


def test_runs_are_read_from_the_pressure_table_on_the_clock_of_the_stores(tmp_path: Path) -> None:
    # The rows of the stores that asked are 40 and 42 ns later than their requests; the third run followed another.
    table = pressure(
        (0, Pressure.KSWAPD_WAKE, None), (100, ASK, None), (150, BEGIN, None), (220, END, 0), (300, ASK, None),
        (350, BEGIN, None), (360, ASK, None), (400, END, 7), (401, BEGIN, None), (460, END, None),
    )  # fmt: skip
    trace = Trace.open(make_trace(tmp_path / "t", events_rejected_at(140, 342, 500), pressure=table))
    found = worker_runs(trace, prepare(trace))
    assert found.tolist() == [(141, 191, 261, 0), (341, 391, 441, 7), (401, 442, 501, -1)]


def test_pages_that_a_run_did_not_count_are_the_writebacks_in_it(tmp_path: Path) -> None:
    wrote = [(at, Pressure.WRITEBACK, 7) for at in (149, 150, 160, 170, 171)]
    rows = [(100, ASK, None), *wrote[:1], (150, BEGIN, None), *wrote[1:4], (170, END, None), *wrote[4:]]
    table = pressure(*rows)
    trace = Trace.open(make_trace(tmp_path / "t", events_rejected_at(100, 300), pressure=table))
    assert worker_runs(trace, prepare(trace))["pages"].tolist() == [3]


def test_a_slice_and_a_merge_leave_no_run_without_its_other_end(tmp_path: Path) -> None:
    cut = pressure((20, END, 1), (100, ASK, None), (150, BEGIN, None), (220, END, 0), (230, BEGIN, None))
    trace = Trace.open(make_trace(tmp_path / "cut", events_rejected_at(100, 300), pressure=cut))
    assert worker_runs(trace, prepare(trace)).tolist() == [(100, 150, 220, 0)]
    two = pressure((10, BEGIN, None), (20, BEGIN, None), (30, END, 0), (40, END, 0))
    trace = Trace.open(make_trace(tmp_path / "two", events_rejected_at(100, 300), pressure=two))
    assert len(worker_runs(trace, prepare(trace))) == 0
