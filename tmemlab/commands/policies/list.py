"""``tmemlab policies list``."""

import click

from ...printing import say
from ..common import json_option, publish
from ..groups import CONTEXT


@click.command("list", context_settings=CONTEXT)
@json_option
def command(json_file: str | None) -> None:
    """Every policy with the first sentence of its rules."""
    from ...policies.catalogue import DEFAULTS
    from ...policies.registry import all_policies

    rows = [
        {"name": name, "about": policy.summary(), "default": name in DEFAULTS}
        for name, policy in all_policies().items()
    ]

    def show() -> None:
        from ...tables import Column, print_table

        lines = [(f"{row['name']}{'*' if row['default'] else ''}", row["about"]) for row in rows]
        print_table(["policy", Column("what it is", text=True)], lines)
        say("\n* compared when no policy is named")

    publish({"schema": "tmemlab.policies/1", "policies": rows}, json_file, show)
