"""Which policies there are, by name: a file in a family folder is all it takes."""

import contextlib
import importlib.util
import pkgutil
import re

from .. import policies
from ..errors import InvalidInputError
from .interface import REGISTRY, Policy

_NAME = re.compile(r"[a-z]+\.[a-z0-9_]+")


def all_policies() -> dict[str, type[Policy]]:
    """Every policy by name, families in alphabetical order. A file in a family folder is all it takes."""
    for module in pkgutil.walk_packages(policies.__path__, policies.__name__ + "."):
        importlib.import_module(module.name)
    return dict(sorted(REGISTRY.items()))


def built_in() -> dict[str, type[Policy]]:
    """Those of this package: without policies from files of somebody's own."""
    return {n: p for n, p in all_policies().items() if p.__module__.startswith(policies.__name__ + ".")}


def find_policy(name: str) -> type[Policy]:
    """The policy called ``name``; InvalidInputError names the nearest ones otherwise."""
    if name in REGISTRY:
        return REGISTRY[name]
    # By convention family.name is the file family/name.py; one file that is asked for is all that is read.
    if _NAME.fullmatch(name) and importlib.util.find_spec(f"{policies.__name__}.{name.partition('.')[0]}"):
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(f"{policies.__name__}.{name}")
    known = REGISTRY if name in REGISTRY else all_policies()
    if name in known:
        return known[name]
    near = [other for other in known if name in other or name.split(".")[0] == other.split(".")[0]]
    raise InvalidInputError(
        f"there is no policy called {name!r}: "
        + (f"did you mean {', '.join(near)}?" if near else "see 'tmemlab policies list'")
    )
