"""``tmemlab datasets export``."""

from pathlib import Path

import click

from ..common import json_option, report
from ._shared import FILE, TRACE, dataset_command, given, open_trace


@dataset_command("export")
@TRACE
@FILE
@click.option("--format", "name", required=True, help="libcachesim or csv.")
@click.option("--requests", help="Which events are requests: all (default), loads or stores.")
@click.option("--size", help="libcachesim: size of an object, page (default) or clen.")
@json_option
def command(
    trace: Path, file: Path, name: str, requests: str | None, size: str | None, json_file: str | None
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
    report(json_file, sentence, "export", path=str(file), format=name, records=records, bytes=size_bytes)
