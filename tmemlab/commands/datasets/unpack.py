"""``tmemlab datasets unpack``."""

from pathlib import Path

import click

from ..common import json_option
from ..numbers import Count, Size
from ._shared import FILE, dataset_command, made


@dataset_command("unpack")
@FILE
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--max-size", type=Size(1), help="Refuse what unpacks to more than this; 1024G by default.")
@click.option("--max-ratio", type=Count(1), help="Refuse more bytes in memory for each packed one.")
@json_option
def command(
    file: Path, directory: Path, max_size: int | None, max_ratio: int | None, json_file: str | None
) -> None:
    """Unpack FILE into the new DIRECTORY, every checksum compared; nothing else can be written."""
    from ...datasets.share.pack import MAX_PACKED, MAX_RATIO, unpack

    limits = {"max_bytes": max_size or MAX_PACKED, "max_ratio": max_ratio or MAX_RATIO}
    made(directory, unpack(file, directory, **limits), "unpack", json_file)
