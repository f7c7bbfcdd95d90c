"""Whether a policy's functions read anything but the World: chance, clocks, the environment.

Two replays would differ; or they would not on small traces, and would on large ones. So it is looked for in the
code, not in results.
"""

import sys
from types import CodeType, FunctionType, ModuleType
from typing import Any

from ...policies.interface import Hook, Policy
from .findings import Finding

MODULES = {"random", "secrets", "time", "datetime", "os"}
"""Modules that answer differently from one run to the next."""


def impure(policy: Policy) -> list[Finding]:
    """A finding for each function of the policy's file that uses one of them, or NumPy's ``random``."""
    module = sys.modules[type(policy).__module__]
    found = []
    for value in vars(module).values():
        function: Any = value.function if isinstance(value, Hook) else getattr(value, "py_func", value)
        if isinstance(function, FunctionType) and function.__code__.co_filename == module.__file__:
            if not _is_hook_or_helper(value):
                continue
            used = _uses(function.__code__, function.__globals__)
            if used:
                where = f"{module.__file__}:{function.__code__.co_firstlineno}"
                detail = f"{where}: {function.__name__} uses {used}: a hook reads nothing but w"
                found.append(Finding("determinism", detail))
    return found


def _is_hook_or_helper(value: Any) -> bool:
    """What is compiled: hooks and functions under njit. Others, a parameter's check say, may read anything."""
    return isinstance(value, Hook) or hasattr(value, "py_func")


def _uses(code: CodeType, names: dict[str, Any]) -> str:
    """The name of what is not pure in some code; empty if there is nothing."""
    for name in code.co_names:
        value = names.get(name)
        if isinstance(value, ModuleType) and value.__name__.partition(".")[0] in MODULES:
            return value.__name__
        owner = getattr(value, "__module__", None) or ""
        if callable(value) and str(owner).partition(".")[0] in MODULES:
            return f"{owner}.{name}"
        if isinstance(value, ModuleType) and value.__name__.startswith("numpy") and "random" in code.co_names:
            return "numpy.random"
    return ""
