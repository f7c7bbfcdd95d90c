"""The times of zswap's worker from hand-made runs, and what is said where it cannot be watched."""

from typing import Any

import numpy as np
import pytest

from tmemlab.collect.probes import zswap_worker as worker
from tmemlab.collect.records import RECORD, Kind, Records


def runs(*rows: tuple[int, int, int, int]) -> Records:
    """(asked, began, ended, pages written) in us."""
    made = np.zeros(len(rows), RECORD)
    for row, (asked, began, ended, pages) in zip(made, rows, strict=True):
        row["kind"], row["t"], row["address"] = Kind.WORKER, 1000 * ended, 1000 * began
        row["latency"], row["folio"] = 1000 * (began - asked), pages
    return made


def test_waits_for_a_cpu_are_told_from_runs_that_follow_each_other() -> None:
    found = worker.worker_times(
        runs(
            (0, 20, 110, 0), (200, 230, 320, 0), (400, 440, 600, 0),  # asked for while idle: 20, 30, 40 us
            (500, 603, 693, 0),  # asked for while the one before ran: 3 us after its end
            (2000, 5000, 5020, 0),  # late
        ),
        True,
    )  # fmt: skip
    assert (found["runs"], found["pages"]) == (5, 0)
    assert found["delay_us"] == 30
    assert (found["late_share"], found["late_us"]) == (0.25, 3000)
    assert (found["again_share"], found["again_us"]) == (0.2, 3)
    assert found["visit_us"] == 6  # 450 us for five runs of 15
    assert "page_us" not in found


def test_a_written_page_is_what_its_run_took_beyond_fifteen_visits() -> None:
    idle = [(1000 * n, 1000 * n + 10, 1000 * n + 10 + 75, 0) for n in range(5)]
    found = worker.worker_times(runs(*idle, (9000, 9010, 9010 + 75 + 200 * 40, 200)), True)
    assert found["pages"] == 200
    assert found["visit_us"] == 5
    assert found["page_us"] == 40


def test_the_order_of_records_does_not_matter() -> None:
    rows = [(0, 20, 116, 0), (50, 118, 214, 3), (900, 930, 1000, 0)]
    assert worker.worker_times(runs(*rows), True) == worker.worker_times(runs(*rows[::-1]), True)


def test_what_is_not_known_is_not_said() -> None:
    assert worker.worker_times(runs(), True) == {"runs": 0, "pages": 0}
    assert worker.worker_times(runs((0, 5, 9, 0)), False).keys().isdisjoint({"pages", "page_us", "again_us"})


class Types:
    def __init__(self, offset: int | None) -> None:
        self._offset = offset

    def offset(self, structure: str, member: str) -> int | None:
        assert (structure, member) == ("work_struct", "func")
        return self._offset


@pytest.mark.parametrize(
    ("offset", "symbols", "missing", "why"),
    [
        (24, {"shrink_worker": 7}, [], ""),
        (24, {}, [], "/proc/kallsyms has no shrink_worker"),
        (None, {"shrink_worker": 7}, [], "no work items"),
        (24, {"shrink_worker": 7}, ["workqueue_queue_work"], "no tracepoint workqueue_queue_work"),
    ],
)
def test_a_kernel_that_hides_its_worker_is_told_why(
    monkeypatch: pytest.MonkeyPatch, offset: Any, symbols: Any, missing: Any, why: str
) -> None:
    monkeypatch.setattr(worker, "kernel_symbols", lambda *_: symbols)
    monkeypatch.setattr(worker, "missing_tracepoints", lambda _: missing)
    macros, reason = worker.worker_macros(Types(offset))  # type: ignore[arg-type]
    assert why in reason
    assert bool(reason) != bool(macros)
    assert not macros or macros == {"HAVE_WORKER": 1, "OFF_WORK_FUNC": 24, "WORKER_FUNCTION": 7}


def test_each_run_is_three_rows_of_the_pressure_table() -> None:
    table = worker.run_rows(runs((100, 120, 210, 0), (150, 213, 300, 9)), 50_000, 290_000, True)
    rows = [(row["t"], row["kind"], row["pages"]) for row in table.to_pylist()]
    assert rows == [(50_000, 6, None), (70_000, 7, None), (100_000, 6, None), (160_000, 8, 0), (163_000, 7, None),
                    (240_000, 8, 9)]  # fmt: skip
    assert worker.run_rows(runs((100, 120, 210, 4)), 0, 10**6, False)["pages"].null_count == 3
