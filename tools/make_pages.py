"""Write the pages of docs/ that are made from declarations: scores, JSON documents, policies, formats, kernels.

    python -m tools.make_pages

A page is between two marks, or whole. tests/test_pages.py fails when one is not what this would write.
"""

import re
from collections.abc import Callable
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
_MARK = "<!-- made by tools/make_pages.py: {name} -->"


def table(*rows: tuple[str, ...]) -> str:
    """A Markdown table; the first row is its heading."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") or " " for cell in row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines)


def scores() -> str:
    """Every score."""
    from tmemlab.replay.scores.declare import measures

    heading = ("key", "unit", "in the table as", "meaning")
    return table(heading, *((f"`{m.key}`", m.unit, m.column, m.meaning) for m in measures()))


def policies() -> str:
    """Every policy, and the kernels that run it."""
    from tmemlab.policies.registry import built_in, kernels

    heading = ("policy", "kernels", "what it is")
    return table(heading, *((f"`{n}`", kernels(p), p.summary()) for n, p in built_in().items()))


def formats() -> str:
    """Every format that traces come from or go to."""
    from tmemlab.datasets.formats.registry import formats as known

    rows = []
    for form in known().values():
        options = "; ".join(f"`{option}`: {text}" for option, (_, text) in form.options.items())
        rows.append((f"`{form.name}`", "yes" if form.importer else "-", "yes" if form.exporter else "-",
                     form.about, options))  # fmt: skip
    return table(("format", "in", "out", "what it is", "its options"), *rows)


def documents() -> str:
    """Every JSON document."""
    from tmemlab.commands.documents import DOCUMENTS

    parts = []
    for name, document in DOCUMENTS.items():
        rows = table(("key", "what it is"), *((f"`{key}`", text) for key, text in document.keys.items()))
        parts.append(f"## {document.command}\n\n`tmemlab.{name}/1`\n\n{rows}")
    return "\n\n".join(parts)


PARTS: dict[str, tuple[str, Callable[[], str]]] = {
    "scores": ("scores.md", scores),
    "documents": ("json.md", documents),
    "policies": ("policies.md", policies),
    "formats": ("datasets.md", formats),
}
"""What is made, and in which page it stands."""


def with_part(text: str, name: str, made: str) -> str:
    """A page's text with one part made anew."""
    mark = _MARK.format(name=name)
    between = re.compile(f"{re.escape(mark)}\n.*?\n{re.escape(mark)}", re.DOTALL)
    if not between.search(text):
        raise ValueError(f"the page has no two marks {mark}")
    return between.sub(lambda _: f"{mark}\n{made}\n{mark}", text)


def pages() -> dict[Path, str]:
    """The text that each page should have."""
    made: dict[Path, str] = {}
    for name, (page, make) in PARTS.items():
        path = DOCS / page
        made[path] = with_part(made.get(path, path.read_text()), name, make())
    return made


def main() -> None:
    """Write them."""
    for path, text in pages().items():
        path.write_text(text)
        print(path)


if __name__ == "__main__":
    main()
