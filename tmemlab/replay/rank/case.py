"""One trace on one host, with all that is the same for every policy: prepared once and shared."""

from dataclasses import dataclass
from math import floor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...datasets.trace.read import Trace
from ...errors import InvalidInputError, TraceError
from ...units import PAGE_SIZE
from ...world.host import Host, build_host
from ..inputs.columns import Columns, next_loads, prepare
from ..inputs.kept import columns_for
from ..size.band import Band, Grid, measure_band
from ..size.need import Need, measure_need
from ..size.room import measure_room, survivable
from .clairvoyant import Clairvoyant

STEP = 0.05
"""Storms lock shares of RAM in such steps: P(OOM) of all of them comes from one replay."""
WINDOWS = 20
"""Of the band: room is exact at the worst moment of each."""
LOOKS = 500
"""At the pool, evenly spaced: a fifth of those that ``tmemlab size`` takes at a single trace."""


@dataclass(frozen=True)
class Subject:
    """One trace: what does not depend on the host."""

    name: str
    trace: Trace
    columns: Columns
    need: Need
    clairvoyant: Clairvoyant
    next_load: npt.NDArray[np.int64]
    """For policies that know the future; empty where none was asked for."""

    @classmethod
    def prepare(cls, name: str, path: Path, hits: float, future: bool) -> "Subject":
        """Read the trace and measure its need of a share ``hits`` of all loads.

        TraceError for an incomplete trace, InvalidInputError for one without swap traffic.
        """
        trace = Trace.open(path)
        if trace.manifest.kind == "access":
            raise InvalidInputError(f"{path} is a trace of page accesses: policies are ranked over swap traffic")
        if not trace.manifest.certificate.complete:
            raise TraceError(f"{path} is incomplete: record again, or leave it out")
        # A synthetic trace is made in a moment and never met again: its columns would only fill the cache.
        columns = prepare(trace) if trace.manifest.probe_set.name == "synthetic" else columns_for(trace)
        if not columns.loads:
            raise InvalidInputError(f"{path} has no loads: there is nothing to rank policies by")
        need = measure_need(columns, build_host(trace), hits)
        upcoming = np.zeros(0, np.int64)
        if future:
            upcoming = next_loads(columns.op, columns.page, columns.pages)
        return cls(name, trace, columns, need, Clairvoyant.of(columns), upcoming)

    @property
    def fitting_ram(self) -> int:
        """Bytes of RAM that hold what cannot be reclaimed at the worst moment, and twice the peak of need."""
        host = build_host(self.trace)
        rest = host.recorded_ram - int((host.balance[:, 1] + host.balance[:, 2]).min())
        return (max(rest, 0) + 2 * int(self.need.occupancy.pages.max(initial=0))) * PAGE_SIZE


@dataclass(frozen=True)
class Case:
    """One trace on one host."""

    subject: Subject
    host: Host
    band: Band
    fraction: float | None
    """Of RAM, that the storm locks for which the band has room; None: room is not known."""

    @classmethod
    def prepare(cls, subject: Subject, ram_bytes: int | None, disk: str, fraction: float) -> "Case":
        """Build the host and the band between need and the room for a storm of ``fraction`` of RAM.

        Of less where the host does not survive that without a pool either: no size is to blame then. ram_bytes:
        None, as recorded. InvalidInputError where that is too little for the trace.
        """
        columns = subject.columns
        host = build_host(subject.trace, ram_bytes, disk)
        end = int(columns.t[-1]) + 1
        edges, even = (np.linspace(0, end, count + 1).astype(np.int64) for count in (WINDOWS, LOOKS))
        grid = Grid(np.unique(edges), np.unique(np.concatenate([edges, even])))
        room, survived = None, None
        if host.is_known:
            steps = floor(survivable(columns, host, fraction) / STEP + 1e-9)
            survived = min(fraction, round(steps * STEP, 2))
            room = measure_room(columns, host, survived, grid.edges) if survived > 0 else None
        return cls(subject, host, measure_band(columns, subject.need, room, grid), survived)

    def as_json(self) -> dict[str, Any]:
        """One element of ``cases`` in ``tmemlab.rank/1``."""
        return {
            "trace": self.subject.name,
            "ram_bytes": self.host.ram * PAGE_SIZE,
            "disk": self.host.disk.name,
            "room_for": self.fraction,
        }
