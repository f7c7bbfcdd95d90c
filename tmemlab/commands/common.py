"""What several commands share: JSON output, progress, traces as arguments, and conditions that fail a run."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from ..errors import InvalidInputError, ThresholdExceededError, TmemlabError
from ..printing import say


class JsonTarget(click.ParamType):  # type: ignore[type-arg]
    """Where a document goes: a file, or ``-`` for stdout. What cannot be written is refused before any work."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The target."""
        if value in (None, "-"):
            return value
        path = Path(str(value))
        if path.is_dir():
            self.fail(f"{str(path)!r} is a directory: put --json last to print on stdout", param, ctx)
        if not path.parent.is_dir():
            self.fail(f"there is no directory {str(path.parent)!r}: make it, or name another file", param, ctx)
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            self.fail(f"{str(path)!r} cannot be written: name another file", param, ctx)
        return str(path)


json_option: Callable[..., Any] = click.option(
    "--json", "json_file", type=JsonTarget(), is_flag=False, flag_value="-", default=None, metavar="[FILE|-]",
    help="Write the result as JSON to FILE; to stdout with -, or without FILE at the end.",
)  # fmt: skip


host_option: Callable[..., Any] = click.option(
    "--host", metavar="DESCRIPTION|FILE.toml",
    help="A host that nobody recorded, such as ram=2G,file=300M,unreclaimable=250M,swap=disk:4G,disk=sd-card.",
)  # fmt: skip


DISK_CLASSES = ("nvme", "ssd", "hdd", "sd-card")
"""The names of world.host.DISKS, without what importing that takes."""
disk_option: Callable[..., Any] = click.option(
    "--disk", type=click.Choice(DISK_CLASSES), default="ssd", show_default=True,
    help="Class of the swap device behind the pool.",
)  # fmt: skip


def described_host(text: str | None) -> Any:
    """The world.described.Described of --host; None without. What it says itself may not be said beside it."""
    if text is None:
        return None
    from ..world.described import Described

    context = click.get_current_context()
    for name in ("ram", "disk"):
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise InvalidInputError(f"--host describes {name}: say {name}=... there, or leave out --host")
    return Described.parse(text)


def write_json(document: dict[str, Any], target: str) -> None:
    """Write one JSON document to the file ``target``, or to stdout where it is ``-``."""
    # JSON escapes what is no ASCII by itself, and all controls but this one
    text = json.dumps(document, indent=2, allow_nan=False).replace("\x7f", "\\u007f") + "\n"
    if target == "-":
        say(text, nl=False)
        return
    try:
        Path(target).write_text(text)
    except OSError as error:
        raise TmemlabError(f"cannot write {target} ({error.strerror}): name another file with --json") from None


def publish(document: dict[str, Any], json_file: str | None, show: Callable[[], object]) -> None:
    """Show a result to people and write it where ``--json`` says; stdout is for one of the two.

    People are served first: a file that cannot be written loses nothing.
    """
    if json_file != "-":
        show()
    if json_file:
        write_json(document, json_file)


def report(json_file: str | None, sentence: str, schema: str, **facts: Any) -> None:
    """Say what was done: one sentence for people, ``facts`` as JSON with its schema version."""
    publish({"schema": f"tmemlab.{schema}/1", **facts}, json_file, lambda: say(sentence))


class TracePath(click.Path):
    """A directory with a trace, or the name of a bundled one."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path that was meant."""
        from ..datasets.share.bundled import resolve

        return resolve(Path(str(super().convert(value, param, ctx))))


def on_terminal() -> bool:
    """Whether progress can be shown: stderr is a terminal."""
    return sys.stderr.isatty()


def status(what: str) -> Any:
    """A context that shows a spinner and ``what`` while it lasts, on a terminal only; it is None elsewhere."""
    if not on_terminal():
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(what)


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


def tell_versions(policies: Iterable[str], kernel: str | None) -> None:
    """Say which version each family alone, such as ``-p zswap``, was taken to mean."""
    from ..policies.catalogue import chosen_version

    for text in policies:
        sentence = chosen_version(text, kernel)
        if sentence:
            say(sentence, err=True)


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
