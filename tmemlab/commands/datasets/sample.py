"""``tmemlab datasets sample``."""

from pathlib import Path

import click

from ..common import json_option
from ..numbers import Count, Share
from ._shared import OUT, TRACE, dataset_command, made, open_trace


@dataset_command("sample")
@TRACE
@OUT
@click.option("--share", required=True, type=Share(), help="Share of the pages, such as 10% or 0.1.")
@click.option("--block", default=1, type=Count(1, 1 << 30), help="Pages chosen together, so that neighbours stay.")
@click.option("--seed", default=0, type=Count(), help="The same seed chooses the same pages.")
@json_option
def command(trace: Path, out: Path, share: float, block: int, seed: int, json_file: str | None) -> None:
    """Write a random share of the pages of TRACE to OUT, with a RAM that is smaller by the same share."""
    from ...datasets.derive.sample import sample

    made(out, sample(open_trace(trace), out, share=share, block=block, seed=seed), "sample", json_file)
