"""Where compiled hooks and loops are kept between runs.

Numba decides whether its cache is stale by the file that holds the function, not by the files of the
functions it calls. A changed list primitive would go unnoticed in every policy that uses it, so the cache
folder is named after the content of all modules that others compile into themselves. A policy's own file is
not among them: numba sees that one change, and to edit one policy does not compile the others again.
"""

import hashlib
import os
import re
import shutil
import tempfile
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
STATES = 6
"""Folders that are kept of one installation: processes may be running from older ones."""

_SIBLINGS = re.compile(r"^from \.([\w.]*) import ([^(\n#]*)", re.MULTILINE)


def shared_sources() -> list[Path]:
    """Modules whose functions, records or constants end up in compiled code of another module."""
    policies = {path: path.read_text() for path in (PACKAGE / "policies").rglob("*.py")}
    shared = {path for path, text in policies.items() if "@register(" not in text}
    for path, text in policies.items():  # a policy that others build upon
        for module, names in _SIBLINGS.findall(text):
            folder = path.parent.joinpath(*module.split("."))
            used = [folder.with_suffix(".py")] if module else []
            used += [folder / f"{name.strip()}.py" for name in names.split(",")]
            shared.update(sibling for sibling in used if sibling in policies)
    for package in ("replay", "collect", "datasets"):
        shared.update(path for path in (PACKAGE / package).glob("*.py") if "njit" in path.read_text())
    return sorted([*shared, PACKAGE / "datasets" / "schema.py"])


def sources_digest() -> str:
    """A digest of the content of the shared modules."""
    digest = hashlib.sha256()
    for path in shared_sources():
        digest.update(f"{path.name}:".encode() + path.read_bytes())
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
        for old in states[: 1 - STATES]:
            shutil.rmtree(old, ignore_errors=True)
    except (OSError, RuntimeError):
        folder = Path(tempfile.mkdtemp(prefix="tmemlab-compiled-"))
    return folder


if "NUMBA_CACHE_DIR" not in os.environ:
    import numba

    numba.config.CACHE_DIR = str(cache_folder())
