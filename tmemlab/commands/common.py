"""What several commands share: JSON output, progress, and arguments with units."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from ..errors import InvalidInputError, ThresholdExceededError, TmemlabError
from ..units import parse_size


def write_json(document: dict[str, Any], target: str) -> None:
    """Write one JSON document to the file ``target``, or to stdout where it is ``-``."""
    text = json.dumps(document, indent=2) + "\n"
    if target == "-":
        click.echo(text, nl=False)
        return
    try:
        Path(target).write_text(text)
    except OSError as error:
        raise TmemlabError(f"cannot write {target}: {error.strerror}") from None


def size(text: str) -> int:
    """Option type: bytes from a size such as 512M; a usage error otherwise."""
    try:
        return parse_size(text)
    except InvalidInputError as error:
        raise click.BadParameter(str(error)) from None


class TracePath(click.Path):
    """A directory with a trace, or the name of a bundled one."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path that was meant."""
        from ..datasets.share.bundled import resolve

        return resolve(Path(str(super().convert(value, param, ctx))))


json_option: Callable[..., Any] = click.option(
    "--json", "json_file", metavar="FILE|-", help="Write the result as JSON to FILE, or to stdout with -."
)


def on_terminal() -> bool:
    """Whether progress can be shown: stderr is a terminal."""
    return sys.stderr.isatty()


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[Any], None]]:
    """A function to call when one of ``total`` parts is done: a bar with the time left, on a terminal only."""
    if not on_terminal():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total or None)
        yield lambda _: bar.advance(task)


fail_if_option: Callable[..., Any] = click.option(
    "--fail-if", "fail_if", multiple=True, metavar="CONDITION",
    help="Exit with 6 if a number of the JSON result is beyond a limit, such as 'oom.p>0.01'; repeat for several.",
)  # fmt: skip


def parse_thresholds(texts: tuple[str, ...]) -> list[Any]:
    """The conditions, checked before any work is done."""
    if not texts:
        return []
    from ..replay.scores.threshold import Threshold

    return [Threshold.parse(text) for text in texts]


def check_thresholds(thresholds: list[Any], result: dict[str, Any], name: str) -> None:
    """ThresholdExceededError for the first condition that ``result`` meets."""
    for threshold in thresholds:
        if threshold.exceeded_by(result):
            raise ThresholdExceededError(f"{name} meets the condition {threshold.text!r} of --fail-if")
