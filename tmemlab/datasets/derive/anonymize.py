"""A trace without what would tell whose it is; what a replay needs stays to the last bit.

Names of commands and cgroups, and process ids, become HMAC-SHA256 values under a key that is thrown away unless
the caller keeps it: equal names stay equal, and nobody without the key can try names out. Counters since boot
start at zero, mappings of an address space lie in an order and at distances of their own (layout.py), and the
manifest keeps only what redact.py knows to be harmless. ``manifest.extra["redaction"]`` says what was done.
docs/privacy.md says what somebody who has the result can learn.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ... import __version__
from ...errors import InvalidInputError
from ..formats._ids import DenseIds
from ..trace.manifest import Manifest
from ..trace.read import Trace
from ..trace.schema import CGROUPS, PAGES, PRESSURE, SAMPLES, TASKS, VMSTAT_COUNTERS
from ..trace.write import TraceWriter
from .hostsize import HostSize, rounded
from .layout import moved
from .redact import dropped_fields, harmless_extras, redacted_manifest

KEY_BYTES = 32
_MERGED = "merged"
_STEP = 1 << 20
_SINCE_BOOT = {
    *VMSTAT_COUNTERS, "psi_some_us", "psi_full_us",
    "zswap_limit_hit", "zswap_reject_total", "zswap_written_back",
}  # fmt: skip


def new_key() -> bytes:
    """A key that nobody else has."""
    return secrets.token_bytes(KEY_BYTES)


def anonymize(
    trace: Trace, out: Path, *, key: bytes | None = None, coarsen_ns: int = 1, k: int = 1, exact_host: bool = False
) -> Manifest:
    """Write ``trace`` to ``out`` without what identifies its host, its users and their programs.

    ``key`` makes the same names the same in several traces; without it a new one is used and forgotten.
    ``coarsen_ns`` rounds every time down to a multiple. Commands and cgroups with fewer than ``k`` events become
    one row, and the next larger ones with them until that has ``k`` events and two names; a command is one row
    then, whatever processes ran it. Sizes of RAM, swap and limits are rounded and what is a share of them is
    scaled (hostsize.py), unless ``exact_host``: then, without ``coarsen_ns`` and ``k``, a replay gives the same
    scores.
    """
    if coarsen_ns < 1 or k < 1:
        raise InvalidInputError("times are rounded to at least 1 ns and groups kept from 1 event on")
    key = new_key() if key is None else key
    if len(key) < 16:
        raise InvalidInputError(f"a key of {len(key)} bytes could be guessed: use at least 16")
    tasks, cgroups = trace.table("tasks").to_pylist(), trace.table("cgroups").to_pylist()
    task_events, cgroup_events = _events_by_group(trace)
    commands = _group([row["comm"] for row in tasks], task_events, k, one_row=k > 1)
    paths = _group([row["path"] for row in cgroups], cgroup_events, k)
    with TraceWriter(out) as writer:
        for batch in trace.batches():
            ids = {"task": commands.row[batch["task"]], "cgroup": paths.row[batch["cgroup"]]}
            writer.write_events({**batch, **ids, "t": _coarse(batch["t"], coarsen_ns)})
        _write_pages(trace, writer, key)
        rows = [_task(tasks[i], key, commands, paths) for i in commands.kept]
        writer.write_table("tasks", pa.Table.from_pylist(rows, TASKS))
        groups = [_cgroup(cgroups[i], key, paths, exact_host) for i in paths.kept]
        writer.write_table("cgroups", pa.Table.from_pylist(groups, CGROUPS))
        size = HostSize.of(trace.manifest)
        samples = _samples(trace.table("samples"), coarsen_ns)
        writer.write_table("samples", samples if exact_host else size.samples(samples))
        writer.write_table("pressure", _pressure(trace.table("pressure"), coarsen_ns, commands, paths))
        report = {
            "by": f"tmemlab {__version__}",
            "names": "HMAC-SHA256 under a key that is not in the trace",
            "commands": len({row["comm"] for row in tasks}),
            "cgroups": len({row["path"] for row in cgroups}),
            "commands_merged": len(commands.rare),
            "cgroups_merged": len(paths.rare),
            "k": k,
            "time_rounded_to_ns": coarsen_ns,
            "host": "exact" if exact_host else "sizes rounded to an eighth of a power of two",
            "dropped": sorted(dropped_fields(trace.manifest)),
        }
        extra = {"redaction": report, **harmless_extras(trace.manifest, exact_host=exact_host)}
        manifest = redacted_manifest(trace.manifest).replace(extra=extra)
        return writer.close(manifest if exact_host else size.manifest(manifest))


@dataclass(frozen=True)
class _Groups:
    """Names of rows, those of them that are rare, the rows that stay and the new row of every old one (uint16)."""

    rare: set[str]
    kept: list[int]
    row: np.ndarray
    one_row: bool = False


def _group(names: list[str], events: np.ndarray, k: int, one_row: bool = False) -> _Groups:
    """one_row: all rows of a name become one."""
    totals: dict[str, int] = {}
    for at, name in enumerate(names):
        totals[name] = totals.get(name, 0) + int(events[at])
    rare = _rare(totals, k)
    kept: list[int] = []
    row = np.zeros(1 << 16, np.uint16)
    of_name: dict[str, int] = {}
    for at, name in enumerate(names):
        label = _MERGED if name in rare else f"name {name}"
        if (name in rare or one_row) and label in of_name:
            row[at] = of_name[label]
            continue
        row[at] = of_name[label] = len(kept)
        kept.append(at)
    return _Groups(rare, kept, row, one_row)


def _rare(totals: dict[str, int], k: int) -> set[str]:
    """Names to be merged, so that what they become stands for at least ``k`` events and two names."""
    ascending = sorted(totals, key=lambda name: (totals[name], name))
    rare = [name for name in ascending if totals[name] < k] if k > 1 else []
    for name in ascending[len(rare) :]:
        if not rare or (len(rare) > 1 and sum(totals[other] for other in rare) >= k):
            break
        rare.append(name)
    return set(rare)


def _events_by_group(trace: Trace) -> tuple[np.ndarray, np.ndarray]:
    """How many events each row of tasks and of cgroups has."""
    tasks, cgroups = np.zeros(1 << 16, np.int64), np.zeros(1 << 16, np.int64)
    for batch in trace.batches("task", "cgroup"):
        tasks += np.bincount(batch["task"], minlength=len(tasks))
        cgroups += np.bincount(batch["cgroup"], minlength=len(cgroups))
    return tasks, cgroups


def _coarse(t: np.ndarray, step: int) -> np.ndarray:
    result: np.ndarray = t - t % step
    return result


def _write_pages(trace: Trace, writer: TraceWriter, key: bytes) -> None:
    """Spaces numbered in order of appearance, their mappings moved (layout.py)."""
    kind = trace.column("pages", "kind")
    space = DenseIds().number(trace.column("pages", "space"))
    vpn = moved(space, trace.column("pages", "vpn"), int.from_bytes(_digest(key, "layout", "")[:8], "little"))
    for at in range(0, len(space), _STEP):
        part = slice(at, at + _STEP)
        columns = {"space": space[part], "vpn": vpn[part], "kind": kind[part]}
        writer.write_table("pages", pa.table(columns, schema=PAGES))


def _digest(key: bytes, kind: str, text: str) -> bytes:
    return hmac.new(key, f"{kind}\0{text}".encode("utf-8", "surrogatepass"), hashlib.sha256).digest()


def _task(row: dict[str, Any], key: bytes, commands: _Groups, paths: _Groups) -> dict[str, Any]:
    rare = row["comm"] in commands.rare
    pid = int.from_bytes(_digest(key, "pid", str(row["pid"]))[:4], "little") >> 1
    return {
        "pid": 0 if rare or commands.one_row else pid,
        "comm": _MERGED if rare else "t-" + _digest(key, "comm", row["comm"]).hex()[:12],
        "cgroup": int(paths.row[row["cgroup"]]),
    }


def _cgroup(row: dict[str, Any], key: bytes, paths: _Groups, exact: bool) -> dict[str, Any]:
    """The path with every component hashed together with those above it; the hierarchy stays."""
    if row["path"] in paths.rare:
        return {"path": f"/{_MERGED}", "limit_bytes": None}
    parts = [part for part in row["path"].split("/") if part]
    hashed = ["g-" + _digest(key, "cgroup", "/".join(parts[: i + 1])).hex()[:12] for i in range(len(parts))]
    limit = row["limit_bytes"]
    return {"path": "/" + "/".join(hashed), "limit_bytes": limit if exact or limit is None else rounded(limit)}


def _samples(samples: pa.Table, step: int) -> pa.Table:
    """Counters since boot tell when that was: they start at zero, their differences stay."""
    for i, field in enumerate(SAMPLES):
        if field.name == "t":
            samples = samples.set_column(i, field, pa.array(_coarse(samples["t"].to_numpy(), step)))
        elif field.name in _SINCE_BOOT:
            values = samples[field.name].to_pylist()
            first = next((v for v in values if v is not None), 0)
            rebased = [None if v is None else v - first for v in values]
            samples = samples.set_column(i, field, pa.array(rebased, pa.int64()))
    return samples


def _pressure(pressure: pa.Table, step: int, commands: _Groups, paths: _Groups) -> pa.Table:
    changed = {
        "t": _coarse(pressure["t"].to_numpy(), step),
        "cgroup": paths.row[pressure["cgroup"].to_numpy()],
        "task": commands.row[pressure["task"].to_numpy()],
    }
    for name, values in changed.items():
        at = PRESSURE.names.index(name)
        pressure = pressure.set_column(at, PRESSURE.field(at), pa.array(values))
    return pressure
