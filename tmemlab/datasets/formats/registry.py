"""The formats that traces are exported to and imported from: a file of this folder each.

A format's file has ``ABOUT``, a line about it; ``OPTIONS``, by option of the command line a keyword and a line of
help; and ``import_NAME(path, out, *, ...)``, ``export_NAME(trace, path, *, ...)`` or both. What it declares is
read without importing it, so that ``--help`` waits for no library.
"""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...directories import refuse_special
from ...errors import InvalidInputError
from ._memory import memory_within

if TYPE_CHECKING:
    from ..trace.manifest import Manifest
    from ..trace.read import Trace


@dataclass(frozen=True)
class Format:
    """What a format's file declares."""

    name: str
    about: str
    options: dict[str, tuple[str, str]]
    """By option of the command line, the keyword and a line of help."""
    importer: bool
    exporter: bool


@cache
def formats() -> dict[str, Format]:
    """Every format by name, in alphabetical order."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    found = [_declared(path) for path in files if not path.stem.startswith("_") and path.stem != "registry"]
    return {form.name: form for form in found}


def _declared(path: Path) -> Format:
    constants: dict[str, Any] = {}
    functions: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            functions.add(node.name)
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id in ("ABOUT", "OPTIONS"):
            constants[target.id] = ast.literal_eval(node.value)  # type: ignore[attr-defined]
    name = path.stem
    about, options = constants["ABOUT"], constants["OPTIONS"]
    return Format(name, about, options, f"import_{name}" in functions, f"export_{name}" in functions)


def options_of(exporting: bool) -> dict[str, tuple[str, str]]:
    """Every option of the formats that import or export: its keyword, and help that says whose it is."""
    merged: dict[str, tuple[str, dict[str, list[str]]]] = {}
    for form in formats().values():
        for option, (keyword, text) in form.options.items():
            if keyword in _keywords(form.name, exporting):
                merged.setdefault(option, (keyword, {}))[1].setdefault(text, []).append(form.name)
    return {
        option: (keyword, "; ".join(f"{', '.join(names)}: {text}" for text, names in texts.items()))
        for option, (keyword, texts) in merged.items()
    }


@cache
def _keywords(name: str, exporting: bool) -> frozenset[str]:
    """The keyword-only parameters of a format's function, read without importing it."""
    wanted = f"{'export' if exporting else 'import'}_{name}"
    tree = ast.parse((Path(__file__).parent / f"{name}.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == wanted:
            return frozenset(argument.arg for argument in node.args.kwonlyargs)
    return frozenset()


def export_trace(trace: "Trace", path: Path, name: str, **options: Any) -> int:
    """Write ``trace`` to ``path`` in the format ``name``; how many records. ``options`` are the exporter's own."""
    return int(_function(name, True, options)(trace, path, **options))


def import_trace(
    path: Path, out: Path, name: str, *, max_memory: int | None = None, **options: Any
) -> "Manifest":
    """Convert ``path`` from the format ``name`` to a trace at ``out``. ``options`` are the importer's own.

    max_memory: bytes that this process may take meanwhile beyond what it has; TmemlabError where they are too few.
    """
    refuse_special(path)
    function = _function(name, False, options)
    with memory_within(max_memory):
        manifest: Manifest = function(path, out, **options)
    return manifest


def _function(name: str, exporting: bool, options: dict[str, Any]) -> Callable[..., Any]:
    direction = "exporter" if exporting else "importer"
    having = [known for known, form in formats().items() if getattr(form, direction)]
    if name not in having:
        raise InvalidInputError(f"{name!r} has no {direction}: use {', '.join(having)}")
    accepted = _keywords(name, exporting)
    for option in options:
        if option not in accepted:
            raise InvalidInputError(
                f"{option} is not an option of the format {name}: it has {', '.join(sorted(accepted))}"
            )
    module = import_module(f".{name}", __package__)
    function: Callable[..., Any] = getattr(module, f"{'export' if exporting else 'import'}_{name}")
    return function
