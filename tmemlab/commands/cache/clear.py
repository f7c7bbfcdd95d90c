"""``tmemlab cache clear``."""

import click

from ..common import json_option, report
from ..groups import CONTEXT


@click.command("clear", context_settings=CONTEXT)
@json_option
def command(json_file: str | None) -> None:
    """Remove what is kept. Nothing is lost: the next run compiles and reads anew.

    \b
    tmemlab cache clear
    """
    from ...cache import clear, root
    from ...units import format_bytes

    folder = root()
    removed = 0 if folder is None else clear(folder)
    sentence = f"removed {format_bytes(removed)} from {folder}" if folder else "there is no cache"
    report(json_file, sentence, "cleared", folder=None if folder is None else str(folder), removed_bytes=removed)
