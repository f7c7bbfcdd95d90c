"""``tmemlab datasets pull``."""

from pathlib import Path

import click

from ..common import json_option
from ._shared import CATALOGUE, dataset_command, made
from ._transfer import transfer_bar


@dataset_command("pull")
@click.argument("source")
@click.argument("out", required=False, type=click.Path(path_type=Path))
@click.option("--sha256", help="What the SHA-256 of its manifest.json must be.")
@CATALOGUE
@json_option
def command(
    source: str, out: Path | None, sha256: str | None, catalogue: Path | None, json_file: str | None
) -> None:
    """Copy the trace at SOURCE to OUT: a URL (https, s3, gs, hf, file), a directory, or a name of the catalogue.

    Every checksum is compared. After an interruption run the same command again: it goes on where it stopped.

    \b
    tmemlab datasets pull redis-zswap
    tmemlab datasets pull https://example.org/traces/web-1 web-1
    """
    from ...datasets.share.catalogue import CATALOGUE as OURS
    from ...datasets.share.catalogue import locate, read_catalogue
    from ...datasets.share.transfer import pull

    url = source
    if "/" not in source and source not in (".", ".."):
        url, listed = locate(source, read_catalogue(catalogue or OURS))
        sha256 = sha256 or listed
    target = out or Path(source.rstrip("/").rsplit("/", 1)[-1])
    with transfer_bar("pulling") as progress:
        manifest = pull(url, target, sha256=sha256, progress=progress)
    made(target, manifest, "pull", json_file)
