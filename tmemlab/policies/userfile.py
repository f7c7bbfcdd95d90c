"""Policies from a file of one's own, wherever it lies: ``-p ./mine.py``.

The file is an ordinary Python module that registers policies as those in this package do. Its hooks are
compiled and cached like theirs, so it runs at the same speed. Reading it executes it: it is a program that its
owner chose to run, unlike a trace.
"""

import hashlib
import re
import sys
import traceback
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

from numba.core.errors import NumbaError

from ..directories import refuse_special
from ..errors import InvalidInputError
from .interface import REGISTRY, Hook, Policy
from .registry import built_in

NAME = re.compile(r"[a-z]+\.[a-z0-9_]+")
HOOKS = ("store", "load", "wake", "pressure")

_LINE = re.compile(r'File "([^"]+)", line (\d+)')
_LAYOUT = re.compile(r"(?<=World|w\.own)\([0-9a-f]{12}\)|(?<=w\.p)\([0-9a-f]{12}\)")
_LOADED: dict[Path, tuple[int, list[type[Policy]]]] = {}
_NOISE = ("Failed in nopython mode", "Invalid use of", "During: ", "Unknown attribute")


def load_policies(path: Path) -> list[type[Policy]]:
    """The policies that the file registers, in its order, their hooks compiled.

    Raises InvalidInputError with file and line for whatever is wrong with it: it can not be read or parsed, it
    raises, takes the name of a policy that exists, or its hooks do not compile. A file is read once, and again
    when it has changed.
    """
    # Before anything of the file runs, so that it cannot take a name that is only not known yet.
    built_in()
    path = path.absolute()
    try:
        refuse_special(path)
        stamp = path.stat().st_mtime_ns
        source = path.read_bytes()
    except OSError as error:
        raise InvalidInputError(f"cannot read the policy file {path}: {error.strerror}") from None
    if path in _LOADED and _LOADED[path][0] == stamp:
        return _LOADED[path][1]
    for old in _LOADED.pop(path, (0, []))[1]:
        REGISTRY.pop(old.name, None)
    known = set(REGISTRY)
    try:
        module = _execute(path, source)
        found = [cls for name, cls in REGISTRY.items() if name not in known]
        if not found:
            raise InvalidInputError(f"{path} registers no policy: put @register('family.name') before a class")
        for cls in found:
            _examine(path, cls, module)
    except BaseException:
        for name in set(REGISTRY) - known:
            del REGISTRY[name]
        raise
    _LOADED[path] = stamp, found
    return found


def _execute(path: Path, source: bytes) -> ModuleType:
    # Named after its path and kept in sys.modules: what compiled code is cached under, the same in every run.
    name = f"tmemlab_policy_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)
    except SyntaxError as error:
        raise InvalidInputError(f"{path}:{error.lineno}: {error.msg}") from None
    except NumbaError as error:
        raise _compile_error(path, error, None) from None
    except Exception as error:
        raise _at_line(path, error) from None
    return module


def _at_line(path: Path, error: Exception) -> InvalidInputError:
    """The error as one sentence that names the last line of the file on the way to it."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    where = f"{path}:{lines[-1]}" if lines else str(path)
    said = f"{error}: choose another name" if "two policies" in str(error) else str(error)
    if not isinstance(error, InvalidInputError):
        said = f"{type(error).__name__}: {error}"
    return InvalidInputError(f"{where}: {said}")


def _compile_error(path: Path, error: NumbaError, hook: Hook | None) -> InvalidInputError:
    """Numba's page of text as one sentence: the innermost line of the file, and what is wrong there."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    lines = [int(number) for name, number in _LINE.findall(text) if Path(name).name == path.name]
    line = lines[-1] if lines else hook.function.__code__.co_firstlineno if hook else 0
    said = [s.strip() for s in text.splitlines()]
    reasons = [s for s in said if s and not s.startswith(_NOISE) and not s.startswith(("File ", "[", "<source"))]
    unknown = [s for s in said if s.startswith("Unknown attribute")]
    reason = (unknown or reasons or ["it cannot be compiled"])[0].rstrip(".:")
    reason = _LAYOUT.sub("", reason)
    name = f"{hook.function.__name__} " if hook else ""
    return InvalidInputError(f"{path}:{line}: {name}cannot be compiled: {reason}")


def _line_of(path: Path, word: str, hook: Hook) -> int:
    """Where the hook uses ``word``, as near as a search tells."""
    first = hook.function.__code__.co_firstlineno
    lines = path.read_text(errors="replace").splitlines()
    using = [number for number, text in enumerate(lines, 1) if re.search(rf"\b{re.escape(word)}\b", text)]
    return next((number for number in using if number >= first), using[0] if using else first)


def _examine(path: Path, cls: type[Policy], module: ModuleType) -> None:
    """What can be said before a replay: names, parameters, hooks."""
    where = f"{path}: {cls.name}"
    if cls.__module__ != module.__name__:
        return  # of another policy file that this one imports
    if not NAME.fullmatch(cls.name):
        raise InvalidInputError(f"{where} is not of the form family.name, in lower case")
    if "__dataclass_fields__" not in cls.__dict__:
        raise InvalidInputError(f"{where} is not a dataclass: put @dataclass(frozen=True) under @register")
    plain = [field.name for field in fields(cls) if "about" not in field.metadata]
    if plain:
        raise InvalidInputError(f"{where}: {plain[0]} is not described: make it with param(default, 'about')")
    try:
        policy = cls()
        layout = policy.layout()
        layout.numbers_array(policy.numbers(1 << 20))
    except Exception as error:
        raise _at_line(path, error) from None
    for name in HOOKS:
        hook: Any = getattr(cls, name, None)
        if not isinstance(hook, Hook):
            what = "is not a hook: put @hook before the function" if hook else "is missing: every policy has one"
            raise InvalidInputError(f"{where}: {name} {what}")
        try:
            hook.native(layout)
        except NumbaError as error:
            raise _compile_error(path, error, hook) from None
        except KeyError as error:  # how Numba says that a record lacks a field
            field = str(error.args[0])
            line = _line_of(path, field, hook)
            raise InvalidInputError(
                f"{path}:{line}: no record has a field {field!r}: HOST and PAGE list theirs"
            ) from None
        except Exception as error:
            named = re.search(r"'(\w+)'", str(error))
            line = _line_of(path, named[1] if named else name, hook)
            raise InvalidInputError(f"{path}:{line}: {name} cannot be compiled: {error}") from None
