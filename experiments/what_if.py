"""Recorded under one configuration, predicted for another, and that other run for real: results/what_if.parquet.

    .venv/bin/python -m experiments.what_if DIR [--out FILE.parquet]

Every recorded run of a program is replayed under every configuration that the program was recorded with, and
compared with each run of that. A prediction takes the recording and the other configuration's settings, and
nothing of the runs that it is compared with: the worker's times are the recording's own or, where its worker never
ran because the pool was large enough, medians over recordings of other programs. The yardstick is how far apart
runs of one configuration are.
"""

import statistics
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tmemlab.datasets.trace.read import Trace
from tmemlab.policies.interface import Policy
from tmemlab.replay.inputs.columns import Columns, prepare
from tmemlab.replay.inputs.recorded_settings import WORKER_TIMES, recorded_policy, shrinker_works, worker_times
from tmemlab.replay.scores.score import StormPlan, score
from tmemlab.replay.validate import measured
from tmemlab.world.host import build_host

from .record import CONFIGS, Config
from .recordings import Runs, configuration, judge

COUNTS = ("hit_rate", "stores_accepted", "stores_rejected", "written_back")

Times = dict[str, float]


def times_of(trace: Trace) -> Times:
    """The worker's times as the recording has them; empty where it never ran."""
    watched = (trace.manifest.extra.get("zswap_worker") or {}).get("runs")
    return worker_times(trace.manifest) if watched else {}


def medians(of_traces: list[Times]) -> Times:
    """Over those traces that know each time."""
    return {
        name: statistics.median(values)
        for name in WORKER_TIMES.values()
        if (values := [times[name] for times in of_traces if name in times])
    }


def under(trace: Trace, wanted: Config, times: Times) -> Policy:
    """The recorded policy with another configuration's settings."""
    base = recorded_policy(trace.manifest)
    shrinker = wanted.shrinker_enabled == "Y" and shrinker_works(trace.manifest)
    return replace(
        base, max_pool_percent=float(wanted.max_pool_percent),
        accept_threshold_percent=float(wanted.accept_threshold_percent),
        shrinker="on" if shrinker else "off", **times,
    )  # fmt: skip


def predict(trace: Trace, columns: Columns, wanted: Config, others: Times) -> dict[str, float]:
    """The counts of a replay of ``trace`` under ``wanted``."""
    # a recording that wrote too little back knows no page's time; one that never met its limit knows none at all
    policy = under(trace, wanted, others | times_of(trace))
    row = score(columns, build_host(trace), policy, StormPlan(storms=0))
    counts = row.hit_rate, row.stores["accepted"], row.stores["rejected"], row.writeback["pages"]
    return dict(zip(COUNTS, counts, strict=True))


def rows_of(runs: Runs) -> list[dict[str, Any]]:
    """A row for each recording, configuration and run of that."""
    opened = {key: Trace.open(path) for key, path in runs.items()}
    times = {key: times_of(trace) for key, trace in opened.items()}
    rows: list[dict[str, Any]] = []
    for program in sorted({program for program, _ in opened}):
        own = {run: trace for (of, run), trace in opened.items() if of == program}
        others = medians([found for (of, _), found in times.items() if of != program])
        of_program = list(_predictions(program, own, others))
        show(of_program)
        rows += of_program
    return rows


def _predictions(program: str, runs: dict[str, Trace], others: Times) -> Iterator[dict[str, Any]]:
    prepared = {run: prepare(trace) for run, trace in runs.items()}
    truth = {run: measured(trace, prepared[run]) for run, trace in runs.items()}
    for a, trace in runs.items():
        for config in sorted({configuration(run) for run in runs}):
            guess = predict(trace, prepared[a], CONFIGS[config], others)
            for b in (run for run in runs if configuration(run) == config):
                row: dict[str, Any] = {"program": program, "recorded": a, "real": b, "self": a == b}
                row |= {f"predicted_{key}": float(value) for key, value in guess.items()}
                row |= {f"measured_{key}": float(truth[b][key] or 0) for key in COUNTS}
                yield row | {"seconds": runs[b].manifest.duration_ns / 1e9}


def show(rows: list[dict[str, Any]]) -> None:
    """A line of the page for each pair of configurations: means over all runs of both."""
    pairs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        key = configuration(row["recorded"]), configuration(row["real"])
        pairs.setdefault(key, []).append(row)
    for (a, b), found in pairs.items():
        if a == b:
            continue
        real = [100 * hit for hit in {row["real"]: row["measured_hit_rate"] for row in found}.values()]
        guess = [100 * hit for hit in {row["recorded"]: row["predicted_hit_rate"] for row in found}.values()]
        errors = [100 * (row["predicted_hit_rate"] - row["measured_hit_rate"]) for row in found]
        cells = [found[0]["program"], a, b, ", ".join(f"{hit:.1f}" for hit in guess)]
        cells += [", ".join(f"{hit:.1f}" for hit in real), f"{statistics.mean(errors):+.1f}"]
        cells += [f"{max(errors, key=abs):+.1f}", f"{sum(abs(error) <= 3 for error in errors)}/{len(errors)}"]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    judge(__doc__, "what_if.parquet", rows_of)
