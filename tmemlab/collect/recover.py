"""Making a trace of a recording whose recorder died.

>>> recover(Path("/tmp/trace"), None).events
185434
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import InvalidInputError, TraceError
from .recording.run import convert_kept
from .spool import SpoolReader


@dataclass(frozen=True)
class RecoverReport:
    """What recovering came to. ``lost_note`` is a sentence about what may be missing."""

    path: Path
    events: int
    lost_note: str
    complete: bool


def recover(spool_dir: Path, out: Path | None, note: Callable[[str], None] = lambda _: None) -> RecoverReport:
    """The trace of an unfinished recording: written in place of ``spool_dir``, or to ``out``.

    TraceError where ``spool_dir`` holds no recording, InvalidInputError where ``out`` exists, TmemlabError on a
    full disk, with the recording kept.
    """
    reader = SpoolReader(spool_dir)
    if reader.is_being_written():
        raise InvalidInputError(f"{spool_dir} is still being recorded: end the recorder first, with Ctrl-C")
    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InvalidInputError(f"{out} already exists: name a directory that does not, or remove it")
    for _ in reader.frames():
        pass
    torn = reader.torn_bytes
    try:
        manifest = convert_kept(spool_dir, out or spool_dir, note, {})
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise TraceError(
            f"the recording in {spool_dir} is of another version of tmemlab, or damaged "
            f"({type(error).__name__}: {error}): recover it with the one that made it"
        ) from error
    if manifest.certificate.complete:
        lost = "nothing was lost"
    elif torn:
        lost = f"the last frame was cut off after {torn} bytes: at most the last second of events is lost"
    else:
        lost = manifest.certificate.note
    return RecoverReport(out or spool_dir, manifest.events.recorded, lost, manifest.certificate.complete)
