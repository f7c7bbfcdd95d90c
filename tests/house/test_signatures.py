"""No function takes more than eight positional parameters; what has more hands them over by name, or together."""

import ast
from collections.abc import Iterator

from tests.house.imports import sources

MOST = 8


def wide(texts: dict[str, str]) -> Iterator[str]:
    """Functions with more, and how many; ``self`` and ``cls`` do not count."""
    for module, text in texts.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
                count = len(names) - (names[:1] in (["self"], ["cls"]))
                if count > MOST:
                    yield f"{module}.{node.name}: {count}"


def test_no_function_takes_more_than_eight_positional_parameters() -> None:
    assert sorted(wide(sources())) == []


def test_a_wide_function_is_found() -> None:
    functions = "def f(a, b, c, d, e, f, g, h, i, *, j): pass\ndef g(self, a, b, c, d, e, f, g, h): pass"
    planted = {"tmemlab.x": functions}
    assert list(wide(planted)) == ["tmemlab.x.f: 9"]
