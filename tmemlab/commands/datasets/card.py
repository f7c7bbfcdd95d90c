"""``tmemlab datasets card``."""

import json
from pathlib import Path

import click

from ...printing import say
from ..common import json_option, publish
from ._shared import TRACE, dataset_command


@dataset_command("card")
@TRACE
@click.option("--name", help="What the trace is called; the name of its directory by default.")
@click.option("--url", default="", help="Where it will be found.")
@click.option("--croissant", "as_croissant", is_flag=True, help="Croissant JSON-LD instead of Markdown.")
@json_option
def command(trace: Path, name: str | None, url: str, as_croissant: bool, json_file: str | None) -> None:
    """Print a dataset card for TRACE, with a citation, to publish beside it."""
    from ...datasets.describe.card import card, croissant
    from ...datasets.trace.read import Trace

    opened = Trace.open(trace)
    called = name or trace.resolve().name
    described = croissant(opened, called, url=url)
    text = json.dumps(described, indent=2) + "\n" if as_croissant else card(opened, called, url=url)
    document = {
        "schema": "tmemlab.card/1", "name": called, "url": url,
        "card": None if as_croissant else text, "croissant": described,
    }  # fmt: skip
    publish(document, json_file, lambda: say(text, nl=False))
