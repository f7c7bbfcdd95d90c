"""Tables for people, at any width: a name is never broken in two.

Where the rows fit, each is a line. Where they do not, columns of text are folded between words; where that is not
enough, each row becomes a block with a line a column. Into a file or a pipe everything goes unfolded, unless
COLUMNS says how wide it is.
"""

import os
import textwrap
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .printing import safe

_GAP = 2
_NARROW = 24
"""A column of text that would be narrower than this is not worth folding."""
_UNBOUNDED = 10_000
_LINE = 100


@dataclass(frozen=True)
class Column:
    """A heading; ``right`` for numbers, ``text`` for sentences, which may be folded."""

    title: str
    right: bool = False
    text: bool = False


def console() -> Console:
    """Where tables go: stdout, as wide as the terminal, or without a bound where there is none."""
    found = Console(highlight=False)
    return found if found.is_terminal or "COLUMNS" in os.environ else Console(highlight=False, width=_UNBOUNDED)


def print_text(text: str, indent: str = "") -> None:
    """Print paragraphs, folded between words."""
    out = console()
    hanging = f"{indent}  " if indent else ""
    fold = textwrap.TextWrapper(
        min(out.width, _LINE), indent, hanging, break_long_words=False, break_on_hyphens=False
    )
    paragraphs = (fold.fill(" ".join(safe(part.replace("\n", " ")).split())) for part in text.split("\n\n"))
    out.print("\n\n".join(paragraphs), markup=False, soft_wrap=True)


def print_table(
    columns: Sequence[Column | str], rows: Iterable[Sequence[object]], *, dim: Collection[int] = ()
) -> None:
    """Print rows under their headings, as wide as there is room; those whose numbers are in ``dim`` stand back."""
    heads = [column if isinstance(column, Column) else Column(column) for column in columns]
    cells = [[safe(cell) for cell in row] for row in rows]
    out = console()
    if _least_width(heads, cells) > out.width:
        _print_blocks(out, heads, cells)
        return
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for head in heads:
        justify = "right" if head.right else "left"
        table.add_column(escape(head.title), justify=justify, no_wrap=not head.text)  # type: ignore[arg-type]
    for number, row in enumerate(cells):
        table.add_row(*map(escape, row), style="dim" if number in dim else None)
    out.print(table)


def print_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Print names and what they are, a line each; what is long goes on below itself, broken between words."""
    rows = [(name, safe(value)) for name, value in facts]
    out, width = console(), max((len(name) for name, _ in rows), default=0) + _GAP
    for name, value in rows:
        first, *rest = _folded(value, out.width - width)
        out.print(f"[bold]{escape(name.ljust(width))}[/bold]{escape(first)}", soft_wrap=True)
        for line in rest:
            out.print(" " * width + line, markup=False, soft_wrap=True)


def _folded(text: str, width: int) -> list[str]:
    """Lines of at most ``width``, if no word is longer: none is broken."""
    fold = textwrap.TextWrapper(max(width, _NARROW), break_long_words=False, break_on_hyphens=False)
    return fold.wrap(text) or [""]


def _least_width(heads: Sequence[Column], cells: Sequence[Sequence[str]]) -> int:
    """Characters that a line needs when all text is folded as far as makes sense."""
    total = 0
    for at, head in enumerate(heads):
        texts = [head.title, *(row[at] for row in cells)]
        widest = max(map(len, texts))
        if head.text:
            longest_word = max((len(word) for text in texts for word in text.split()), default=0)
            widest = min(widest, max(longest_word, _NARROW))
        total += widest + _GAP
    return total - _GAP if heads else 0


def _print_blocks(out: Console, heads: Sequence[Column], cells: Sequence[Sequence[str]]) -> None:
    """A block a row: its name, and below it a line a column."""
    for row in cells:
        out.print(f"[bold]{escape(row[0])}[/bold]", soft_wrap=True)
        print_facts((f"  {head.title}", cell) for head, cell in list(zip(heads, row, strict=True))[1:] if cell)
