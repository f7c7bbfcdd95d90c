"""``tmemlab cache info``."""

import click

from ...printing import say
from ..common import json_option, publish
from ..groups import CONTEXT


@click.command("info", context_settings=CONTEXT)
@json_option
def command(json_file: str | None) -> None:
    """Where the cache is, and how large.

    The folder is used only where it belongs to you or root, with every folder above it, and nobody else may write
    there: what lies in it is run.

    \b
    tmemlab cache info
    tmemlab cache info --json
    """
    from ...cache import columns_folder, root, size_limit, used
    from ...units import format_bytes

    folder, columns = root(), columns_folder()
    compiled = 0 if folder is None else used(folder / "compiled")
    held, limit = (0, 0) if columns is None else (used(columns), size_limit(columns))
    traces = 0 if columns is None else len(list(columns.glob("*.columns")))

    def show() -> None:
        if folder is None:
            say("There is no cache: every run compiles anew.")
            return
        say(f"{folder}")
        say(f"compiled code  {format_bytes(compiled)}")
        say(f"columns        {format_bytes(held)} of {traces} traces, at most {format_bytes(limit)}")

    document = {
        "schema": "tmemlab.cache/1",
        "folder": None if folder is None else str(folder),
        "compiled_bytes": compiled,
        "columns_bytes": held,
        "columns_limit_bytes": limit,
        "traces": traces,
    }
    publish(document, json_file, show)
