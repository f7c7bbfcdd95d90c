"""``tmemlab datasets push``, ``pull`` and ``card``."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import JSON, TRACE, made, print_json, report

if TYPE_CHECKING:
    from ...datasets.share.transfer import Progress

CATALOGUE = click.option(
    "--catalogue", type=click.Path(path_type=Path), help="Another catalogue than that of the package."
)


@click.command("push")
@TRACE
@click.argument("url")
@click.option(
    "--as-recorded", is_flag=True, help="Let TRACE go with its names, instead of asking to anonymise it."
)
@JSON
def push_command(trace: Path, url: str, as_recorded: bool, as_json: bool) -> None:
    """Copy TRACE to URL: a directory, s3://bucket/path, gs://bucket/path or hf://datasets/owner/name.

    What is there already, byte for byte, is not sent again: after an interruption run the same command again.
    Keys and endpoints come from the environment, as the vendors' own tools have them.
    """
    from ...datasets.share.transfer import push
    from ...datasets.trace.read import Trace

    with _progress("pushing") as progress:
        sent = push(Trace.open(trace), url, as_recorded=as_recorded, progress=progress)
    report(as_json, f"{url}: {sent:,} bytes sent", "push", url=url, sent_bytes=sent)


@click.command("pull")
@click.argument("source")
@click.argument("out", required=False, type=click.Path(path_type=Path))
@click.option("--sha256", help="What the SHA-256 of its manifest.json must be.")
@CATALOGUE
@JSON
def pull_command(source: str, out: Path | None, sha256: str | None, catalogue: Path | None, as_json: bool) -> None:
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
    with _progress("pulling") as progress:
        manifest = pull(url, target, sha256=sha256, progress=progress)
    made(target, manifest, "pull", as_json)


@click.command("card")
@TRACE
@click.option("--name", help="What the trace is called; the name of its directory by default.")
@click.option("--url", default="", help="Where it will be found.")
@click.option("--croissant", "as_croissant", is_flag=True, help="Croissant JSON-LD instead of Markdown.")
def card_command(trace: Path, name: str | None, url: str, as_croissant: bool) -> None:
    """Print a dataset card for TRACE, with a citation, to publish beside it."""
    from ...datasets.describe.card import card, croissant
    from ...datasets.trace.read import Trace

    opened = Trace.open(trace)
    called = name or trace.resolve().name
    if as_croissant:
        print_json(croissant(opened, called, url=url))
    else:
        click.echo(card(opened, called, url=url), nl=False)


@contextmanager
def _progress(what: str) -> Iterator["Progress"]:
    """A bar with speed and time left, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (TextColumn(what), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
