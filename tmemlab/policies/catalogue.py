"""Find policies by name, and parse ``name:key=value,...`` as the command line writes them."""

import contextlib
import importlib.util
import pkgutil
import re

from .. import policies
from ..errors import InvalidInputError
from .interface import REGISTRY, Policy

_NAME = re.compile(r"[a-z]+\.[a-z0-9_]+")

DEFAULTS = (
    "bounds.none", "bounds.unbounded", "bounds.clairvoyant",
    "tmem.frontswap", "zswap.v6_18", "zram.basic", "vm.pressure",
)  # fmt: skip
"""What a comparison without ``-p`` shows; the bounds first."""

ACCESS_DEFAULTS = ("bounds.clairvoyant:bypass=off", "order.lru", "order.fifo")
"""The same for an access trace, where a missing page has to be taken in."""


def all_policies() -> dict[str, type[Policy]]:
    """Every policy by name, families in alphabetical order. A file in a family folder is all it takes."""
    for module in pkgutil.walk_packages(policies.__path__, policies.__name__ + "."):
        importlib.import_module(module.name)
    return dict(sorted(REGISTRY.items()))


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


def parse_policy(text: str) -> Policy:
    """A policy from ``zswap.v6_18`` or ``zswap.v6_18:max_pool_percent=10,shrinker=on``."""
    name, _, settings = text.partition(":")
    policy = find_policy(name.strip())
    types: dict[str, type[str | int | float]] = {p.name: type(p.default) for p in policy.params()}
    values: dict[str, str | int | float] = {}
    for setting in filter(None, settings.split(",")):
        key, equals, value = (part.strip() for part in setting.partition("="))
        if not equals:
            raise InvalidInputError(f"{text!r}: {setting!r} is not of the form key=value")
        if key not in types:
            has = ", ".join(types) or "none"
            raise InvalidInputError(f"{name} has no parameter {key!r}: it has {has}")
        try:
            values[key] = value if types[key] is str else types[key](value)
        except ValueError:
            kind = "a whole number" if types[key] is int else "a number"
            raise InvalidInputError(f"{name}: {key}={value} is not {kind}") from None
    return policy(**values)
