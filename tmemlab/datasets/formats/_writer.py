"""Writing a trace from somebody else's records: keys become dense page ids, what is not known is said."""

from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa

from ... import __version__
from ...compiled import njit
from ...errors import TraceError
from ...units import PAGE_SIZE
from ..trace.manifest import Certificate, ClenMethod, EventCounts, Kernel, Manifest, ProbeSet, Reconciliation
from ..trace.schema import CGROUPS, EVENTS, NO_CLEN, PAGES, TASKS, Flag, Op, PageKind, Where
from ..trace.write import TraceWriter
from ._ids import DenseIds

_STEP = 1 << 20
_NONE = 0xFFFF_FFFF
_LOAD, _INVALIDATE = int(Op.LOAD), int(Op.INVALIDATE)
_LIVE, _GONE = 1, 2
_BEFORE = np.uint8(Flag.BEFORE)
_NO_FLAGS = np.zeros(0, np.uint8)


class ImportWriter:
    """Writes a trace at ``out`` from events whose pages are named by keys of any kind.

    ``what`` says in the manifest what was converted, ``kind`` is that of the manifest.
    """

    def __init__(self, out: Path, *, kind: str, what: str, page_kind: PageKind = PageKind.UNKNOWN) -> None:
        self._writer = TraceWriter(out)
        self._kind = kind
        self._what = what
        self._page_kind = page_kind
        self._ids = DenseIds()
        self._state = np.zeros(0, np.uint8)
        self._page = np.zeros(0, np.uint32)  # of every id of _ids; _NONE where all its events were left out
        self._pages = 0
        self._offered = 0
        self._tasks: dict[tuple[int, str], int] = {}
        self._cgroups: dict[str, int] = {"/": 0}
        self._ops = np.zeros(len(Op), np.int64)
        self._clens = 0
        self._last_t = 0

    @property
    def events_written(self) -> int:
        """Events handed in so far."""
        return self._writer.events_written

    def task(self, pid: int, comm: str) -> int:
        """The row of tasks for a process; at most 65,536, the last of which stands for all further ones."""
        if (pid, comm) not in self._tasks and len(self._tasks) >= 1 << 16:
            return (1 << 16) - 1
        return self._tasks.setdefault((pid, comm), len(self._tasks))

    def cgroup(self, path: str) -> int:
        """The row of cgroups for a path, limited like :meth:`task`."""
        if path not in self._cgroups and len(self._cgroups) >= 1 << 16:
            return (1 << 16) - 1
        return self._cgroups.setdefault(path, len(self._cgroups))

    def write(
        self, t: np.ndarray, op: np.ndarray, key: np.ndarray, space: np.ndarray | None = None, **more: np.ndarray
    ) -> None:
        """Append events: ns since the beginning (int64), Op codes, page keys (uint64) and other columns.

        Operations that cannot be are left out: invalidates of pages that did nothing before or are gone, and loads
        of pages that are gone.
        """
        self._check_codes(t, op, more)
        self._offered += len(t)
        if "flags" in more:
            more["flags"] = more["flags"].astype(np.uint8)
        page, keep = self._settle(self._ids.number(key, space), op, more.get("flags", _NO_FLAGS))
        if not keep.all():
            t, op, more = t[keep], op[keep], {name: array[keep] for name, array in more.items()}
        rows = len(t)
        if rows == 0:
            return
        columns = {"t": t, "op": op, "page": page}
        columns |= {name: np.zeros(rows, np.uint16) for name in ("cgroup", "task")}
        columns |= {"where": np.full(rows, Where.UNKNOWN, np.uint8), "flags": np.zeros(rows, np.uint8)}
        columns |= {name: array for name, array in more.items() if name in EVENTS.names}
        self._writer.write_events(columns)
        self._ops += np.bincount(op, minlength=len(Op))
        self._clens += int((more["clen"] != 0xFFFF).sum()) if "clen" in more else 0
        self._last_t = int(t[-1])

    def close(
        self, *, ram_bytes: int | None = None, clock: str = "the source's", samples: pa.Table | None = None,
        duration_ns: int = 1, changes: dict[str, Any] | None = None,
    ) -> Manifest:  # fmt: skip
        """Finish the trace. Where the source names no host, its RAM is taken to be the pages it touches.

        ``duration_ns`` is the least that the trace lasts; ``changes`` replace fields of the manifest.
        """
        if samples is not None:
            self._writer.write_table("samples", samples)
        self._write_pages()
        groups = {"path": list(self._cgroups), "limit_bytes": [None] * len(self._cgroups)}
        self._writer.write_table("cgroups", pa.table(groups, schema=CGROUPS))
        tasks = list(self._tasks) or [(0, "unknown")]
        columns: dict[str, list[Any]] = {
            "pid": [pid for pid, _ in tasks], "comm": [comm for _, comm in tasks], "cgroup": [0] * len(tasks),
        }  # fmt: skip
        self._writer.write_table("tasks", pa.table(columns, schema=TASKS))
        footprint = max(1, self._pages) * PAGE_SIZE
        stores, loads, _ = (int(n) for n in self._ops)
        note = "as complete as the file that it was converted from; there is no kernel's count to compare with"
        manifest = Manifest(
            kind=self._kind,
            created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            tool=f"tmemlab {__version__}",
            kernel=Kernel("unknown", "unknown"),
            cpus=0,
            ram_bytes=ram_bytes or footprint,
            clock=clock,
            duration_ns=max(duration_ns, self._last_t),
            probe_set=ProbeSet("import", f"converted from {self._what}", ["the host's memory and pressure"]),
            events=EventCounts(0, 0, 0, 0, 0),
            certificate=Certificate(True, Reconciliation(stores, 0), Reconciliation(loads, 0), note=note),
            clen=ClenMethod("measured" if self._clens else "none", note=f"from {self._what}"),
            provenance={
                "how": f"tmemlab datasets import --format {self._what}",
                "left_out": self._offered - self.events_written,
                "ram": "given" if ram_bytes else "unknown: the pages that the source touches are used",
            },
        )
        return self._writer.close(manifest.replace(**(changes or {})))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.discard()

    def _check_codes(self, t: np.ndarray, op: np.ndarray, more: dict[str, np.ndarray]) -> None:
        """TraceError where a code means nothing: the trace would not be sound."""
        limits = {"op": len(Op), "where": len(Where), "flags": 1 << 8, "clen": PAGE_SIZE + 1}
        for name, limit in limits.items():
            values = op if name == "op" else more.get(name)
            if values is None:
                continue
            wrong = values >= limit if name != "clen" else (values >= limit) & (values != NO_CLEN)
            if name == "flags":
                wrong |= (values & ~np.asarray(sum(Flag), values.dtype)) != 0
            if wrong.any():
                at = int(np.argmax(wrong))
                why = f"nothing beyond {limit - 1} means anything"
                why = "some of its bits mean nothing" if name == "flags" else why
                raise TraceError(f"{self._what}: event {self._offered + at} has {name} {values[at]}, and {why}")

    def _settle(self, ids: np.ndarray, op: np.ndarray, flags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The pages, dense in order of first appearance, of the events to keep, and which those are.

        The mark of a page that was stored before goes from ``flags`` where it is not a first load's.
        """
        grown = len(self._ids) - len(self._state)
        if grown > 0:
            grown = max(grown, len(self._state) // 2, 1 << 16)
            self._state = np.concatenate([self._state, np.zeros(grown, np.uint8)])
            self._page = np.concatenate([self._page, np.full(grown, _NONE, np.uint32)])
        keep = np.ones(len(ids), bool)
        settle: Any = _settle
        self._pages = settle(ids, op, flags, keep, self._state, self._page, self._pages)
        return self._page[ids[keep]], keep

    def _write_pages(self) -> None:
        known = np.flatnonzero(self._page[: len(self._ids)] != _NONE)
        order = np.empty(self._pages, np.int64)
        order[self._page[known]] = known
        keys, spaces = self._ids.keys[order], self._ids.spaces[order]
        # by rank: a space of 2^32 - 1 must not ask for memory for all below it
        _, rank = np.unique(spaces, return_inverse=True)
        lowest = _lowest(keys, rank)
        for at in range(0, len(keys), _STEP):
            part = slice(at, at + _STEP)
            vpn = keys[part] - lowest[rank[part]]
            kinds = np.full(len(vpn), int(self._page_kind), np.uint8)
            self._writer.write_table(
                "pages", pa.table({"space": spaces[part], "vpn": vpn, "kind": kinds}, schema=PAGES)
            )


def _lowest(keys: np.ndarray, spaces: np.ndarray) -> np.ndarray:
    """The lowest key of every space: page numbers are relative to it, so that no address is kept."""
    lowest = np.full(int(spaces.max(initial=0)) + 1, np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(lowest, spaces, keys)
    return lowest


@njit(cache=True, nogil=True)
def _settle(ids: Any, op: Any, flags: Any, keep: Any, state: Any, page: Any, count: Any) -> Any:
    for i in range(len(ids)):
        p, what = ids[i], op[i]
        if flags.shape[0] and flags[i] & _BEFORE and (what != _LOAD or page[p] != _NONE):
            flags[i] &= ~_BEFORE
        if what == _INVALIDATE:
            keep[i] = state[p] == _LIVE
        elif what == _LOAD:
            keep[i] = state[p] != _GONE
        if keep[i]:
            state[p] = _GONE if what == _INVALIDATE else _LIVE
            if page[p] == _NONE:
                page[p] = count
                count += 1
    return count
