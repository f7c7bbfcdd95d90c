"""``tmemlab datasets``: inspect, verify, convert and share traces."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .datasets_convert import export_command, import_command
from .datasets_options import JSON, TRACE, print_json, report
from .datasets_shape import diff_command, sample_command, stats_command, synth_command
from .datasets_share import anonymize_command, merge_command, pack_command, slice_command, unpack_command

if TYPE_CHECKING:
    from ..datasets.read import Trace


@click.group()
def command() -> None:
    """Inspect, verify, convert and share traces."""


_OTHERS = (
    export_command, import_command, slice_command, merge_command, anonymize_command, pack_command, unpack_command,
    sample_command, synth_command, stats_command, diff_command,
)  # fmt: skip
for _other in _OTHERS:
    command.add_command(_other)


@command.command("info")
@TRACE
@JSON
def info_command(trace: Path, as_json: bool) -> None:
    """Show what TRACE holds and how completely it was recorded."""
    from ..datasets.info import info
    from ..datasets.read import Trace

    found = info(Trace.open(trace))
    if as_json:
        print_json(found)
    else:
        from .datasets_tables import print_info

        print_info(found)


@command.command("verify")
@TRACE
@JSON
def verify_command(trace: Path, as_json: bool) -> int:
    """Check every checksum and every rule of the format; exit code 5 when TRACE breaks one."""
    from ..datasets.verify import verify
    from ..errors import TraceError

    problems = verify(trace)
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
    from ..collect.recover import recover

    made = recover(recording, out)
    sentence = f"{made.path}: {made.events:,} events; {made.lost_note}"
    facts = {"path": str(made.path), "events": made.events, "complete": made.complete, "lost": made.lost_note}
    report(as_json, sentence, "recover", **facts)


@command.command("list")
@JSON
def list_command(as_json: bool) -> None:
    """List the traces that ship with tmemlab."""
    from ..datasets.bundled import bundled
    from ..datasets.read import Trace

    traces = {name: Trace.open(path) for name, path in bundled().items()}
    if as_json:
        print_json(
            {"schema": "tmemlab.list/1", "traces": [_summary(name, trace) for name, trace in traces.items()]}
        )
    elif traces:
        from .datasets_tables import print_list

        print_list([_summary(name, trace) for name, trace in traces.items()])
    else:
        click.echo("this installation has no bundled trace", err=True)


def _summary(name: str, trace: "Trace") -> dict[str, Any]:
    manifest = trace.manifest
    return {
        "name": name,
        "path": str(trace.path),
        "events": len(trace),
        "pages": trace.pages,
        "duration_s": manifest.duration_ns / 1e9,
        "kernel": manifest.kernel.release,
        "ram_bytes": manifest.ram_bytes,
        "bytes": sum(entry.bytes for entry in manifest.files.values()),
        "complete": manifest.certificate.complete,
        "license": manifest.license,
        "workload": manifest.provenance.get("workload"),
    }
