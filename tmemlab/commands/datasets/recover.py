"""``tmemlab datasets recover``."""

from pathlib import Path

import click

from ..common import json_option, report
from ._shared import dataset_command


@dataset_command("recover")
@click.argument("recording", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), help="Where the trace goes; in place of RECORDING by default."
)
@json_option
def command(recording: Path, out: Path | None, json_file: str | None) -> None:
    """Make a trace of a RECORDING whose recorder was killed; it lacks at most the last second."""
    from ...collect.recover import recover

    made = recover(recording, out)
    sentence = f"{made.path}: {made.events:,} events; {made.lost_note}"
    facts = {"path": str(made.path), "events": made.events, "complete": made.complete, "lost": made.lost_note}
    report(json_file, sentence, "recover", **facts)
