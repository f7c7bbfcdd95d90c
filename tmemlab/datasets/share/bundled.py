"""The traces that ship with the package."""

from pathlib import Path

from ...errors import TmemlabError
from ..trace.schema import MANIFEST_NAME

DEFAULT = "sqlite-limit"
"""A pool whose limit was at work, so that policies differ."""

_DIRECTORY = Path(__file__).parent.parent / "bundled"


def bundled(directory: Path = _DIRECTORY) -> dict[str, Path]:
    """The bundled traces by name, in alphabetical order."""
    found = sorted(path.parent for path in directory.glob(f"*/{MANIFEST_NAME}"))
    # a name with a dot is a recording that is being made
    return {path.name: path for path in found if "." not in path.name}


def resolve(path: Path, directory: Path = _DIRECTORY) -> Path:
    """``path``, or the bundled trace of that name where nothing is at ``path``."""
    if len(path.parts) == 1 and not path.exists():
        return bundled(directory).get(path.name, path)
    return path


def default_trace(directory: Path = _DIRECTORY) -> Path:
    """The trace that is used where none is given: DEFAULT, or else the first by name.

    TmemlabError where there is none.
    """
    known = bundled(directory)
    if known:
        return known.get(DEFAULT) or next(iter(known.values()))
    raise TmemlabError("this installation has no bundled trace: give the trace to use")
