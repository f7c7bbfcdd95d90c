"""What the commands under ``tmemlab datasets`` share: arguments, options and how results are printed."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..datasets.manifest import Manifest


class TracePath(click.Path):
    """A directory with a trace, or the name of a bundled one."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path that was meant."""
        from ..datasets.bundled import resolve

        return resolve(Path(str(super().convert(value, param, ctx))))


TRACE = click.argument("trace", type=TracePath())
OUT = click.argument("out", type=click.Path(path_type=Path))
FILE = click.argument("file", type=click.Path(path_type=Path))
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")


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
