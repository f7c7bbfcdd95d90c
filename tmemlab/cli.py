"""The command line: parse, call, print.

Commands live in ``commands/`` and are imported only when they are run, so that ``tmemlab --help`` answers at once.
Results go to stdout, everything else to stderr.
"""

import errno
import gc
import io
import os
import sys
from typing import Any

import click

from . import __version__
from .commands.groups import Group
from .errors import InvalidInputError, TmemlabError
from .printing import say
from .units import shown

_FIRST = ("collect", "replay", "size", "advise", "curve", "validate", "policies", "datasets", "doctor", "cache")


@click.group(cls=Group, package=f"{__package__}.commands", first=_FIRST)
@click.version_option(__version__, message="tmemlab %(version)s")
def cli() -> None:
    """Record what a Linux host really swaps, replay it through every way there is to run the
    compressed pool, and see which keeps the most hits without letting the host run out of memory.

    \b
    tmemlab replay                                     the bundled trace, default policies
    tmemlab collect /tmp/trace --duration 60s          record this host for a minute
    tmemlab replay /tmp/trace -p zswap.v6_18 --ram 4G  what if the host had 4 GiB
    tmemlab validate /tmp/trace                        how far the replay is from the kernel
    """


def _open_streams() -> None:
    """Have something at descriptors 0 to 2: a file opened later must not be where errors are printed."""
    for number, mode in ((0, "r"), (1, "w"), (2, "w")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            stream = open(number, mode, closefd=False)  # noqa: SIM115 - for the life of the process
            setattr(sys, ("stdin", "stdout", "stderr")[number], stream)


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line and exit with its code: see the table in the README."""
    _open_streams()
    gc.set_threshold(50_000)  # what is imported stays: 40 ms of looking through it for what could go
    try:
        code = cli.main(arguments, prog_name="tmemlab", standalone_mode=False)
    except click.exceptions.Abort:
        say("interrupted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        text = io.StringIO()
        error.show(text)
        say(text.getvalue(), nl=False, err=True)
        sys.exit(error.exit_code)
    except TmemlabError as error:
        say(f"tmemlab: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        say(f"tmemlab: {shown(str(error.filename))} is too long for the name of a file", err=True)
        sys.exit(InvalidInputError.exit_code)
    finally:
        gc.freeze()  # at its end Python looks through everything, 120 ms of Numba's
    sys.exit(code if isinstance(code, int) else 0)
