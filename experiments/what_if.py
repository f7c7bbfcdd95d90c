"""Recorded under one configuration, predicted for another, and that other run for real: results/what_if.parquet.

    .venv/bin/python experiments/what_if.py DIR

Every recorded run of a program is replayed under every other configuration that the program was recorded with. The
worker's times are those of the run that is replayed. Two runs of one configuration differ, too: the difference of
their measured hit rates is the yardstick.
"""

import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent))

from record import CONFIGS

from tmemlab.replay.host import build_host
from tmemlab.replay.prepare import prepare
from tmemlab.replay.recorded import recorded_policy
from tmemlab.replay.score import StormPlan, score
from tmemlab.replay.validate import Trace, measured

RESULTS = Path(__file__).resolve().parent / "results"


def main() -> None:
    rows = []
    for program in sorted(Path(sys.argv[1]).iterdir()):
        traces = sorted(manifest.parent for manifest in program.glob("*/manifest.json"))
        opened = {path.name: Trace.open(path) for path in traces}
        prepared = {name: prepare(trace) for name, trace in opened.items()}
        truth = {name: measured(trace, prepared[name]) for name, trace in opened.items()}
        configs = {name: name.rpartition("-")[0] for name in opened}
        for a, b in combinations(opened, 2):
            if configs[a] == configs[b]:
                spread = abs(truth[a]["hit_rate"] - truth[b]["hit_rate"])
                row = {"program": program.name, "kind": "spread", "recorded": a, "real": b, "hit_rate": spread}
                rows.append(row)
        for a, trace in opened.items():
            host, base = build_host(trace), recorded_policy(trace.manifest)
            for config in sorted(set(configs.values()) - {configs[a]}):
                wanted = CONFIGS[config]
                policy = replace(
                    base, max_pool_percent=float(wanted.max_pool_percent),
                    accept_threshold_percent=float(wanted.accept_threshold_percent),
                    shrinker="on" if wanted.shrinker_enabled == "Y" else "off",
                )  # fmt: skip
                guess = score(prepared[a], host, policy, StormPlan(storms=0)).hit_rate
                for b in (name for name, of in configs.items() if of == config):
                    row = {"program": program.name, "kind": "what if", "recorded": a, "real": b}
                    row |= {"hit_rate": guess - truth[b]["hit_rate"], "predicted": guess}
                    row |= {"measured": truth[b]["hit_rate"], "as_recorded": truth[a]["hit_rate"]}
                    rows.append(row)
        for row in rows:
            if row["program"] == program.name:
                print({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}, flush=True)
    RESULTS.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), RESULTS / "what_if.parquet", compression="zstd")


if __name__ == "__main__":
    main()
