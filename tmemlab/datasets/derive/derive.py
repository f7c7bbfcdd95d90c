"""A trace made from another: some of its events, page ids dense again, tables and manifest carried over."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ...compiled import njit
from ..trace.manifest import Certificate, Manifest, Reconciliation
from ..trace.read import Trace
from ..trace.schema import PAGES, TABLES, Op
from ..trace.write import TraceWriter

_NONE = 0xFFFF_FFFF
_INVALIDATE = int(Op.INVALIDATE)
_STEP = 1 << 20


class PageMap:
    """New dense ids for the pages that are kept, in order of first appearance; 4 bytes a page of the source."""

    def __init__(self, pages: int) -> None:
        self._new = np.full(pages, _NONE, np.uint32)
        self.count = 0

    def renumber(self, page: np.ndarray, op: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which of the ``chosen`` events to keep, and the new page ids of those.

        An invalidate of a page that did nothing before is left out: there is nothing left that it would end.
        """
        keep = chosen.copy()
        renumber: Any = _renumber
        self.count = renumber(page, op, keep, self._new, self.count)
        return keep, self._new[page[keep]]

    def sources(self) -> np.ndarray:
        """The old id of every new one."""
        old = np.flatnonzero(self._new != _NONE)
        order = np.empty(len(old), np.uint32)
        order[self._new[old]] = old
        return order


class DerivedWriter:
    """Writes to ``out`` the events of ``trace`` that :meth:`write` is given, and at close all that is around them.

    The tables of cgroups and tasks are carried over whole, so that their rows keep their numbers.
    """

    def __init__(self, trace: Trace, out: Path) -> None:
        self.trace = trace
        self._writer = TraceWriter(out)
        self._map = PageMap(trace.pages)
        self._ops = np.zeros(len(Op), np.int64)

    def write(self, columns: Mapping[str, np.ndarray], chosen: np.ndarray) -> None:
        """Append those of the events in ``columns`` (all columns of the source) that are ``chosen`` (bool)."""
        keep, page = self._map.renumber(columns["page"], columns["op"], chosen)
        kept = {name: array[keep] for name, array in columns.items()}
        kept["page"] = page
        self._ops += np.bincount(kept["op"], minlength=len(Op))
        self._writer.write_events(kept)

    def close(self, step: dict[str, Any], tables: Mapping[str, pa.Table], **changes: Any) -> Manifest:
        """Finish: ``tables`` replace those of the source, ``changes`` the fields of its manifest.

        ``step`` is added to the list of what was done to the trace in ``provenance.derived``.
        """
        self._write_pages()
        for name in TABLES:
            if name != "pages":
                self._writer.write_table(name, tables[name] if name in tables else self.trace.table(name))
        source = self.trace.manifest
        stores, loads, _ = (int(n) for n in self._ops)
        changes = {
            "certificate": part_certificate(source.certificate, stores, loads),
            "kernel_counters": {},
            "recorded_counters": {},
            "provenance": with_step(source, step),
            **changes,
        }
        return self._writer.close(source.replace(**changes))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.discard()

    def _write_pages(self) -> None:
        order = self._map.sources()
        columns = {name: self.trace.column("pages", name) for name in PAGES.names}
        for at in range(0, len(order), _STEP):
            rows = order[at : at + _STEP]
            self._writer.write_table("pages", pa.table({n: a[rows] for n, a in columns.items()}, schema=PAGES))


def part_certificate(whole: Certificate, stores: int, loads: int) -> Certificate:
    """The certificate of a part: its own counts, the losses of the whole, no kernel's count to compare with."""
    return Certificate(
        whole.complete,
        Reconciliation(stores, whole.stores.dropped),
        Reconciliation(loads, whole.loads.dropped),
        whole.gaps,
        "part of a capture; losses are those of the whole" + (f": {whole.note}" if whole.note else ""),
    )


def with_step(manifest: Manifest, step: dict[str, Any]) -> dict[str, Any]:
    """The provenance of ``manifest`` with one more step of derivation."""
    before = manifest.provenance.get("derived", [])
    return {**manifest.provenance, "derived": [*(before if isinstance(before, list) else []), step]}


def window(table: pa.Table, start: int, stop: int, *, before: bool = False) -> pa.Table:
    """The rows with ``start <= t < stop``, t counted from ``start``.

    With ``before`` the last row before the window stands at its beginning: it is the state that held there.
    """
    t = table["t"].to_numpy()
    chosen = (t >= start) & (t < stop)
    if before and (earlier := np.flatnonzero(t < start)).size:
        chosen[earlier[-1]] = True
    part = table.filter(pa.array(chosen))
    rebased = pc.max_element_wise(pc.subtract(part["t"], start), 0)
    return part.set_column(0, table.schema.field(0), rebased)


@njit(cache=True, nogil=True)
def _renumber(page: Any, op: Any, keep: Any, new: Any, count: Any) -> Any:
    for i in range(len(page)):
        if keep[i] and new[page[i]] == _NONE:
            if op[i] == _INVALIDATE:
                keep[i] = False
            else:
                new[page[i]] = count
                count += 1
    return count
