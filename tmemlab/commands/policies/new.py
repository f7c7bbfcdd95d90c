"""``tmemlab policies new``."""

from pathlib import Path

import click

from ...printing import say
from ..common import json_option, publish
from ..groups import CONTEXT


@click.command("new", context_settings=CONTEXT)
@click.argument("name")
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="Default: NAME.py here.")
@json_option
def command(name: str, output: Path | None, json_file: str | None) -> None:
    """Write a file with a working policy NAME (family.name, or mine.NAME), to be changed."""
    from ...policies.template import write_template

    path = write_template(name, output)
    shown = path if path.is_absolute() else f"./{path}"
    sentence = f"{path} written: change it, then 'tmemlab policies check {shown}'"
    document = {"schema": "tmemlab.new/1", "path": str(path), "name": name}
    publish(document, json_file, lambda: say(sentence, err=True))
