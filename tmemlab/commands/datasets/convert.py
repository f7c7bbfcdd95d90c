"""``tmemlab datasets export`` and ``import``."""

from pathlib import Path

import click

from .options import FILE, JSON, OUT, TRACE, given, open_trace, report


@click.command("export")
@TRACE
@FILE
@click.option("--format", "name", required=True, help="libcachesim or csv.")
@click.option("--requests", help="Which events are requests: all (default), loads or stores.")
@click.option("--size", help="libcachesim: size of an object, page (default) or clen.")
@JSON
def export_command(
    trace: Path, file: Path, name: str, requests: str | None, size: str | None, as_json: bool
) -> None:
    """Write TRACE to FILE in another tool's format.

    \b
    tmemlab datasets export trace requests.bin --format libcachesim --requests loads
    tmemlab datasets export trace requests.oracleGeneral.zst --format libcachesim
    tmemlab datasets export trace events.csv --format csv
    """
    from ...datasets.formats.registry import export_trace

    records = export_trace(open_trace(trace), file, name, **given(requests=requests, size=size))
    size_bytes = file.stat().st_size
    sentence = f"{file}: {records:,} records, {size_bytes:,} bytes"
    report(as_json, sentence, "export", path=str(file), format=name, records=records, bytes=size_bytes)


@click.command("import")
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
@click.option("--ram", help="RAM of the host, such as 4G; the pages touched where it is not given.")
@JSON
def import_command(
    file: Path, out: Path, name: str, columns: str | None, ram: str | None, as_json: bool, **own: str | None
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
    from ...units import parse_size

    options = given(
        columns=None if columns is None else _column_map(columns),
        ram_bytes=None if ram is None else parse_size(ram),
        **own,
    )
    manifest = import_trace(file, out, name, **options)
    events = manifest.events.recorded
    pages = manifest.files["pages.parquet"].rows
    sentence = f"{out}: {events:,} events on {pages:,} pages, {manifest.kind} trace"
    report(as_json, sentence, "import", path=str(out), format=name, kind=manifest.kind, events=events, pages=pages)


def _column_map(text: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text.split(",")]
    if not all(ours and theirs for ours, _, theirs in pairs):
        raise click.BadParameter(f"{text!r} is not a map: write t=time,page=addr", param_hint="--map")
    return {ours.strip(): theirs.strip() for ours, _, theirs in pairs}
