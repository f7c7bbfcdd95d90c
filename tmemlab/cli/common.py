"""What several commands share: JSON output, progress, and arguments with units."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..errors import InvalidInputError, TmemlabError
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


json_option: Callable[..., Any] = click.option(
    "--json", "json_file", metavar="FILE|-", help="Write the result as JSON to FILE, or to stdout with -."
)


def on_terminal() -> bool:
    """Whether progress can be shown: stderr is a terminal."""
    return sys.stderr.isatty()
