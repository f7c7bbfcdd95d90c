"""What to publish beside a trace: a dataset card in Markdown, Croissant JSON-LD, a citation."""

import re
from typing import Any

import pyarrow as pa

from ...printing import safe
from ...units import format_bytes, format_count, format_duration
from ..trace.read import Trace
from ..trace.schema import EVENTS, TABLES
from .info import info

_SPDX = "https://spdx.org/licenses/"
_MEANING = {
    "t": "ns since the trace began", "op": "0 store, 1 load, 2 invalidate", "page": "row of pages",
    "slot": "swap offset in pages, the device in the top 4 bits",
    "clen": "compressed length in bytes, 0 same-filled",
    "cgroup": "row of cgroups", "task": "row of tasks",
    "where": "0 pool, 1 disk, 2 zero-filled, 3 rejected by the pool, 4 unknown, 5 write failed",
    "flags": "1 readahead, 2 direct reclaim, 4 large folio, 8 the copy stays valid", "latency": "ns",
    "space": "address space", "vpn": "virtual page number relative to the lowest of its space", "kind": "code",
}  # fmt: skip


def card(trace: Trace, name: str, *, url: str = "") -> str:
    """A dataset card in Markdown, with the YAML header that dataset hubs read."""
    found, manifest = info(trace), trace.manifest
    where = found["where"]
    rows = "\n".join(
        f"| {label} | {format_count(found[label])} | "
        + " | ".join(format_count(where[op][place]) for place in where[op])
        + " |"
        for op, label in (("store", "stores"), ("load", "loads"), ("invalidate", "invalidates"))
    )
    places = " | ".join(where["store"])
    per_event = found["bytes_per_event"]
    return f"""---
license: {(manifest.license or "unknown").lower()}
pretty_name: {_line(name)}
tags: [linux, swap, zswap, zram, memory, trace]
configs:
- config_name: events
  data_files: "events-*.parquet"
---

# {_line(name)}

{_line(manifest.provenance.get("workload") or "Swap traffic of a Linux host.")}

- **Recorded**: {_line(manifest.created)}, by {_line(manifest.tool)}, probe set {_line(manifest.probe_set.name)}
- **Host**: Linux {_line(manifest.kernel.release)} {_line(manifest.kernel.machine)}, {manifest.cpus} CPUs,
  {format_bytes(manifest.ram_bytes)} RAM
- **Duration**: {format_duration(manifest.duration_ns / 1e9)}
- **Events**: {format_count(len(trace))} on {format_count(trace.pages)} pages, {format_bytes(found["bytes"])}
  ({"-" if per_event is None else f"{per_event:.2f}"} bytes an event)
- **Complete**: {"yes" if manifest.certificate.complete else "no"}{_after(manifest.certificate.note)}
- **Compressed lengths**: {_line(f"{manifest.clen.method} {manifest.clen.algorithm}")}{_after(manifest.clen.note)}
- **Anonymised**: {"yes" if manifest.anonymised else "no"}
- **License**: {_line(manifest.license or "none given")}
- **How**: {_line(manifest.provenance.get("how") or "-")}
{f"- **Address**: {url}" if url else ""}
## Events

| | all | {places} |
|---|---|{"---|" * len(where["store"])}
{rows}

## What it cannot tell

{_bullets(manifest.probe_set.cannot_see)}

## Use

```python
import polars as pl

pl.scan_parquet("{_line(name)}/events-*.parquet").group_by("op").len().collect()
```

`tmemlab replay` takes it through the policies, `tmemlab datasets verify` checks every byte. The columns are
explained in docs/trace-format.md (tmemlab.trace/1).

## Citation

```bibtex
{citation(trace, name, url=url)}
```
"""


def citation(trace: Trace, name: str, *, url: str = "", doi: str = "") -> str:
    """BibTeX with what a repository asks for when it gives out a DOI."""
    created = trace.manifest.created
    fields = {
        "title": f"{_line(name)}: swap traffic of a Linux host",
        "author": "{The tmemlab authors}",
        "year": created[:4],
        "date": created[:10],
        "type": "Dataset",
        "version": "tmemlab.trace/1",
        "license": _line(trace.manifest.license),
        "url": url,
        "doi": doi,
    }
    key = re.sub(r"[^a-z0-9]+", "-", name.lower())
    return f"@misc{{{key},\n" + "".join(f"  {n} = {{{v}}},\n" for n, v in fields.items() if v) + "}"


def croissant(trace: Trace, name: str, *, url: str = "") -> dict[str, Any]:
    """A description in Croissant 1.0 (MLCommons), with every file, every table and every column.

    Addresses of files are relative to the description where no ``url`` is given.
    """
    manifest = trace.manifest
    base = url.rstrip("/") + "/" if url else ""
    distribution = [
        {
            "@type": "cr:FileObject",
            "@id": file,
            "name": file,
            "contentUrl": base + file,
            "contentSize": f"{entry.bytes} B",
            "encodingFormat": "application/x-parquet",
            "sha256": entry.sha256,
        }
        for file, entry in sorted(manifest.files.items())
    ]
    records = [_record_set(file.removesuffix(".parquet"), file, EVENTS) for file in manifest.event_files]
    records += [_record_set(table, f"{table}.parquet", schema) for table, schema in TABLES.items()]
    described = manifest.provenance.get("workload")
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": re.sub(r"[^A-Za-z0-9_-]", "-", name),
        "description": f"Swap traffic of a Linux host: {len(trace)} events on {trace.pages} pages."
        + (f" {described}" if isinstance(described, str) and described else ""),
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "license": _SPDX + manifest.license if manifest.license else "unknown",
        "url": url or f"https://example.org/{re.sub(r'[^A-Za-z0-9_-]', '-', name)}",
        "version": "1.0.0",
        "datePublished": manifest.created[:10],
        "creator": {"@type": "sc:Organization", "name": "The tmemlab authors"},
        "keywords": ["linux", "swap", "zswap", "zram", "memory", "trace"],
        "citeAs": citation(trace, name, url=url),
        "distribution": distribution,
        "recordSet": records,
    }


def _record_set(table: str, file: str, schema: pa.Schema) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": table,
        "name": table,
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{table}/{field.name}",
                "name": field.name,
                "description": _MEANING.get(field.name, field.name.replace("_", " ")),
                "dataType": "sc:Text" if pa.types.is_string(field.type) else "sc:Integer",
                "source": {"fileObject": {"@id": file}, "extract": {"column": field.name}},
            }
            for field in schema
        ],
    }


def _line(value: Any) -> str:
    """Text of a trace on one line that Markdown leaves alone."""
    text = safe(" ".join(str(value).split()))
    return re.sub(r"([\\`*_<>|\[\]])", r"\\\1", text) if re.search(r"[<>|\[\]`]", text) else text


def _after(note: str) -> str:
    return f" ({_line(note)})" if note else ""


def _bullets(lines: list[str]) -> str:
    return "\n".join(f"- {_line(line)}" for line in lines) or "- nothing is known to be missing"


_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
