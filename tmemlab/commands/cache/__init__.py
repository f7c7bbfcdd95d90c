"""``tmemlab cache``: what is kept between runs; a file a command."""

import click

from ..groups import Group


@click.group("cache", cls=Group, package=__name__, first=("info", "clear"))
def command() -> None:
    """See and clear what is kept between runs: compiled code, and columns of traces that were replayed.

    \b
    tmemlab cache info
    tmemlab cache clear
    TMEMLAB_CACHE=/var/tmp/me tmemlab replay      another folder
    TMEMLAB_CACHE=off tmemlab replay              none: every run compiles anew
    TMEMLAB_CACHE_SIZE=1G tmemlab replay          at most 1 GiB of columns
    """
