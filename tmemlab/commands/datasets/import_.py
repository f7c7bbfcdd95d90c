"""``tmemlab datasets import``."""

from pathlib import Path

import click

from ...datasets.formats._memory import MAX_MEMORY
from ..common import json_option, report
from ..numbers import Size
from ._formats import own_options, which_format
from ._shared import FILE, OUT, dataset_command, given


@dataset_command("import")
@FILE
@OUT
@which_format(exporting=False)
@own_options(exporting=False)
@click.option(
    "--ram", type=Size(4096), help="RAM of the host, such as 4G; the pages touched where it is not given."
)
@click.option("--max-memory", type=Size(64 << 20), default=MAX_MEMORY, show_default="4G",
              help="Memory that this may take: a page takes some 100 bytes.")  # fmt: skip
@json_option
def command(
    file: Path, out: Path, name: str, ram: int | None, max_memory: int, json_file: str | None, **own: str | None
) -> None:
    """Convert FILE from another tool's format to a trace at OUT.

    \b
    tmemlab datasets import cloudphysics.oracleGeneral.zst trace --format libcachesim
    tmemlab datasets import touches.csv trace --format csv --map t=time,page=addr --time-unit us
    perf script --ns > faults.txt; tmemlab datasets import faults.txt trace --format perf
    """
    from ...datasets.formats.registry import import_trace

    manifest = import_trace(file, out, name, max_memory=max_memory, **given(ram_bytes=ram, **own))
    events = manifest.events.recorded
    pages = manifest.files["pages.parquet"].rows
    sentence = f"{out}: {events:,} events on {pages:,} pages, {manifest.kind} trace"
    report(
        json_file, sentence, "import", path=str(out), format=name, kind=manifest.kind, events=events, pages=pages
    )
