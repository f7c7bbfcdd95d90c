"""``tmemlab datasets``: inspect, verify, convert and share traces; a file a command."""

import click

from ..groups import Group

_FIRST = ("list", "info", "verify", "recover", "stats", "diff")


@click.group("datasets", cls=Group, package=__name__, first=_FIRST)
def command() -> None:
    """Inspect, verify, convert and share traces.

    \b
    tmemlab datasets list
    tmemlab datasets info redis-zswap
    tmemlab datasets slice /tmp/trace part --from 10s --to 70s
    """
