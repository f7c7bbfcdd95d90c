"""``tmemlab policies``: the policies, and how to write, check and rank one's own; a file a command."""

import click

from ..groups import Group


@click.group("policies", cls=Group, package=__name__, first=("list", "show", "new", "check", "rank"))
def command() -> None:
    """List the policies, show their rules, and write, check and rank one's own.

    \b
    tmemlab policies list
    tmemlab policies show zswap.v6_18
    tmemlab policies new mine.second_chance
    tmemlab policies check ./second_chance.py
    tmemlab policies rank ./second_chance.py
    """
