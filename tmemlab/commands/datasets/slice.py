"""``tmemlab datasets slice``."""

from pathlib import Path

import click

from ..common import json_option
from ..numbers import Duration
from ._shared import OUT, TRACE, dataset_command, made, open_trace


@dataset_command("slice")
@TRACE
@OUT
@click.option("--from", "start", default="0s", type=Duration(), help="Beginning, such as 10s or 2m; 0 by default.")
@click.option("--to", "stop", type=Duration(), help="End; that of the trace by default.")
@click.option("--cgroup", help="Pages of this cgroup and those below it: a path.")
@click.option("--task", help="Pages of this task: a command name or a pid.")
@json_option
def command(
    trace: Path, out: Path, start: float, stop: float | None, cgroup: str | None, task: str | None,
    json_file: str | None,
) -> None:  # fmt: skip
    """Write a part of TRACE to OUT: an interval of time, a cgroup, a task.

    \b
    tmemlab datasets slice trace part --from 10s --to 70s --cgroup /system.slice
    """
    from ...datasets.derive.slice import slice_trace

    done = slice_trace(
        open_trace(trace), out,
        start_ns=round(start * 1e9), stop_ns=None if stop is None else round(stop * 1e9), cgroup=cgroup, task=task,
    )  # fmt: skip
    made(out, done, "slice", json_file)
