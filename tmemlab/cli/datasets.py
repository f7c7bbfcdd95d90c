"""``tmemlab datasets``: inspect, verify, convert and share traces."""

import json
from pathlib import Path
from typing import Any

import click

TRACE = click.argument("trace", type=click.Path(path_type=Path))
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")


@click.group()
def command() -> None:
    """Inspect, verify, convert and share traces."""


@command.command("info")
@TRACE
@JSON
def info_command(trace: Path, as_json: bool) -> None:
    """Show what TRACE holds and how completely it was recorded."""
    from ..datasets.info import info
    from ..datasets.read import Trace

    found = info(Trace.open(trace))
    if as_json:
        _print_json(found)
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
        _print_json({"schema": "tmemlab.verify/1", "path": str(trace), "ok": not problems, "problems": problems})
    elif problems:
        for problem in problems:
            click.echo(f"tmemlab: {problem}", err=True)
    else:
        click.echo(f"{trace} is sound")
    return TraceError.exit_code if problems else 0


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, allow_nan=False))
