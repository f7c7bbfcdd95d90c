"""The one way to a terminal: no name in a trace, a file or a host can move the cursor or turn text round.

Names of programs and cgroups come with a trace, from whoever recorded it. A control character in one could clear
the screen, name the window, or, on some terminals, type; a mark for right-to-left text could show another name.
"""

import click


def safe(value: object) -> str:
    """Text on one line, every character that does not print, and every mark that turns text, as it is written."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(value))


def visible(text: object) -> str:
    """The same for text of several lines: line ends and tabs stay."""
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in str(text))


def say(text: object = "", *, nl: bool = True, err: bool = False) -> None:
    """Print to people: on stdout, or on stderr what is not a result."""
    click.echo(visible(text), nl=nl, err=err)


def say_over(line: str = "") -> None:
    """Print a line on stderr in place of the last one: progress."""
    click.echo(f"\r\x1b[K{safe(line)}", nl=False, err=True)
