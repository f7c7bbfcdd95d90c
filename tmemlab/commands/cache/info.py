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
    from ...cache import bytes_of, columns_files, columns_folder, compiled_folders, root, size_limit
    from ...units import format_bytes

    folder, columns = root(), columns_folder()
    compiled = 0 if folder is None else bytes_of(compiled_folders(folder))
    files = [] if columns is None else columns_files(columns)
    held, limit = bytes_of(files), 0 if columns is None else size_limit(columns)
    traces = sum(path.suffix == ".columns" for path in files)

    def show() -> None:
        if folder is None:
            say("There is no cache: every run compiles anew.")
            return
        say(f"{folder}")
        say(f"compiled code  {format_bytes(compiled)}")
        many = "a trace" if traces == 1 else f"{traces} traces"
        say(f"columns        {format_bytes(held)} of {many}, at most {format_bytes(limit)}")

    document = {
        "schema": "tmemlab.cache/1",
        "folder": None if folder is None else str(folder),
        "compiled_bytes": compiled,
        "columns_bytes": held,
        "columns_limit_bytes": limit,
        "traces": traces,
    }
    publish(document, json_file, show)
