"""Predicted against measured, for every recorded run: experiments/results/hit_rate.parquet.

    .venv/bin/python -m experiments.hit_rate DIR [--out FILE.parquet]

Twice where the trace has the runs of zswap's worker: with those as they were, which judges the pool's model alone,
and with their mean times, as another configuration has to be predicted. Nothing is fitted in either.
"""

from typing import Any

from tmemlab.replay.validate import validate

from .recordings import Runs, configuration, judge


def rows_of(runs: Runs) -> list[dict[str, Any]]:
    """A row a run, printed as a line of the page."""
    rows = []
    for (program, run), trace in runs.items():
        config, number = configuration(run), int(run.rpartition("-")[2])
        found = validate(trace)
        by_times = validate(trace, follow_worker=False) if found.worker_runs else found
        row = {"program": program, "config": config, "run": number, "agreement": found.agreement}
        row |= {"pool_error": found.pool_error, "pool_rms": found.pool_rms, "worker_runs": found.worker_runs}
        row |= {f"measured_{key}": value for key, value in found.measured.items()}
        row |= {f"predicted_{key}": value for key, value in found.predicted.items()}
        row |= {f"by_times_{key}": value for key, value in by_times.predicted.items()}
        rows.append(row)
        m, p, b = found.measured, found.predicted, by_times.predicted
        cells = [program, config, f"{100 * m['hit_rate']:.1f}", f"{100 * (p['hit_rate'] - m['hit_rate']):+.2f}"]
        cells += [f"{side[key]:,}" for key in ("written_back", "stores_rejected") for side in (m, p)]
        cells += [f"{100 * found.agreement:.1f}", f"{100 * (b['hit_rate'] - m['hit_rate']):+.2f}"]
        print(f"| {' | '.join(cells)} | {b['written_back']:,} |", flush=True)
    return rows


if __name__ == "__main__":
    judge(__doc__, "hit_rate.parquet", rows_of)
