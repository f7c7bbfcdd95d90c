"""A spool into a trace: match, settle, write; in memory that grows with pages, not with events."""

import secrets
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ...datasets.derive.sample import scaled_samples
from ...datasets.trace.schema import CGROUPS, PAGES, PRESSURE, SAMPLES, TASKS
from ...datasets.trace.write import TraceWriter
from ...directories import OwnDirectory
from ...errors import TraceError
from ..probes.zswap_worker import run_rows
from ..records import SWAP_TYPE_SHIFT, Kind, Records
from ..spool import Frame, Scrub, SpoolReader
from . import evidence as manifests
from .areas import Areas, swap_areas

CHUNK = 1 << 18
_HOLD_NS = 1_000_000_000


class Spool:
    """The documents of a spool, gathered while its records stream by."""

    def __init__(self, directory: Path, scrub: Scrub | None, shown: Path | None = None) -> None:
        """shown: how errors name the directory, to people."""
        self.reader = SpoolReader(directory, shown)
        self.scrub = scrub or (lambda document: document)
        self.renumber = scrub is not None
        self.start = self.scrub(SpoolReader.start(directory, shown))
        self.end: dict[str, Any] | None = None
        self.samples: list[dict[str, Any]] = []
        self.dropped = self.dropped_before = int(self.start.get("dropped_before", 0))
        self.gaps: list[tuple[int, int, int]] = []
        self._flushed = int(self.start["began_ns"])
        self.comms: dict[int, tuple[bytes, int]] = {}
        self.worker_runs: list[Records] = []
        self.areas = Areas([], {}, "")
        self.last_t = 0

    def records(self) -> Iterator[Records]:
        """Records in time order.

        CPUs take their timestamps before they take their place in the ring, so neighbours may be swapped;
        a second is held back and sorted, which no two of them are apart.
        """
        held: list[Records] = []
        horizon = 0
        for kind, value in self.reader:
            if kind is Frame.SAMPLE and isinstance(value, dict):
                self.samples += value["rows"]
                self._note_drops(value)
            elif kind is Frame.END and isinstance(value, dict):
                self.end = self.scrub(value)
            elif kind is Frame.RECORDS and not isinstance(value, dict):
                held.append(self._without_worker_runs(value))
                newest = int(value["t"].max())
                self._note_tasks(held[-1])
                if newest - horizon > 2 * _HOLD_NS or sum(map(len, held)) > 4 * CHUNK:
                    horizon = newest - _HOLD_NS
                    ready, rest = _split(held, horizon)
                    held = [rest]
                    yield ready
        if held:
            yield _split(held, 1 << 62)[0]

    def _without_worker_runs(self, records: Records) -> Records:
        """They are about no page, and the matcher need not see them; ``worker_runs`` has them then."""
        runs = records["kind"] == Kind.WORKER
        if not runs.any():
            return records
        self.worker_runs.append(records[runs])
        others: Records = records[~runs]
        return others

    def _note_drops(self, value: dict[str, Any]) -> None:
        """Each flush says how many pages had been dropped by then: more than before is a gap since."""
        now = max((row["t"] for row in value["rows"]), default=self._flushed)
        if value["dropped"] > self.dropped:
            self.gaps.append((self._flushed, now, value["dropped"] - self.dropped))
            self.dropped = value["dropped"]
        self._flushed = now

    def _note_tasks(self, records: Records) -> None:
        self.last_t = max(self.last_t, int(records["t"].max(initial=0)))
        for task in records[records["kind"] == Kind.TASK]:
            name = task["address"].tobytes() + task["entry"].tobytes()
            self.comms[int(task["pid"])] = (name.split(b"\0")[0], int(task["cgroup"]))


def _split(held: list[Records], horizon: int) -> tuple[Records, Records]:
    joined = np.concatenate(held)
    joined = joined[np.argsort(joined["t"], kind="stable")]
    at = int(np.searchsorted(joined["t"], np.uint64(horizon), side="right"))
    return joined[:at], joined[at:]


def convert(
    directory: Path,
    out: Path,
    *,
    progress: Callable[[str], None] = lambda _: None,
    extra: dict[str, Any] | None = None,
    scrub: Scrub | None = None,
) -> Any:
    """Write the spool in ``directory`` as the trace ``out``; the manifest as written.

    ``out`` may be ``directory`` itself, which the trace then replaces. TraceError where the spool holds no
    recording; the spool stays until the trace is whole. With ``scrub`` process ids are renumbered as well.
    """
    if not (out.exists() and out.resolve() == directory.resolve()):
        return _convert(Spool(directory, scrub), out, out, progress, extra or {})
    with OwnDirectory.existing(directory) as old:
        # Nobody foretells the name of what will be put in its place.
        target = out.absolute().with_name(f".{out.absolute().name}.new-{secrets.token_hex(4)}")
        manifest = _convert(Spool(old.at, scrub, directory), out, target, progress, extra or {})
        with OwnDirectory.existing(target) as new:
            aside = out.absolute().with_name(f".{out.absolute().name}.spool-{secrets.token_hex(4)}")
            old.become(aside)
            new.become(out)
        old.remove()
    return manifest


def _convert(spool: Spool, out: Path, target: Path, progress: Callable[[str], None], extra: dict[str, Any]) -> Any:
    """Match and write. The rows between the two are in a file without a name, on the disk of ``out``."""
    parent = out.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=parent) as file:
        rows = Path(f"/proc/self/fd/{file.fileno()}")
        progress("matching")
        matched = _match_all(spool, rows)
        progress("writing")
        return _write(spool, matched, rows, target, extra)


def _match_all(spool: Spool, rows_file: Path) -> Any:
    """Match every record and leave the rows in a file; the final State."""
    from .matcher import match
    from .state import N_DEVICES, N_FREES, N_ZSWAP, NO_DEVICE, ROW, new_state
    from .table import reserve

    start = spool.start
    # Without an END the recording died: everything up to the last frame counts.
    last_phase = 256
    seen: set[int] = set()
    end_swap: list[dict[str, Any]] = []
    for kind, value in SpoolReader(spool.reader.directory):
        if kind is Frame.RECORDS and not isinstance(value, dict):
            swaps = value[(value["kind"] <= Kind.LOAD) & (value["entry"] != 0)]
            seen |= set(np.unique(swaps["entry"] >> np.uint64(SWAP_TYPE_SHIFT)).tolist())
        elif kind is Frame.START and isinstance(value, dict):
            last_phase = value.get("last_phase", 255) + 1
        elif kind is Frame.END and isinstance(value, dict):
            last_phase, end_swap = value["cut"]["phase"], value.get("swap", [])
    spool.areas = swap_areas(start["swap"], end_swap, seen)
    state = new_state(start["cut"]["phase"], last_phase, start.get("root_cgroup", 1))
    state.numbers[N_ZSWAP] = start["zswap"].get("enabled") in ("Y", "1")
    state.numbers[N_FREES] = bool(start.get("slot_frees"))
    state.numbers[N_DEVICES:] = NO_DEVICE
    for number, row in spool.areas.position.items():
        state.numbers[N_DEVICES + number] = row
    buffer = np.zeros(2 * CHUNK, ROW)
    match_rows: Any = match
    with rows_file.open("wb", buffering=0) as stream:
        for ready in spool.records():
            for at in range(0, len(ready), CHUNK):
                chunk = ready[at : at + CHUNK]
                state = reserve(state, len(chunk), int(chunk["pages"].sum()) + len(chunk))
                while len(chunk):
                    largest = int(chunk["pages"].max())
                    if len(buffer) < 4 * largest + 4:
                        buffer = np.zeros(8 * largest, ROW)
                    done, written = match_rows(chunk, state, buffer)
                    buffer[:written].tofile(stream)
                    chunk = chunk[done:]
    return state


def _write(spool: Spool, state: Any, rows_file: Path, out: Path, extra: dict[str, Any]) -> Any:
    from .settle import TALLIES, rounded, settle_backward, settle_forward
    from .state import N_PAGES, ROW

    began = int(spool.start["began_ns"])
    ended = int(spool.end["ended_ns"]) if spool.end else spool.last_t
    total = rows_file.stat().st_size // ROW.itemsize
    rows: Any = np.memmap(rows_file, ROW, "r+", shape=(total,)) if total else np.zeros(0, ROW)
    pages = int(state.numbers[N_PAGES])
    tally = np.zeros(TALLIES, np.int64)
    backward: Any = settle_backward
    forward: Any = settle_forward

    next_op, clen = np.full(pages, 255, np.uint8), np.full(pages, 0xFFFF, np.uint16)
    latency, failed = np.full(pages, 0xFFFFFFFF, np.uint32), np.zeros(pages, np.uint8)
    for at in range((total - 1) // CHUNK * CHUNK if total else -1, -1, -CHUNK):
        backward(rows[at : at + CHUNK], next_op, clen, latency, failed, tally)

    clen[:] = 0xFFFF
    dense, order, count = np.full(pages, -1, np.int64), np.zeros(pages, np.int64), 0
    exact = np.zeros(pages, np.uint8)
    last_t = 0
    with TraceWriter(out) as writer:
        pressure: list[pa.Table] = []
        for at in range(0, total, CHUNK):
            chunk = np.array(rows[at : at + CHUNK])
            count = forward(chunk, dense, order, clen, exact, count, tally)
            # An event that ran while the cut was made may carry an instant before it.
            t = np.maximum.accumulate(np.maximum(chunk["t"] - began, last_t))
            last_t = int(t[-1])
            events = chunk["op"] <= 2
            columns = {name: chunk[name][events] for name in _EVENT_COLUMNS}
            columns["latency"] = rounded(columns["latency"])
            writer.write_events({"t": t[events], **columns})
            pressure.append(_pressure(chunk, t))
        order = order[:count]
        writer.write_table("pages", _pages(state, order))
        if spool.worker_runs and count:
            runs, counts_pages = manifests.worker_runs(spool)
            pressure.append(run_rows(runs, began, ended, counts_pages))
        if pressure:
            writer.write_table("pressure", pa.concat_tables(pressure).sort_by("t"))
        samples = [row for row in spool.samples if row["t"] <= max(ended, began)]
        table = _samples(samples, began)
        share = spool.start.get("choice", {}).get("share")
        writer.write_table("samples", table if share is None else scaled_samples(table, share))
        cgroups, tasks = _cgroups(spool, state), _tasks(spool, state)
        writer.write_table("cgroups", cgroups)
        writer.write_table("tasks", tasks)
        duration = max(ended - began, last_t, 1)
        return writer.close(manifests.build(spool, state, tally, duration, extra))


_EVENT_COLUMNS = ("op", "page", "slot", "clen", "cgroup", "task", "where", "flags", "latency")


def _pressure(chunk: Any, t: Any) -> pa.Table:
    from .settle import is_pressure
    from .state import OP_PRESSURE

    mask = is_pressure(chunk["op"])
    kind = chunk["op"][mask] - np.uint8(OP_PRESSURE)
    # Reclaim tells how much it got when it ends, an OOM kill how large the victim was where that is known.
    without = np.isin(kind, (0, 2, 3)) | ((kind == 4) & (chunk["slot"][mask] == 0))
    # Kinds of records and of the table have the same order: direct begin, end, kswapd wake, sleep, OOM kill; then
    # writebacks, whose slot takes the place of a number of pages.
    return pa.Table.from_arrays(
        [
            pa.array(t[mask]),
            pa.array(kind),
            pa.array(chunk["cgroup"][mask]),
            pa.array(chunk["task"][mask]),
            pa.array(chunk["slot"][mask].astype(np.int64), mask=without),
        ],
        schema=PRESSURE,
    )


def _pages(state: Any, order: Any) -> pa.Table:
    """Identity by dense id: spaces renumbered by first appearance, page numbers from the lowest of their space."""
    chosen = state.pages[order]
    space, vpn, kind = chosen["space"].astype(np.int64), chosen["vpn"].copy(), chosen["kind"].copy()
    # Pages without an address share a space of their own; their number there means nothing but order.
    unnamed = space == 0xFFFF_FFFF
    vpn[unnamed] = np.arange(int(unnamed.sum()), dtype=np.uint64)
    _, first, inverse = np.unique(space, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    dense = rank[inverse]
    lowest = np.full(len(first), np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(lowest, dense, vpn)
    relative = vpn - lowest[dense] if len(dense) else vpn
    return pa.Table.from_arrays(
        [pa.array(dense.astype(np.uint32)), pa.array(relative), pa.array(kind)], schema=PAGES
    )


def _samples(rows: list[dict[str, Any]], began: int) -> pa.Table:
    columns = []
    for field in SAMPLES:
        values = [max(row["t"] - began, 0) if field.name == "t" else row.get(field.name) for row in rows]
        columns.append(pa.array(values, field.type))
    return pa.Table.from_arrays(columns, schema=SAMPLES)


def _rows_by_number(state: Any, key: int) -> dict[int, int]:
    """Row -> number of the task or cgroup entered under ``key``."""
    used = state.table[state.table["key1"] == np.uint64(key)]
    return {int(entry["value"]): int(entry["key2"]) for entry in used}


def _cgroups(spool: Spool, state: Any) -> pa.Table:
    from .state import K_CGROUP, N_CGROUPS

    named = (spool.end or {}).get("cgroups") or spool.start.get("cgroups") or {}
    numbers = _rows_by_number(state, K_CGROUP)
    paths, limits = ["/"], [None]
    for row in range(1, int(state.numbers[N_CGROUPS])):
        number = numbers.get(row, 0)
        path, limit = named.get(str(number), [f"(removed, id {number})", None])
        paths.append(path)
        limits.append(limit)
    return pa.Table.from_arrays([pa.array(paths), pa.array(limits, pa.int64())], schema=CGROUPS)


def _tasks(spool: Spool, state: Any) -> pa.Table:
    from .state import K_CGROUP, K_TASK, N_TASKS

    numbers = _rows_by_number(state, K_TASK)
    cgroup_rows = {number: row for row, number in _rows_by_number(state, K_CGROUP).items()}
    rows = int(state.numbers[N_TASKS])
    pids, comms, cgroups = [], [], []
    for row in range(rows):
        pid = numbers.get(row, 0)
        comm, cgroup = spool.comms.get(pid, (b"?", 0))
        pids.append(row + 1 if spool.renumber else pid)
        comms.append("swapper" if pid == 0 and comm == b"?" else comm.decode(errors="replace"))
        cgroups.append(cgroup_rows.get(cgroup, 0))
    if not rows:
        pids, comms, cgroups = [0], ["swapper"], [0]
    if len(pids) > 65536:
        raise TraceError("more tasks than a trace can name took part: record a shorter interval or one cgroup")
    return pa.Table.from_arrays(
        [pa.array(pids, pa.int32()), pa.array(comms), pa.array(cgroups, pa.uint16())], schema=TASKS
    )
