"""``tmemlab datasets merge``."""

from pathlib import Path

import click

from ..common import TracePath, json_option
from ._shared import OUT, dataset_command, made, open_trace


@dataset_command("merge")
@click.argument("traces", nargs=-1, required=True, type=TracePath())
@OUT
@json_option
def command(traces: tuple[Path, ...], out: Path, json_file: str | None) -> None:
    """Write TRACES, of several hosts, to OUT as the trace of one host with all their memory."""
    from ...datasets.derive.merge import merge

    made(out, merge([open_trace(trace) for trace in traces], out), "merge", json_file)
