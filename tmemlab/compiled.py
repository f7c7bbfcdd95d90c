"""Where compiled hooks and loops are kept between runs; :func:`njit` and :func:`loop` for all that is compiled.

Numba decides whether its cache is stale by the file that holds the function, not by the files of the
functions it calls. A changed list primitive would go unnoticed in every policy that uses it, so the cache
folder is named after the content of all modules that others compile into themselves. A policy's own file is
not among them: numba sees that one change, and to edit one policy does not compile the others again.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import numba
from numba import njit
from numba.core.registry import CPUDispatcher

from .cache import private_folder, refused, root, why_not
from .code_cache import install

__all__ = ["Loop", "cache_folder", "inner", "loop", "njit", "shared_sources", "sources_digest"]

PACKAGE = Path(__file__).resolve().parent
STATES = 6
"""Folders that are kept of one installation: processes may be running from older ones."""

_IMPORT = re.compile(r"^from (\.+)([\w.]*) import (?:\(([^)]*)\)|([^\n#]*))", re.MULTILINE)
_COMPILES = ("njit(", "@njit", "@inner", "overload_attribute(", "@hook", "@loop(")


def _imported(path: Path, text: str) -> Iterator[Path]:
    """The modules of this package that a module imports from."""
    for dots, module, listed, line in _IMPORT.findall(text):
        folder = path.parents[len(dots) - 1].joinpath(*filter(None, module.split(".")))
        yield folder.with_suffix(".py")
        yield folder / "__init__.py"
        for name in re.split(r"[\s,]+", listed or line):
            yield folder / f"{name}.py"


def shared_sources() -> list[Path]:
    """Modules whose functions, records or constants end up in compiled code of another module.

    All that compile something and all that those import, however deep; a policy only where another imports it.
    """
    texts = {path: path.read_text() for path in PACKAGE.rglob("*.py")}
    policies = PACKAGE / "policies"
    alone = {path for path, text in texts.items() if "@register(" in text and path.is_relative_to(policies)}
    shared: set[Path] = set()
    compiling = [path for path, text in texts.items() if any(word in text for word in _COMPILES)]
    ahead = list(compiling)
    while ahead:
        path = ahead.pop()
        for other in _imported(path, texts[path]):
            if other in texts and other not in shared:
                shared.add(other)
                ahead.append(other)
    return sorted(shared | set(compiling) - alone)


@cache
def sources_digest() -> str:
    """A digest of the content of the shared modules."""
    digest = hashlib.sha256()
    for path in shared_sources():
        digest.update(f"{path.relative_to(PACKAGE)}:".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def cache_folder() -> Path:
    """The folder for this state of this installation, made if needed; its older states are removed."""
    home = root()
    if home is None:
        return private_folder()
    installation = home / "compiled" / hashlib.sha256(str(PACKAGE).encode()).hexdigest()[:16]
    folder = installation / sources_digest()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if why_not(folder) or not os.access(folder, os.W_OK):
            return private_folder()
        states = sorted((p for p in installation.iterdir() if p != folder), key=lambda p: p.stat().st_mtime)
        for old in states[: 1 - STATES]:
            shutil.rmtree(old, ignore_errors=True)
    except OSError:
        return private_folder()
    return folder


class _Inner(CPUDispatcher):  # type: ignore[misc]
    """A compiled function that Python has no way into: where it calls, a version with one is compiled."""

    def __call__(self, *arguments: Any) -> Any:
        if "with_entry" not in self.__dict__:
            self.with_entry = njit(self.py_func)  # kept nowhere: in the cache it would take this one's place
        return self.with_entry(*arguments)


def inner(function: Callable[..., Any]) -> Any:
    """Decorate what compiled code alone calls: without the wrapper for Python, a fifth less is compiled."""
    made = njit(cache=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)
    if isinstance(made, CPUDispatcher):  # else NUMBA_DISABLE_JIT is set
        made.__class__ = _Inner
    return made


class Loop:
    """A function of one signature, compiled or loaded when it is first called: no command uses all of them."""

    def __init__(self, function: Callable[..., Any], signature: Any) -> None:
        self._function, self._signature, self._lock = function, signature, Lock()
        self._compiled: Any = None
        self.__doc__, self.__name__ = function.__doc__, function.__name__

    @property
    def is_loaded(self) -> bool:
        """Whether it was needed so far."""
        return self._compiled is not None

    @property
    def compiled(self) -> Any:
        """Numba's dispatcher."""
        with self._lock:
            if self._compiled is None:
                self._compiled = njit(self._signature, cache=True, nogil=True)(self._function)
        return self._compiled

    def __call__(self, *arguments: Any) -> Any:
        """Run it, without the interpreter's lock."""
        return self.compiled(*arguments)


def loop(signature: Any) -> Callable[[Callable[..., Any]], Loop]:
    """Decorate a loop that Python calls, and nothing compiled does."""
    return lambda function: Loop(function, signature)


install()
_named = os.environ.get("NUMBA_CACHE_DIR")
if not _named or refused(Path(_named)):
    numba.config.CACHE_DIR = str(cache_folder())
