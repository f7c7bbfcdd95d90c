"""Which lines of a policy's file ran: a rule that no line was there to break is not kept, it is untried."""

import sys
from collections.abc import Callable, Iterator
from types import CodeType, FrameType, FunctionType
from typing import Any

from ...policies.interface import Hook, Policy


class Coverage:
    """Lines of the functions in one policy's own file, struck off as they run.

    >>> coverage = Coverage(type(policy))
    >>> coverage.follow(hook, w, page)
    >>> coverage.missing()
    {'store': [14, 15]}
    """

    def __init__(self, kind: type[Policy]) -> None:
        module = sys.modules[kind.__module__]
        self._left: dict[CodeType, set[int]] = {}
        for value in vars(module).values():
            function = value.function if isinstance(value, Hook) else value
            if isinstance(function, FunctionType) and function.__code__.co_filename == module.__file__:
                self._left[function.__code__] = _lines(function.__code__)

    def follow(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the function answers; lines that run meanwhile are struck off."""
        if not any(self._left.values()):
            return function(*arguments)
        sys.settrace(self._call)
        try:
            return function(*arguments)
        finally:
            sys.settrace(None)

    def _call(self, frame: FrameType, event: str, argument: Any) -> Any:
        left = self._left.get(frame.f_code)
        if not left:
            return None

        def line(frame: FrameType, event: str, argument: Any) -> Any:
            if event == "line":
                left.discard(frame.f_lineno)
            return line if left else None

        return line

    def missing(self) -> dict[str, list[int]]:
        """By function, the lines that never ran; functions all of whose lines ran are not there."""
        return {code.co_name: sorted(left) for code, left in self._left.items() if left}


def _lines(code: CodeType) -> set[int]:
    """The lines of a function that can run: its body, without the line of its def."""
    found = {line for _, _, line in code.co_lines() if line is not None}
    return found - {code.co_firstlineno, *_header(code)}


def _header(code: CodeType) -> Iterator[int]:
    """Lines of decorators and of the signature: those before the first of the body."""
    body = [line for _, _, line in code.co_lines() if line is not None and line != code.co_firstlineno]
    yield from range(code.co_firstlineno, min(body, default=code.co_firstlineno))


def spans(lines: list[int]) -> str:
    """``14-15, 20`` of 14, 15, 20."""
    out: list[tuple[int, int]] = []
    for line in lines:
        if out and line == out[-1][1] + 1:
            out[-1] = out[-1][0], line
        else:
            out.append((line, line))
    return ", ".join(f"{first}-{last}" if last > first else f"{first}" for first, last in out)
