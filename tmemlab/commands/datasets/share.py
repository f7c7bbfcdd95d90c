"""``tmemlab datasets slice``, ``merge``, ``anonymize``, ``pack`` and ``unpack``."""

import tempfile
from pathlib import Path

import click

from ..common import TracePath
from .options import FILE, JSON, OUT, TRACE, made, open_trace, report

KEY = click.option(
    "--key", "key_file", type=click.Path(path_type=Path),
    help="Keep the key in this file (made where it does not exist): the same names become the same again.",
)  # fmt: skip


@click.command("slice")
@TRACE
@OUT
@click.option("--from", "start", default="0s", help="Beginning, such as 10s or 2m; 0 by default.")
@click.option("--to", "stop", help="End; that of the trace by default.")
@click.option("--cgroup", help="Pages of this cgroup and those below it: a path.")
@click.option("--task", help="Pages of this task: a command name or a pid.")
@JSON
def slice_command(
    trace: Path, out: Path, start: str, stop: str | None, cgroup: str | None, task: str | None, as_json: bool
) -> None:
    """Write a part of TRACE to OUT: an interval of time, a cgroup, a task.

    \b
    tmemlab datasets slice trace part --from 10s --to 70s --cgroup /system.slice
    """
    from ...datasets.derive.slice import slice_trace
    from ...units import parse_duration

    begin, end = parse_duration(start), None if stop is None else parse_duration(stop)
    done = slice_trace(
        open_trace(trace), out,
        start_ns=round(begin * 1e9), stop_ns=None if end is None else round(end * 1e9), cgroup=cgroup, task=task,
    )  # fmt: skip
    made(out, done, "slice", as_json)


@click.command("merge")
@click.argument("traces", nargs=-1, required=True, type=TracePath())
@OUT
@JSON
def merge_command(traces: tuple[Path, ...], out: Path, as_json: bool) -> None:
    """Write TRACES, of several hosts, to OUT as the trace of one host with all their memory."""
    from ...datasets.derive.merge import merge

    made(out, merge([open_trace(trace) for trace in traces], out), "merge", as_json)


@click.command("anonymize")
@TRACE
@OUT
@KEY
@click.option("--coarsen", default="1ns", help="Round times down to a multiple of this; 1ns keeps them.")
@click.option("--k", default=1, type=click.IntRange(min=1), help="Groups with fewer events than this become one.")
@JSON
def anonymize_command(trace: Path, out: Path, key_file: Path | None, coarsen: str, k: int, as_json: bool) -> None:
    """Write TRACE to OUT without what identifies its host, its users and their programs.

    Names become keyed hashes and the key is forgotten, unless --key keeps it. A replay of OUT gives the same
    scores as one of TRACE.
    """
    from ...datasets.derive.anonymize import anonymize
    from ...datasets.derive.keys import kept_key
    from ...units import parse_duration

    opened, step = open_trace(trace), max(1, round(parse_duration(coarsen) * 1e9))
    key = None if key_file is None else kept_key(key_file)
    made(out, anonymize(opened, out, key=key, coarsen_ns=step, k=k), "anonymize", as_json)


@click.command("pack")
@TRACE
@FILE
@KEY
@click.option("--as-recorded", is_flag=True, help="Pack TRACE as it is, names and all, instead of anonymising it.")
@JSON
def pack_command(trace: Path, file: Path, key_file: Path | None, as_recorded: bool, as_json: bool) -> None:
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
            anonymize(opened, Path(scratch) / "trace", key=key)
            opened = open_trace(Path(scratch) / "trace")
        digest = pack(opened, file)
    size, anonymised = file.stat().st_size, opened.manifest.anonymised
    how = "anonymised" if anonymised else "as recorded"
    facts = {"path": str(file), "bytes": size, "sha256": digest, "anonymised": anonymised}
    report(as_json, f"{file}: {size:,} bytes, {how}, sha256 {digest}", "pack", **facts)


@click.command("unpack")
@FILE
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--max-size", help="Refuse what unpacks to more than this; 1024G by default.")
@click.option("--max-ratio", type=click.IntRange(min=1), help="Refuse more bytes in memory for each packed one.")
@JSON
def unpack_command(
    file: Path, directory: Path, max_size: str | None, max_ratio: int | None, as_json: bool
) -> None:
    """Unpack FILE into the new DIRECTORY, every checksum compared; nothing else can be written."""
    from ...datasets.share.pack import MAX_PACKED, MAX_RATIO, unpack
    from ...units import parse_size

    limit = MAX_PACKED if max_size is None else parse_size(max_size)
    made(directory, unpack(file, directory, max_bytes=limit, max_ratio=max_ratio or MAX_RATIO), "unpack", as_json)


def _directory_of(file: Path) -> Path:
    from ...datasets.trace.parquet import disk_errors

    with disk_errors(file):
        file.absolute().parent.mkdir(parents=True, exist_ok=True)
    return file.absolute().parent
