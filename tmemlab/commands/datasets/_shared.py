"""What the commands under ``tmemlab datasets`` share: arguments, options and how results are told."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..common import TracePath, report
from ..groups import CONTEXT
from ..numbers import Duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...datasets.trace.manifest import Manifest
    from ...datasets.trace.read import Trace

TRACE = click.argument("trace", type=TracePath())
OUT = click.argument("out", type=click.Path(path_type=Path))
FILE = click.argument("file", type=click.Path(path_type=Path))
INTERVAL = click.option(
    "--interval", default="1s", type=Duration(1e-9), show_default=True, help="Rates are taken over this long."
)
CATALOGUE = click.option(
    "--catalogue", type=click.Path(path_type=Path), help="Another catalogue than that of the package."
)
KEY = click.option(
    "--key", "key_file", type=click.Path(path_type=Path),
    help="Keep the key in this file (made where it does not exist): the same names become the same again.",
)  # fmt: skip


EXACT_HOST = click.option(
    "--exact-host", is_flag=True,
    help="Keep sizes of RAM, swap and limits to the byte, instead of rounding them: scores stay the same.",
)  # fmt: skip


def dataset_command(name: str) -> "Callable[[Callable[..., Any]], click.Command]":
    """Decorator: a command of this group."""
    return click.command(name, context_settings=CONTEXT)


def open_trace(path: Path, what: str = "reading") -> "Trace":
    """The trace at ``path``; on a terminal a bar follows every pass over its events."""
    from ...datasets.trace.read import Trace

    trace = Trace.open(path)
    trace.progress = event_bar(what)
    return trace


def event_bar(what: str) -> "Callable[[int, int], None]":
    """A function that draws a bar with the time left, on a terminal only; it goes when the pass is over."""
    if not sys.stderr.isatty():
        return lambda _done, _total: None
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("events"), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False)
    task = bar.add_task(what, total=None)
    click.get_current_context().call_on_close(bar.stop)

    def follow(done: int, total: int) -> None:
        if done < total:
            bar.start()
            bar.update(task, completed=done, total=total)
        else:
            bar.stop()

    return follow


def given(**options: Any) -> dict[str, Any]:
    """The options that the user gave."""
    return {name: value for name, value in options.items() if value is not None}


def made(path: Path, manifest: "Manifest", schema: str, json_file: str | None) -> None:
    """Report a trace that was written to ``path``."""
    events, seconds = manifest.events.recorded, manifest.duration_ns / 1e9
    pages = manifest.files["pages.parquet"].rows
    sentence = f"{path}: {events:,} events on {pages:,} pages in {seconds:.3f} s"
    report(json_file, sentence, schema, path=str(path), events=events, pages=pages, duration_s=seconds)
