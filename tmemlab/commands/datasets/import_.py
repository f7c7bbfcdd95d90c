"""``tmemlab datasets import``."""

from pathlib import Path

import click

from ..common import json_option, report
from ..numbers import Size
from ._shared import FILE, OUT, dataset_command, given


@dataset_command("import")
@FILE
@OUT
@click.option("--format", "name", required=True, help="One of those below.")
@click.option(
    "--map", "columns", help="csv, parquet: our columns by theirs: t=time,page=addr; t=0,page=2 by position."
)
@click.option("--time-unit", help="csv, parquet: ns (default), us, ms or s.")
@click.option("--size", help="libcachesim: what sizes are: ignore (default) or clen.")
@click.option("--events", help="perf: faults (default), damon, block or bio.")
@click.option("--device", help="perf, blkparse: major,minor of the swap device where there are several.")
@click.option("--action", help="blkparse: Q queued (default), D issued, C completed.")
@click.option(
    "--ram", type=Size(4096), help="RAM of the host, such as 4G; the pages touched where it is not given."
)
@json_option
def command(
    file: Path,
    out: Path,
    name: str,
    columns: str | None,
    ram: int | None,
    json_file: str | None,
    **own: str | None,
) -> None:
    """Convert FILE from another tool's format to a trace at OUT.

    \b
    libcachesim  oracleGeneral requests, .zst too
    csv          any columns, by a map
    parquet      any integer columns, by a map
    perf         perf script, trace-cmd report: page faults, DAMON regions, block requests
    blkparse     requests of a swap device
    bpftrace     the same, printed by a one-liner (docs/datasets.md)
    swapreplay   compcache's sector, R/W bit, compressed length
    lackey       valgrind --tool=lackey --trace-mem=yes

    \b
    tmemlab datasets import cloudphysics.oracleGeneral.zst trace --format libcachesim
    tmemlab datasets import touches.csv trace --format csv --map t=time,page=addr --time-unit us
    perf script --ns > faults.txt; tmemlab datasets import faults.txt trace --format perf
    """
    from ...datasets.formats.registry import import_trace

    options = given(columns=None if columns is None else _column_map(columns), ram_bytes=ram, **own)
    manifest = import_trace(file, out, name, **options)
    events = manifest.events.recorded
    pages = manifest.files["pages.parquet"].rows
    sentence = f"{out}: {events:,} events on {pages:,} pages, {manifest.kind} trace"
    report(
        json_file, sentence, "import", path=str(out), format=name, kind=manifest.kind, events=events, pages=pages
    )


def _column_map(text: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text.split(",")]
    if not all(ours and theirs for ours, _, theirs in pairs):
        raise click.BadParameter(f"{text!r} is not a map: write t=time,page=addr", param_hint="--map")
    return {ours.strip(): theirs.strip() for ours, _, theirs in pairs}
