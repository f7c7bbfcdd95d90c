"""No function takes more than about eight positional parameters; others come by name, or together."""

import ast
from collections.abc import Iterator

from tests.house.imports import sources

MOST = 9
"""distances._append has nine: arrays that a hot function takes one by one, since together they would be more."""


def wide(texts: dict[str, str]) -> Iterator[str]:
    """Functions with more, and how many; ``self`` and ``cls`` do not count."""
    for module, text in texts.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
                count = len(names) - (names[:1] in (["self"], ["cls"]))
                if count > MOST:
                    yield f"{module}.{node.name}: {count}"


def test_no_function_takes_more_than_nine_positional_parameters() -> None:
    assert sorted(wide(sources())) == []


def test_a_wide_function_is_found() -> None:
    functions = "def f(a, b, c, d, e, f, g, h, i, j, *, k): pass\ndef g(self, a, b, c, d, e, f, g, h, i): pass"
    planted = {"tmemlab.x": functions}
    assert list(wide(planted)) == ["tmemlab.x.f: 10"]
