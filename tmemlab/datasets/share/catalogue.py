"""The catalogue: traces that are known by name, where they are and what they must be.

A catalogue is a JSON file, ``{"schema": "tmemlab.catalogue/1", "version", "traces": {name: entry}}``. The one of
the package lists the bundled traces; any other can be given.
"""

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import InvalidInputError, TraceError
from ..trace import typedjson
from ..trace.read import Trace
from ..trace.schema import MANIFEST_NAME
from .bundled import bundled

CATALOGUE_SCHEMA = "tmemlab.catalogue/1"
CATALOGUE = Path(__file__).parent / "catalogue.json"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Entry:
    """One trace: ``url`` is where it is (empty: it is bundled), ``manifest_sha256`` what its manifest must be."""

    url: str
    manifest_sha256: str
    kind: str
    events: int
    pages: int
    bytes: int
    duration_ns: int
    license: str
    kernel: str
    workload: str
    recorded: str
    how: str
    doi: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Catalogue:
    """Entries by name, and which ``version`` of the list it is."""

    schema: str
    version: int
    traces: dict[str, Entry]
    extra: dict[str, Any] = field(default_factory=dict)

    def entry(self, name: str) -> Entry:
        """The entry of that name; InvalidInputError where there is none."""
        if name not in self.traces:
            known = ", ".join(sorted(self.traces)) or "nothing"
            raise InvalidInputError(f"the catalogue has no trace {name!r}: it has {known}")
        return self.traces[name]

    def to_json(self) -> str:
        """The text of the catalogue's file."""
        return json.dumps(typedjson.encode(self), indent=2, sort_keys=True) + "\n"


def read_catalogue(path: Path = CATALOGUE) -> Catalogue:
    """The catalogue in the file ``path``; TraceError where it is not one."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read ({error.strerror}): name a catalogue") from None
    plain = typedjson.parse(text, str(path))
    if not isinstance(plain, dict) or plain.get("schema") != CATALOGUE_SCHEMA:
        raise TraceError(f"{path} is not a catalogue: its schema must be {CATALOGUE_SCHEMA!r}")
    found: Catalogue = typedjson.decode(Catalogue, plain, str(path))
    for name in found.traces:
        if not _NAME.fullmatch(name):
            raise TraceError(f"{path}: {ascii(name)[:80]} is not a name of a trace")
    return found


def describe(trace: Trace, *, url: str = "") -> Entry:
    """The entry for ``trace``, from its manifest."""
    manifest = trace.manifest
    text = (trace.path / MANIFEST_NAME).read_bytes()
    return Entry(
        url=url,
        manifest_sha256=hashlib.sha256(text).hexdigest(),
        kind=manifest.kind,
        events=len(trace),
        pages=trace.pages,
        bytes=sum(entry.bytes for entry in manifest.files.values()) + len(text),
        duration_ns=manifest.duration_ns,
        license=manifest.license,
        kernel=manifest.kernel.release,
        workload=_text(manifest.provenance, "workload"),
        recorded=manifest.created,
        how=_text(manifest.provenance, "how"),
    )


def bundled_catalogue(version: int) -> Catalogue:
    """A catalogue of the traces that are bundled now."""
    traces = {name: describe(Trace.open(path)) for name, path in bundled().items()}
    return Catalogue(CATALOGUE_SCHEMA, version, traces)


def locate(name: str, catalogue: Catalogue) -> tuple[str, str]:
    """The URL (or directory) of a named trace and the SHA-256 of its manifest."""
    entry = catalogue.entry(name)
    if entry.url:
        return entry.url, entry.manifest_sha256
    if name not in bundled():
        raise InvalidInputError(f"{name} is not bundled with this installation and its catalogue gives no address")
    return str(bundled()[name]), entry.manifest_sha256


def _text(provenance: dict[str, Any], key: str) -> str:
    value = provenance.get(key, "")
    return value if isinstance(value, str) else ""
