"""``tmemlab policies show``."""

from typing import Any

import click

from ...printing import say
from ..common import json_option, publish
from ..groups import CONTEXT


@click.command("show", context_settings=CONTEXT)
@click.argument("name", metavar="NAME|FILE.py")
@json_option
def command(name: str, json_file: str | None) -> None:
    """Rules, parameters (unit, default, range, the kernel's name) and sources of policy NAME.

    A family alone, such as zswap, is shown with the kernels that run each of its versions.
    """
    from dataclasses import asdict

    from ...errors import InvalidInputError
    from ...policies.catalogue import select
    from ...policies.registry import family, kernels

    members = family(name) if name.isalpha() else []
    if members:
        versions = [{"name": p.name, "kernels": kernels(p), "about": p.summary()} for p in members]
        document = {"schema": "tmemlab.family/1", "name": name, "versions": versions}
        publish(document, json_file, lambda: _print_family(versions))
        return
    found, _ = select(name)
    if len(found) > 1:
        raise InvalidInputError(f"{name} holds {', '.join(p.name for p in found)}: choose one as FILE::NAME")
    policy = found[0]
    document = {
        "schema": "tmemlab.policy/1",
        "name": policy.name,
        "kernels": kernels(policy),
        "rules": policy.rules(),
        "params": [asdict(param) for param in policy.params()],
        "sources": list(policy.sources),
    }
    publish(document, json_file, lambda: _print(policy))


def _print_family(versions: list[dict[str, str]]) -> None:
    from ...tables import Column, print_table

    rows = [(version["name"], version["kernels"], version["about"]) for version in versions]
    print_table(["policy", "kernels", Column("what it is", text=True)], rows)


def _print(policy: Any) -> None:
    from ...policies.registry import kernels
    from ...tables import Column, print_table, print_text

    run_by = kernels(policy)
    say(f"{policy.name}{f', Linux {run_by}' if run_by else ''}\n")
    print_text(policy.rules())
    params = policy.params()
    if params:
        say()
        print_table(
            ["parameter", "default", "range", "unit", "kernel's name", Column("meaning", text=True)],
            [(p.name, p.default, p.range_text(), p.unit, p.kernel, p.about) for p in params],
        )
    say("\nsources")
    for source in policy.sources:
        print_text(source, indent="  ")
