"""The formats that traces are exported to and imported from, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from ...errors import InvalidInputError
from ..trace.manifest import Manifest
from ..trace.read import Trace


@dataclass(frozen=True)
class Format:
    """A format: where its functions live, and what there is to say about it in one line."""

    module: str
    about: str
    exporter: str = ""
    importer: str = ""


FORMATS = {
    "libcachesim": Format(
        "libcachesim",
        "oracleGeneral, 24-byte records; .zst is compressed",
        "export_libcachesim",
        "import_libcachesim",
    ),
    "csv": Format("csvfile", "comma-separated text with a header", "export_csv", "import_csv"),
    "parquet": Format("parquetfile", "Parquet of others, by a column map", importer="import_parquet"),
    "perf": Format("perfscript", "perf script, trace-cmd report, damo's perf records", importer="import_perf"),
    "blkparse": Format("blocktext", "blkparse of a swap device", importer="import_blkparse"),
    "bpftrace": Format("blocktext", "block requests printed by bpftrace", importer="import_bpftrace"),
    "swapreplay": Format("blocktext", "compcache SwapReplay text", importer="import_swapreplay"),
    "lackey": Format("lackey", "valgrind --tool=lackey --trace-mem=yes", importer="import_lackey"),
}


def export_trace(trace: Trace, path: Path, name: str, **options: Any) -> int:
    """Write ``trace`` to ``path`` in the format ``name``; how many records. ``options`` are the exporter's own."""
    return int(_function(name, "exporter", options)(trace, path, **options))


def import_trace(path: Path, out: Path, name: str, **options: Any) -> Manifest:
    """Convert ``path`` from the format ``name`` to a trace at ``out``. ``options`` are the importer's own."""
    manifest: Manifest = _function(name, "importer", options)(path, out, **options)
    return manifest


def _function(name: str, direction: str, options: dict[str, Any]) -> Callable[..., Any]:
    having = [known for known, about in FORMATS.items() if getattr(about, direction)]
    if name not in having:
        raise InvalidInputError(f"{name!r} has no {direction}: use {', '.join(having)}")
    module = import_module(f".{FORMATS[name].module}", __package__)
    function: Callable[..., Any] = getattr(module, getattr(FORMATS[name], direction))
    accepted = function.__kwdefaults__ or {}
    for option in options:
        if option not in accepted:
            raise InvalidInputError(
                f"{option} is not an option of the format {name}: it has {', '.join(accepted)}"
            )
    return function
