"""Who imports whom in the package, read from the sources without running them."""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "tmemlab"


def sources(package: Path = PACKAGE) -> dict[str, str]:
    """The text of every module by its dotted name; a package's own module has ``.__init__`` at its end."""
    root = package.parent
    return {
        ".".join(path.relative_to(root).with_suffix("").parts): path.read_text() for path in package.rglob("*.py")
    }


def imports(texts: dict[str, str]) -> set[tuple[str, str]]:
    """(importer, imported) for every import within the package, wherever in the module it stands."""
    return {(name, target) for name, text in texts.items() for target in _targets(name, text, texts)}


def _targets(name: str, text: str, texts: dict[str, str]) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            wanted = [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            here = name.split(".")
            base = here[: len(here) - node.level] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            wanted = [(module, alias.name) for alias in node.names]
        else:
            continue
        for module, attribute in wanted:
            for candidate in (
                f"{module}.{attribute}",
                f"{module}.{attribute}.__init__",
                module,
                f"{module}.__init__",
            ):
                if candidate in texts:
                    yield candidate
                    break


def circles(edges: set[tuple[str, str]]) -> list[list[str]]:
    """Groups of modules each of which imports, in the end, itself (Tarjan's components of more than one)."""
    beyond: dict[str, list[str]] = {}
    for importer, imported in sorted(edges):
        beyond.setdefault(importer, []).append(imported)
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        number[module] = lowest[module] = len(number)
        stack.append(module)
        for other in beyond.get(module, []):
            if other not in number:
                visit(other)
                lowest[module] = min(lowest[module], lowest[other])
            elif other in stack:
                lowest[module] = min(lowest[module], number[other])
        if lowest[module] == number[module]:
            at = stack.index(module)
            group = sorted(stack[at:])
            del stack[at:]
            if len(group) > 1:
                found.append(group)

    for module in sorted(beyond):
        if module not in number:
            visit(module)
    return found
