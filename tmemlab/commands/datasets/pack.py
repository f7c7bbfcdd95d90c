"""``tmemlab datasets pack``."""

import tempfile
from pathlib import Path

import click

from ..common import json_option, report
from ._shared import EXACT_HOST, FILE, KEY, TRACE, dataset_command, open_trace


@dataset_command("pack")
@TRACE
@FILE
@KEY
@click.option("--as-recorded", is_flag=True, help="Pack TRACE as it is, names and all, instead of anonymising it.")
@EXACT_HOST
@json_option
def command(
    trace: Path, file: Path, key_file: Path | None, as_recorded: bool, exact_host: bool, json_file: str | None
) -> None:
    """Pack TRACE into one FILE to hand on, anonymised unless it is already or --as-recorded says not to."""
    from ...datasets.derive.anonymize import anonymize
    from ...datasets.derive.keys import kept_key
    from ...datasets.share.pack import pack
    from ...datasets.trace.output import refuse_existing

    opened = open_trace(trace)
    refuse_existing(file)
    key = None if key_file is None else kept_key(key_file)
    with tempfile.TemporaryDirectory(prefix=f".{file.name}.", dir=_directory_of(file)) as scratch:
        if not as_recorded and not opened.manifest.anonymised:
            anonymize(opened, Path(scratch) / "trace", key=key, exact_host=exact_host)
            opened = open_trace(Path(scratch) / "trace")
        digest = pack(opened, file)
    size, anonymised = file.stat().st_size, opened.manifest.anonymised
    how = "anonymised" if anonymised else "as recorded"
    facts = {"path": str(file), "bytes": size, "sha256": digest, "anonymised": anonymised}
    report(json_file, f"{file}: {size:,} bytes, {how}, sha256 {digest}", "pack", **facts)


def _directory_of(file: Path) -> Path:
    from ...datasets.trace.parquet import disk_errors

    with disk_errors(file):
        file.absolute().parent.mkdir(parents=True, exist_ok=True)
    return file.absolute().parent
