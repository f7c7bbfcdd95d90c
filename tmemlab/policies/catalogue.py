"""Find policies by name, and parse ``name:key=value,...`` as the command line writes them."""

import re
from pathlib import Path

from ..errors import InvalidInputError
from .interface import Policy
from .registry import family, find_policy, of_kernel
from .userfile import load_policies

_FILE = re.compile(r"(?P<file>.*?\.py)(?:::(?P<name>[^:]*))?(?::(?P<settings>[^:].*)?)?")

DEFAULTS = (
    "bounds.none", "bounds.unbounded", "bounds.clairvoyant",
    "tmem.frontswap", "zswap.v6_18", "zram.basic", "vm.pressure",
)  # fmt: skip
"""What a comparison without ``-p`` shows; the bounds first."""

ACCESS_DEFAULTS = ("bounds.clairvoyant:bypass=off", "order.lru", "order.fifo")
"""The same for an access trace, where a missing page has to be taken in."""


def default_policies(kind: str) -> list[Policy]:
    """What is compared on a trace of this kind when no policy is named."""
    return [parse_policy(text) for text in (ACCESS_DEFAULTS if kind == "access" else DEFAULTS)]


def parse_policy(text: str, kernel: str | None = None) -> Policy:
    """A policy from ``zswap.v6_18``, ``zswap.v6_18:max_pool_percent=10,shrinker=on`` or ``./mine.py``.

    ``zswap`` and ``zram`` alone are those of ``kernel``, a release; see :func:`select`. InvalidInputError also
    where a file holds several: ``./mine.py::family.name`` chooses.
    """
    chosen = parse_policies(text, kernel)
    if len(chosen) > 1:
        names = ", ".join(policy.name for policy in chosen)
        raise InvalidInputError(f"{text!r} holds several policies, {names}: choose one as FILE::NAME")
    return chosen[0]


def parse_policies(text: str, kernel: str | None = None) -> list[Policy]:
    """The same; a file without ``::NAME`` gives every policy in it, all with these settings."""
    kinds, settings = select(text, kernel)
    return [configure(kind, settings, text) for kind in kinds]


def select(text: str, kernel: str | None = None) -> tuple[list[type[Policy]], str]:
    """The policies that ``text`` names, and the settings that follow.

    A family alone, such as ``zswap``, is the version that ``kernel`` runs; without a kernel, the newest.
    """
    match = _FILE.fullmatch(text.strip())
    if match:
        found = load_policies(Path(match["file"]).expanduser())
        if match["name"] is not None:
            chosen = [kind for kind in found if kind.name == match["name"]]
            if not chosen:
                has = ", ".join(kind.name for kind in found)
                raise InvalidInputError(f"{match['file']} has no policy {match['name']!r}: it has {has}")
            found = chosen
        return found, match["settings"] or ""
    name, _, settings = text.partition(":")
    if "/" in name:
        raise InvalidInputError(f"{name!r} is not a policy: a policy file ends in .py")
    return [_of_family(name.strip(), kernel) or find_policy(name.strip())], settings


def _of_family(name: str, kernel: str | None) -> type[Policy] | None:
    """The version of a family that was meant; None where ``name`` is no family of kernels."""
    members = family(name) if name.isalpha() else []
    if not members:
        return None
    return of_kernel(name, kernel) if kernel else members[-1]


def chosen_version(text: str, kernel: str | None) -> str | None:
    """What a family alone was taken to mean, in a sentence; None where ``text`` names a policy itself."""
    name = text.partition(":")[0].strip()
    kind = _of_family(name, kernel)
    if kind is None:
        return None
    why = f"which Linux {kernel} runs" if kernel else "the newest: the trace does not say which kernel it is of"
    return f"{name} is {kind.name}, {why}"


def split_settings(settings: str, text: str) -> dict[str, str]:
    """``a=1,b=on`` as a dictionary of texts; ``text`` is what to show when it is not of that form."""
    values: dict[str, str] = {}
    for setting in filter(None, settings.split(",")):
        key, equals, value = (part.strip() for part in setting.partition("="))
        if not equals:
            raise InvalidInputError(f"{text!r}: {setting!r} is not of the form key=value")
        values[key] = value
    return values


def configure(kind: type[Policy], settings: str, text: str) -> Policy:
    """A policy with ``settings``; InvalidInputError names the parameter that it has not, or that does not fit."""
    types: dict[str, type[str | int | float]] = {p.name: type(p.default) for p in kind.params()}
    values: dict[str, str | int | float] = {}
    for key, value in split_settings(settings, text).items():
        if key not in types:
            has = ", ".join(types) or "none"
            raise InvalidInputError(f"{kind.name} has no parameter {key!r}: it has {has}")
        try:
            values[key] = value if types[key] is str else types[key](value)
        except ValueError:
            wanted = "a whole number" if types[key] is int else "a number"
            raise InvalidInputError(f"{kind.name}: {key}={value} is not {wanted}") from None
    return kind(**values)
