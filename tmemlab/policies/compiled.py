"""Where compiled hooks and loops are kept between runs.

Numba decides whether its cache is stale by the file that holds the function, not by the files of the
functions it calls. A changed list primitive would go unnoticed in every policy that uses it, so the cache
folder is named after the state of all compiled sources together.
"""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
ROOMS = ("policies", "replay")


def sources_digest() -> str:
    """A digest of name, size and time of every module that holds compiled code."""
    digest = hashlib.sha256()
    for room in ROOMS:
        for path in sorted((PACKAGE / room).rglob("*.py")):
            seen = path.stat()
            digest.update(f"{path}:{seen.st_size}:{seen.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def cache_folder() -> Path:
    """The folder for this state of this installation, made if needed; its older states are removed."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    installation = hashlib.sha256(str(PACKAGE).encode()).hexdigest()[:16]
    root = home / "tmemlab" / "compiled" / installation
    folder = root / sources_digest()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError
        states = sorted((p for p in root.iterdir() if p != folder), key=lambda p: p.stat().st_mtime)
        for old in states[:-1]:  # the last one stays: a process may be running from it
            shutil.rmtree(old, ignore_errors=True)
    except (OSError, RuntimeError):
        folder = Path(tempfile.mkdtemp(prefix="tmemlab-compiled-"))
    return folder


if "NUMBA_CACHE_DIR" not in os.environ:
    import numba

    numba.config.CACHE_DIR = str(cache_folder())
