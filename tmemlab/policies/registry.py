"""Which policies there are, by name: a file in a family folder is all it takes."""

import contextlib
import difflib
import importlib.util
import pkgutil
import re

from .. import policies
from ..errors import InvalidInputError
from .interface import REGISTRY, Policy

_NAME = re.compile(r"[a-z]+\.[a-z0-9_]+")
_OF_KERNEL = re.compile(r"([a-z]+)\.v?(\d+)[._](\d+)")
_RELEASE = re.compile(r"(\d+)\.(\d+)")


def all_policies() -> dict[str, type[Policy]]:
    """Every policy by name, families in alphabetical order. A file in a family folder is all it takes."""
    for module in pkgutil.walk_packages(policies.__path__, policies.__name__ + "."):
        importlib.import_module(module.name)
    return dict(sorted(REGISTRY.items()))


def built_in() -> dict[str, type[Policy]]:
    """Those of this package: without policies from files of somebody's own."""
    return {n: p for n, p in all_policies().items() if p.__module__.startswith(policies.__name__ + ".")}


def find_policy(name: str) -> type[Policy]:
    """The policy called ``name``, or the one of a kernel: ``zswap.6.18`` and ``zswap.v6.17`` are ``zswap.v6_18``.

    InvalidInputError names the nearest ones otherwise.
    """
    if name in REGISTRY:
        return REGISTRY[name]
    # By convention family.name is the file family/name.py; one file that is asked for is all that is read.
    if _NAME.fullmatch(name) and importlib.util.find_spec(f"{policies.__name__}.{name.partition('.')[0]}"):
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(f"{policies.__name__}.{name}")
    known = REGISTRY if name in REGISTRY else all_policies()
    if name in known:
        return known[name]
    version = _OF_KERNEL.fullmatch(name)
    if version and family(version[1]):
        return of_kernel(version[1], f"{version[2]}.{version[3]}")
    families = {other.partition(".")[0] for other in known}
    meant = name.partition(".")[0]
    meant = meant if meant in families else "".join(difflib.get_close_matches(meant, families, n=1))
    near = [other for other in known if name in other or meant == other.partition(".")[0]]
    raise InvalidInputError(
        f"there is no policy called {name!r}: "
        + (f"did you mean {', '.join(near)}?" if near else "see 'tmemlab policies list'")
    )


def family(name: str) -> list[type[Policy]]:
    """The policies of a family that some kernel runs, oldest kernel first; empty where it has none."""
    members = [kind for known, kind in all_policies().items() if known.partition(".")[0] == name and _since(kind)]
    return sorted(members, key=lambda kind: _since(kind) or (0, 0))


def _since(kind: type[Policy]) -> tuple[int, int] | None:
    """Its own ``since``: what builds on a kernel's policy is not that kernel's for it."""
    found: tuple[int, int] | None = vars(kind).get("since")
    return found


def of_kernel(name: str, release: str) -> type[Policy]:
    """The policy of a family that a kernel runs, by its release; InvalidInputError where there is none."""
    version = _RELEASE.match(release)
    if version is None:
        raise InvalidInputError(f"the kernel {release!r} is of no known version: name another, or a policy")
    number = int(version[1]), int(version[2])
    fitting = [kind for kind in family(name) if (_since(kind) or number) <= number]
    if not fitting:
        raise InvalidInputError(f"Linux {release} had no {name}: name another kernel, or a policy")
    return fitting[-1]


def kernels(kind: type[Policy]) -> str:
    """Which kernels run a policy: ``6.12 to 6.14``; empty where none does."""
    since = _since(kind)
    if since is None:
        return ""
    first = "{}.{}".format(*since)
    begun = (_since(other) for other in family(kind.name.partition(".")[0]))
    later = [other for other in begun if other and other > since]
    if not later:
        return f"{first} and later"
    major, minor = later[0]
    last = f"{major}.{minor - 1}" if minor else f"before {major}.0"
    return first if last == first else f"{first} to {last}"
