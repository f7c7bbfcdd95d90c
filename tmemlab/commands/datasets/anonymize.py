"""``tmemlab datasets anonymize``."""

from pathlib import Path

import click

from ..common import json_option
from ..numbers import Count, Duration
from ._shared import EXACT_HOST, KEY, OUT, TRACE, dataset_command, made, open_trace


@dataset_command("anonymize")
@TRACE
@OUT
@KEY
@click.option(
    "--coarsen", default="1ns", type=Duration(1e-9), help="Round times down to a multiple of this; 1ns keeps them."
)
@click.option(
    "--k",
    default=1,
    type=Count(1),
    help="Commands and cgroups with fewer events than this become one, never of one name alone.",
)
@EXACT_HOST
@json_option
def command(
    trace: Path, out: Path, key_file: Path | None, coarsen: float, k: int, exact_host: bool, json_file: str | None
) -> None:
    """Write TRACE to OUT without what identifies its host, its users and their programs.

    Names become keyed hashes and the key is forgotten, unless --key keeps it. With --exact-host a replay of OUT
    gives the same scores as one of TRACE.
    """
    from ...datasets.derive.anonymize import anonymize
    from ...datasets.derive.keys import kept_key

    opened = open_trace(trace)
    key = None if key_file is None else kept_key(key_file)
    rounding = round(coarsen * 1e9)
    manifest = anonymize(opened, out, key=key, coarsen_ns=rounding, k=k, exact_host=exact_host)
    made(out, manifest, "anonymize", json_file)
