"""``tmemlab datasets``: inspect, verify, convert and share traces."""

from pathlib import Path

import click

from .convert import export_command, import_command
from .options import JSON, TRACE, event_bar, open_trace, print_json, report
from .remote import CATALOGUE, card_command, pull_command, push_command
from .shape import diff_command, sample_command, stats_command, synth_command
from .share import anonymize_command, merge_command, pack_command, slice_command, unpack_command


@click.group()
def command() -> None:
    """Inspect, verify, convert and share traces."""


_OTHERS = (
    export_command, import_command, slice_command, merge_command, anonymize_command, pack_command, unpack_command,
    sample_command, synth_command, stats_command, diff_command, push_command, pull_command, card_command,
)  # fmt: skip
for _other in _OTHERS:
    command.add_command(_other)


@command.command("info")
@TRACE
@JSON
def info_command(trace: Path, as_json: bool) -> None:
    """Show what TRACE holds and how completely it was recorded."""
    from ...datasets.describe.info import info

    found = info(open_trace(trace))
    if as_json:
        print_json(found)
    else:
        from .tables import print_info

        print_info(found)


@command.command("verify")
@TRACE
@JSON
def verify_command(trace: Path, as_json: bool) -> int:
    """Check every checksum and every rule of the format; exit code 5 when TRACE breaks one."""
    from ...datasets.trace.verify import verify
    from ...errors import TraceError

    problems = verify(trace, event_bar("verifying"))
    if as_json:
        print_json({"schema": "tmemlab.verify/1", "path": str(trace), "ok": not problems, "problems": problems})
    elif problems:
        for problem in problems:
            click.echo(f"tmemlab: {problem}", err=True)
    else:
        click.echo(f"{trace} is sound")
    return TraceError.exit_code if problems else 0


@command.command("recover")
@click.argument("recording", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), help="Where the trace goes; in place of RECORDING by default."
)
@JSON
def recover_command(recording: Path, out: Path | None, as_json: bool) -> None:
    """Make a trace of a RECORDING whose recorder was killed; it lacks at most the last second."""
    from ...collect.recover import recover

    made = recover(recording, out)
    sentence = f"{made.path}: {made.events:,} events; {made.lost_note}"
    facts = {"path": str(made.path), "events": made.events, "complete": made.complete, "lost": made.lost_note}
    report(as_json, sentence, "recover", **facts)


@command.command("list")
@CATALOGUE
@JSON
def list_command(catalogue: Path | None, as_json: bool) -> None:
    """List the traces that ship with tmemlab, or those of another catalogue."""
    from ...datasets.share.bundled import bundled
    from ...datasets.share.catalogue import bundled_catalogue, read_catalogue
    from ...datasets.trace.typedjson import encode

    found = bundled_catalogue(0) if catalogue is None else read_catalogue(catalogue)
    traces = [
        {
            "name": name,
            "path": str(bundled()[name]) if not entry.url and name in bundled() else None,
            **encode(entry),
        }
        for name, entry in found.traces.items()
    ]
    if as_json:
        print_json({"schema": "tmemlab.list/1", "traces": traces})
    elif traces:
        from .tables import print_list

        print_list(traces)
    else:
        click.echo("there is no trace in the catalogue", err=True)
