"""Storms out of a replay's state, one after the other; and what of the state decides how they end."""

import numpy as np
import numpy.typing as npt

from ...policies.interface import NEVER, World
from ...world.host import Host
from ...world.stack import Stack
from ..inputs.columns import Columns
from ..loops.choose import Closed, Run
from ..loops.state import State
from .row import StormPlan
from .storm import OUTCOMES, storm


def most_anonymous(columns: Columns, host: Host, closed: Closed | None) -> int:
    """Pages that a storm can swap out at most."""
    if closed and columns.kind == "access":
        return host.ram
    return int(np.minimum(host.anonymous, host.balance[:, 3]).max())


def anonymous_at(host: Host, moment: int, known: int | None, most: int) -> int:
    """Anonymous pages at a moment: as the loop knows, or by the last sample."""
    if known is None:
        sample = max(int(np.searchsorted(host.balance[:, 0], moment, "right")) - 1, 0)
        known = int(host.anonymous[sample])
    return min(known, most)


class Seen:
    """The numbers of the state that :mod:`.verdicts` goes by, at each of some moments of a replay."""

    def __init__(self, run: Run, moments: npt.NDArray[np.int64], most: int) -> None:
        self._run, self._moments, self._most = run, moments, most
        self._hosts = np.zeros(len(moments), run.state.host.dtype)
        self._levels = np.zeros((len(moments), len(run.state.levels)), run.state.levels.dtype)
        self._anonymous = np.zeros(len(moments), np.int64)

    def look(self, number: int, anonymous: int | None) -> None:
        """Note the state at moment ``number``, now."""
        self._hosts[number] = self._run.state.host[0]
        self._levels[number] = self._run.state.levels
        self._anonymous[number] = -1 if anonymous is None else anonymous

    def features(self) -> npt.NDArray[np.float64]:
        """(moments, FEATURES)."""
        hosts, levels, host = self._hosts, self._levels, self._run.host
        queued = np.maximum(hosts["disk_busy"] - self._moments, 0) / np.maximum(hosts["disk_page_ns"], 1)
        if levels.shape[1]:
            queued = (np.maximum(levels["busy"] - self._moments[:, None], 0) / levels["page_ns"]).sum(axis=1)
        sampled = np.maximum(np.searchsorted(host.balance[:, 0], self._moments, "right") - 1, 0)
        anonymous = np.where(self._anonymous < 0, host.anonymous[sampled], self._anonymous)
        swappable = np.minimum(np.minimum(anonymous, self._most), hosts["swap_free"])
        columns = hosts["base_free"], hosts["file"], swappable, hosts["pool_pages"], queued, hosts["pool_count"]
        return np.stack(columns, axis=1).astype(np.float64)


class Storms:
    """Storms out of one replay."""

    def __init__(
        self,
        run: Run,
        moments: npt.NDArray[np.int64],
        most: int,
        plan: StormPlan,
        stack: Stack | None,
        closed: Closed | None,
    ) -> None:
        host, columns = run.host, run.columns
        self._run, self._most, self._moments = run, most, moments
        self._scratch = State(columns, host, run.policy, most, stack)
        # An access trace knows no lengths of its own: its closed loop was given them.
        known = closed.lengths if closed and columns.kind == "access" else columns.lengths
        self._lengths = known[(np.arange(most) * 2654435761 % 2**32) * len(known) >> 32]
        costs = host.costs
        self._parameters = np.array(
            [
                costs.zero_page, costs.drop_file_page, costs.compress, host.swappiness, host.ram,
                int(plan.fraction * host.ram),
            ],
            np.int64,
        )  # fmt: skip
        self.outcomes = np.zeros((len(moments), OUTCOMES), np.int64)

    def strike(self, number: int, anonymous: int | None) -> None:
        """Storm ``number``, now; the replay itself does not notice."""
        run, moment = self._run, int(self._moments[number])
        self._scratch.copy_from(run.state)
        h = self._scratch.world.host
        h.now, h.next_load = moment, NEVER
        storm(
            self._scratch.world, anonymous_at(run.host, moment, anonymous, self._most), self._lengths,
            self._parameters, self.outcomes[number], run.hooks[0], *run.hooks[2:],
        )  # fmt: skip

    @property
    def world(self) -> World:
        """The world as the storm that was run last left it."""
        return self._scratch.world
