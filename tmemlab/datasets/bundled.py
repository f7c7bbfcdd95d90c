"""The traces that ship with the package."""

from pathlib import Path

from ..errors import TmemlabError
from .schema import MANIFEST_NAME

_DIRECTORY = Path(__file__).parent / "bundled"


def bundled(directory: Path = _DIRECTORY) -> dict[str, Path]:
    """The bundled traces by name, in alphabetical order."""
    found = sorted(path.parent for path in directory.glob(f"*/{MANIFEST_NAME}"))
    # a name with a dot is a recording that is being made
    return {path.name: path for path in found if "." not in path.name}


def default_trace(directory: Path = _DIRECTORY) -> Path:
    """The trace that is used where none is given: the first by name. TmemlabError where there is none."""
    for path in bundled(directory).values():
        return path
    raise TmemlabError("this installation has no bundled trace: give the trace to use")
