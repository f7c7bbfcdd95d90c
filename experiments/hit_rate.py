"""Predicted against measured, for every recorded run: experiments/results/hit_rate.parquet.

    .venv/bin/python -m experiments.hit_rate DIR [--out FILE.parquet]

Nothing is fitted here: the worker's times are those that were measured of each run.
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
        row = {"program": program, "config": config, "run": number, "agreement": found.agreement}
        row |= {"pool_error": found.pool_error, "pool_rms": found.pool_rms}
        row |= {f"measured_{key}": value for key, value in found.measured.items()}
        row |= {f"predicted_{key}": value for key, value in found.predicted.items()}
        rows.append(row)
        m, p = found.measured, found.predicted
        error = p["hit_rate"] - m["hit_rate"]
        cells = [program, config, f"{100 * m['hit_rate']:.1f}", f"{100 * error:+.2f}"]
        cells += [f"{side[key]:,}" for key in ("written_back", "stores_rejected") for side in (m, p)]
        print(f"| {' | '.join(cells)} | {100 * found.agreement:.1f} |", flush=True)
    return rows


if __name__ == "__main__":
    judge(__doc__, "hit_rate.parquet", rows_of)
