"""Predicted against measured, for every recorded run: experiments/results/hit_rate.parquet.

    .venv/bin/python experiments/hit_rate.py DIR [--out FILE.parquet]

DIR is what record.py or guest_rate.py filled. Nothing is fitted here: the worker's times are those that were
measured of each run.
"""

import argparse
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tmemlab.replay.validate import validate

RESULTS = Path(__file__).resolve().parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--out", type=Path, metavar="FILE", default=RESULTS / "hit_rate.parquet")
    options = parser.parse_args()
    manifests = sorted(options.folder.glob("*/*/manifest.json"))
    if not manifests:
        parser.error(f"{options.folder} holds no traces: record some with record.py or guest_rate.py")
    rows = []
    for manifest in manifests:
        trace = manifest.parent
        config, _, run = trace.name.rpartition("-")
        found = validate(trace)
        row = {"program": trace.parent.name, "config": config, "run": int(run), "agreement": found.agreement}
        row |= {"pool_error": found.pool_error, "pool_rms": found.pool_rms}
        row |= {f"measured_{key}": value for key, value in found.measured.items()}
        row |= {f"predicted_{key}": value for key, value in found.predicted.items()}
        rows.append(row)
        m, p = found.measured, found.predicted
        error = p["hit_rate"] - m["hit_rate"]
        cells = [row["program"], config, f"{100 * m['hit_rate']:.1f}", f"{100 * error:+.2f}"]
        cells += [f"{side[key]:,}" for key in ("written_back", "stores_rejected") for side in (m, p)]
        print(f"| {' | '.join(cells)} | {100 * found.agreement:.1f} |", flush=True)
    pq.write_table(pa.Table.from_pylist(rows), options.out, compression="zstd")


if __name__ == "__main__":
    main()
