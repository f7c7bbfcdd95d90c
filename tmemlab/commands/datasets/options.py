"""What the commands under ``tmemlab datasets`` share: arguments, options and how results are printed."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..common import TracePath

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...datasets.trace.manifest import Manifest
    from ...datasets.trace.read import Trace


TRACE = click.argument("trace", type=TracePath())
OUT = click.argument("out", type=click.Path(path_type=Path))
FILE = click.argument("file", type=click.Path(path_type=Path))
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")


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


def print_json(value: Any) -> None:
    """Print ``value`` on stdout."""
    click.echo(json.dumps(value, indent=2, allow_nan=False))


def report(as_json: bool, sentence: str, schema: str, **facts: Any) -> None:
    """Say what was done: one sentence for people, or ``facts`` as JSON with its schema version."""
    if as_json:
        print_json({"schema": f"tmemlab.{schema}/1", **facts})
    else:
        click.echo(sentence)


def given(**options: Any) -> dict[str, Any]:
    """The options that the user gave."""
    return {name: value for name, value in options.items() if value is not None}


def made(path: Path, manifest: "Manifest", schema: str, as_json: bool) -> None:
    """Report a trace that was written to ``path``."""
    events, seconds = manifest.events.recorded, manifest.duration_ns / 1e9
    pages = manifest.files["pages.parquet"].rows
    sentence = f"{path}: {events:,} events on {pages:,} pages in {seconds:.3f} s"
    report(as_json, sentence, schema, path=str(path), events=events, pages=pages, duration_s=seconds)
