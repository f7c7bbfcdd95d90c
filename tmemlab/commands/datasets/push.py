"""``tmemlab datasets push``."""

from pathlib import Path

import click

from ..common import json_option, report
from ._shared import TRACE, dataset_command
from ._transfer import transfer_bar


@dataset_command("push")
@TRACE
@click.argument("url")
@click.option(
    "--as-recorded", is_flag=True, help="Let TRACE go with its names, instead of asking to anonymise it."
)
@json_option
def command(trace: Path, url: str, as_recorded: bool, json_file: str | None) -> None:
    """Copy TRACE to URL: a directory, s3://bucket/path, gs://bucket/path or hf://datasets/owner/name.

    What is there already, byte for byte, is not sent again: after an interruption run the same command again.
    Keys and endpoints come from the environment, as the vendors' own tools have them.
    """
    from ...datasets.share.transfer import push
    from ...datasets.trace.read import Trace

    with transfer_bar("pushing") as progress:
        sent = push(Trace.open(trace), url, as_recorded=as_recorded, progress=progress)
    report(json_file, f"{url}: {sent:,} bytes sent", "push", url=url, sent_bytes=sent)
