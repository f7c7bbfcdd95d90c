"""The manifest: what was recorded, on what host, how completely, and the checksum of every file.

>>> text = Manifest.read(path).to_json()
>>> Manifest.from_json(text).events.stores
125683
"""

import dataclasses
import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from ...errors import TraceError
from . import typedjson
from .extras import check_extras
from .schema import MANIFEST_NAME, SCHEMA_VERSION, TABLES, events_file

KINDS = ("swap", "access")
CLEN_METHODS = ("measured", "sampled", "modelled", "none")

_FILE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\.parquet")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CREATED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|\+00:00)", re.ASCII)


@dataclass(frozen=True)
class Kernel:
    """The kernel that was recorded, as uname gives it."""

    release: str
    machine: str
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SwapDevice:
    """A row of /proc/swaps."""

    device: str
    type: str  # partition, file or zram
    size_bytes: int
    priority: Any  # negative where the kernel chose it
    type_number: int | None = None
    """The number in swap entries; None where it is not known, and in traces recorded before it was kept."""
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require(type(self.priority) is int and abs(self.priority) < 2**31, "priority must be an integer")

    @property
    def is_zram(self) -> bool:
        """By its type, or by its name in traces whose type is the kernel's word for any block device."""
        return self.type == "zram" or re.search(r"\bzram\d+$", self.device) is not None


@dataclass(frozen=True)
class StartEnd:
    """Settings by parameter name, before and after the capture."""

    start: dict[str, Any] = field(default_factory=dict)
    end: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ProbeSet:
    """Which probes recorded, why those, and what they are blind to."""

    name: str
    reason: str
    cannot_see: list[str] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EventCounts:
    """Rows of events, in all and by op, and the events counted as dropped while recording."""

    recorded: int
    dropped: int
    stores: int
    loads: int
    invalidates: int
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reconciliation:
    """Events of one kind against the kernel's own count (None: there is no such count to compare with)."""

    recorded: int
    dropped: int
    kernel: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def exact(self) -> bool:
        """Nothing was dropped and the kernel counted the same."""
        return self.dropped == 0 and self.kernel in (None, self.recorded)


@dataclass(frozen=True)
class Certificate:
    """Whether the trace holds every store and load of its interval, and the evidence.

    ``gaps`` lists intervals that are known to be lost, each an object with ``from_ns``, ``to_ns`` and ``reason``.
    """

    complete: bool
    stores: Reconciliation
    loads: Reconciliation
    gaps: list[Any] = field(default_factory=list)
    note: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ClenMethod:
    """How compressed lengths were obtained; ``sampled`` is how many pages were compressed to find out."""

    method: str
    algorithm: str = ""
    sampled: int = 0
    note: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require(self.method in CLEN_METHODS, f"clen.method must be one of {', '.join(CLEN_METHODS)}")


@dataclass(frozen=True)
class FileEntry:
    """Checksum, rows and size in bytes of one file of the trace."""

    sha256: str
    rows: int
    bytes: int
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require(_SHA256.fullmatch(self.sha256) is not None, "sha256 must be 64 hexadecimal digits")


@dataclass(frozen=True)
class Manifest:
    """The manifest of one trace. ``files`` and the counts of ``events`` are filled by the writer."""

    kind: str
    created: str
    tool: str
    kernel: Kernel
    cpus: int
    ram_bytes: int
    clock: str
    duration_ns: int
    probe_set: ProbeSet
    events: EventCounts
    certificate: Certificate
    clen: ClenMethod
    swap: list[SwapDevice] = field(default_factory=list)
    zswap: StartEnd = field(default_factory=StartEnd)
    zram: list[Any] = field(default_factory=list)
    kernel_counters: dict[str, int] = field(default_factory=dict)
    recorded_counters: dict[str, int] = field(default_factory=dict)
    files: dict[str, FileEntry] = field(default_factory=dict)
    license: str = ""
    provenance: dict[str, Any] = field(default_factory=dict)
    anonymised: bool = False
    schema: str = SCHEMA_VERSION
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require(self.kind in KINDS, f"kind must be one of {', '.join(KINDS)}")
        _require(_CREATED.fullmatch(self.created) is not None, "created must be an ISO 8601 time in UTC")
        _require(self.ram_bytes > 0, "ram_bytes must be positive")
        _require(len(self.files) <= 100_000, "there are more than 100,000 files")
        for name in self.files:
            _require(_FILE_NAME.fullmatch(name) is not None, f"{name[:80]!r} is not a file name of a trace")

    @property
    def event_files(self) -> list[str]:
        """Names of the events files in time order."""
        return sorted(name for name in self.files if name.startswith("events-"))

    def to_json(self) -> str:
        """Indented JSON with the checksum over everything else as ``sha256``."""
        plain = typedjson.encode(self)
        plain.pop("sha256", None)
        plain["sha256"] = hashlib.sha256(typedjson.canonical(plain)).hexdigest()
        return json.dumps(plain, indent=2, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, what: str = MANIFEST_NAME) -> Self:
        """The manifest in ``text``; TraceError where it is damaged or not of this format."""
        plain = typedjson.parse(text.encode() if isinstance(text, str) else text, what)
        if not isinstance(plain, dict):
            raise TraceError(f"{what} is not a manifest: it must be a JSON object")
        version = plain.get("schema")
        if version != SCHEMA_VERSION:
            shown = json.dumps(version)[:60]
            raise TraceError(f"{what} has schema {shown}, not {SCHEMA_VERSION!r}: this version cannot read it")
        stated = plain.pop("sha256", None)
        if stated != hashlib.sha256(typedjson.canonical(plain)).hexdigest():
            raise TraceError(f"{what} does not match its own checksum: it was damaged or edited; fetch it again")
        manifest: Self = typedjson.decode(cls, plain, what)
        manifest._check_file_list(what)
        check_extras(manifest.extra, manifest.zram, what)
        return manifest

    @classmethod
    def read(cls, trace: Path) -> Self:
        """The manifest of the trace in directory ``trace``."""
        path = trace / MANIFEST_NAME
        try:
            if trace.is_file():
                raise TraceError(
                    f"{trace} is not a trace: a trace is a directory; unpack it if it is a packed one"
                )
            if not trace.exists():
                raise TraceError(f"{trace} is not a trace: no such directory")
            if path.is_symlink() or not path.is_file():
                raise TraceError(f"{trace} is not a trace: it has no {MANIFEST_NAME}")
            with path.open("rb") as stream:
                text = stream.read(typedjson.MAX_BYTES + 1)
        except OSError as error:
            raise TraceError(f"{path} cannot be read: {error.strerror}") from None
        return cls.from_json(text, str(path))

    def _check_file_list(self, what: str) -> None:
        expected = {f"{name}.parquet" for name in TABLES}
        expected.update(events_file(i) for i in range(max(1, len(self.event_files))))
        missing = sorted(expected - self.files.keys())
        if missing:
            raise TraceError(f"{what} does not list {missing[0]}: the trace is incomplete")
        rows = sum(self.files[name].rows for name in self.event_files)
        counts = self.events
        if not rows == counts.recorded == counts.stores + counts.loads + counts.invalidates:
            raise TraceError(
                f"{what} contradicts itself: {rows} rows of events, {counts.recorded} recorded, "
                f"{counts.stores} stores + {counts.loads} loads + {counts.invalidates} invalidates"
            )

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)


def _require(fits: bool, message: str) -> None:
    if not fits:
        raise ValueError(message)
