"""tmemlab policies."""

import click

from .common import json_option, write_json

_SETTINGS = {"help_option_names": ["-h", "--help"]}


@click.group("policies", context_settings=_SETTINGS)
def command() -> None:
    """List the policies and show their rules, parameters and sources.

    \b
    tmemlab policies list
    tmemlab policies show zswap.v6_18
    """


@command.command("list", context_settings=_SETTINGS)
@json_option
def list_(json_file: str | None) -> None:
    """Every policy with the first sentence of its rules."""
    from rich.console import Console
    from rich.table import Table

    from ..policies.catalogue import DEFAULTS, all_policies

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
@click.argument("name")
@json_option
def show(name: str, json_file: str | None) -> None:
    """Rules, parameters (unit, default, range, the kernel's name) and sources of policy NAME."""
    from dataclasses import asdict

    from rich.console import Console
    from rich.table import Table

    from ..policies.catalogue import find_policy

    policy = find_policy(name)
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
