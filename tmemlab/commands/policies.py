"""tmemlab policies."""

from pathlib import Path
from typing import Any

import click

from .common import json_option, on_terminal, write_json

_SETTINGS = {"help_option_names": ["-h", "--help"]}


@click.group("policies", context_settings=_SETTINGS)
def command() -> None:
    """List the policies, show their rules, and write and check one's own.

    \b
    tmemlab policies list
    tmemlab policies show zswap.v6_18
    tmemlab policies new mine.second_chance
    tmemlab policies check ./second_chance.py
    """


@command.command("list", context_settings=_SETTINGS)
@json_option
def list_(json_file: str | None) -> None:
    """Every policy with the first sentence of its rules."""
    from rich.console import Console
    from rich.table import Table

    from ..policies.catalogue import DEFAULTS
    from ..policies.registry import all_policies

    known = all_policies()
    if json_file:
        rows = [
            {"name": name, "about": policy.summary(), "default": name in DEFAULTS}
            for name, policy in known.items()
        ]
        write_json({"schema": "tmemlab.policies/1", "policies": rows}, json_file)
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("policy", no_wrap=True)
    table.add_column("what it is")
    for name, policy in known.items():
        table.add_row(name + ("*" if name in DEFAULTS else ""), policy.summary())
    console = Console()
    console.print(table)
    console.print("\n* compared when no policy is named", highlight=False)


@command.command("show", context_settings=_SETTINGS)
@click.argument("name", metavar="NAME|FILE.py")
@json_option
def show(name: str, json_file: str | None) -> None:
    """Rules, parameters (unit, default, range, the kernel's name) and sources of policy NAME."""
    from dataclasses import asdict

    from rich.console import Console
    from rich.table import Table

    from ..errors import InvalidInputError
    from ..policies.catalogue import select

    found, _ = select(name)
    if len(found) > 1:
        raise InvalidInputError(f"{name} holds {', '.join(p.name for p in found)}: choose one as FILE::NAME")
    policy = found[0]
    if json_file:
        write_json(
            {
                "schema": "tmemlab.policies/1",
                "name": policy.name,
                "rules": policy.rules(),
                "params": [asdict(param) for param in policy.params()],
                "sources": list(policy.sources),
            },
            json_file,
        )
        return
    console = Console(highlight=False)
    console.print(f"[bold]{policy.name}[/bold]\n")
    console.print(policy.rules(), markup=False)
    params = policy.params()
    if params:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for title in ("parameter", "default", "range", "unit", "kernel's name", "meaning"):
            table.add_column(title, overflow="fold")
        for param in params:
            table.add_row(
                param.name, f"{param.default}", param.range_text(), param.unit, param.kernel, param.about
            )  # fmt: skip
        console.print()
        console.print(table)
    console.print("\nsources")
    for source in policy.sources:
        console.print(f"  {source}", markup=False)


@command.command("new", context_settings=_SETTINGS)
@click.argument("name")
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="Default: NAME.py here.")
def new(name: str, output: Path | None) -> None:
    """Write a file with a working policy NAME (family.name, or mine.NAME), to be changed."""
    from ..policies.template import write_template

    path = write_template(name, output)
    shown = path if path.is_absolute() else f"./{path}"
    click.echo(f"{path} written: change it, then 'tmemlab policies check {shown}'", err=True)


def _print_conformance(results: list[Any]) -> None:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    for result in results:
        console.print(f"[bold]{result.name}[/bold]  {result.replays} small replays")
        for row in result.as_json()["rules"]:
            console.print(f"  {'ok  ' if row['ok'] else 'FAIL'}  {row['rule']}: {row['about']}", markup=False)
            for detail in row["details"]:
                console.print(f"        {detail}", markup=False)


@command.command("check", context_settings=_SETTINGS)
@click.argument("policies", metavar="FILE.py|NAME...", nargs=-1, required=True)
@json_option
def check(policies: tuple[str, ...], json_file: str | None) -> None:
    """Check that policies keep the rules; exit with 1 if one does not.

    Each runs on small traces twice, as plain Python with every index, number and answer looked at, and
    compiled. Both must agree to the last digit, no page may be in two places, and every parameter must run at
    both ends of its range and move some result.
    """
    from contextlib import nullcontext

    from ..errors import TmemlabError
    from ..policies.catalogue import configure, select
    from ..replay.conformance.check import check as run_suite

    chosen = []
    for text in policies:
        kinds, settings = select(text)
        for kind in kinds:
            file = text.partition(".py")[0] + ".py" if ".py" in text else ""
            chosen.append((configure(kind, settings, text), f"{file}::{kind.name}" if file else kind.name))
    results = []
    status: Any = nullcontext()
    if on_terminal():
        from rich.console import Console

        status = Console(stderr=True).status("checking (the first run compiles)")
    with status:
        for policy, source in chosen:

            def on_step(step: str, name: str = policy.name) -> None:
                if on_terminal():
                    status.update(f"{name}: {step}")

            results.append(run_suite(policy, source, on_step))
    document = {
        "schema": "tmemlab.conformance/1",
        "ok": all(result.ok for result in results),
        "policies": [result.as_json() for result in results],
    }
    if json_file:
        write_json(document, json_file)
    if json_file != "-":
        _print_conformance(results)
    for result in results:
        if not result.ok:
            broken = ", ".join(dict.fromkeys(f"{finding.rule!r}" for finding in result.findings))
            raise TmemlabError(f"{result.name} breaks the rules {broken}")
