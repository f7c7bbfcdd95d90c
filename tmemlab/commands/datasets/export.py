"""``tmemlab datasets export``."""

from pathlib import Path

from ..common import json_option, report
from ._formats import own_options, which_format
from ._shared import FILE, TRACE, dataset_command, given, open_trace


@dataset_command("export")
@TRACE
@FILE
@which_format(exporting=True)
@own_options(exporting=True)
@json_option
def command(trace: Path, file: Path, name: str, json_file: str | None, **own: str | None) -> None:
    """Write TRACE to FILE in another tool's format.

    \b
    tmemlab datasets export trace requests.bin --format libcachesim --requests loads
    tmemlab datasets export trace requests.oracleGeneral.zst --format libcachesim
    tmemlab datasets export trace events.csv --format csv
    """
    from ...datasets.formats.registry import export_trace

    records = export_trace(open_trace(trace), file, name, **given(**own))
    size_bytes = file.stat().st_size
    sentence = f"{file}: {records:,} records, {size_bytes:,} bytes"
    report(json_file, sentence, "export", path=str(file), format=name, records=records, bytes=size_bytes)
