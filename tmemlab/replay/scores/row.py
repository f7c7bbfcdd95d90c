"""The scores of one policy over one trace: one row of every table."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from .measures.loads import hits
from .oom import OomRisk


@dataclass(frozen=True)
class StormPlan:
    """How many storms, how large, and where the dice fall."""

    storms: int = 1000
    fraction: float = 0.9
    seed: int = 1
    exact: bool = False
    """Run every storm, also those whose outcome others tell (verdicts.py)."""


@dataclass(frozen=True)
class Score:
    """Scores of one policy over one trace; ``score.loads["pool"]`` is what JSON has under ``loads.pool``.

    Which there are, and what each means, is declared in ``measures/`` and written down in docs/scores.md.
    """

    name: str
    params: dict[str, Any]
    values: dict[str, Any]
    """Every score, nested as in JSON."""
    risk: OomRisk
    series: npt.NDArray[np.int64] = field(repr=False)
    """A row a sample: free pages, page cache, pool pages, pages stored."""
    found: npt.NDArray[np.uint8] = field(repr=False)
    """Where each event's page went or was found; empty unless asked for."""

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__.get("values", {})
        if name in values:
            return values[name]
        raise AttributeError(f"there is no score {name!r}")

    @property
    def label(self) -> str:
        """The policy with the parameters that are not its defaults."""
        from ...policies.registry import find_policy

        known = find_policy(self.name).params() if "." in self.name else []
        changed = [
            f"{p.name}={self.params[p.name]:g}"
            if isinstance(self.params[p.name], float)
            else f"{p.name}={self.params[p.name]}"
            for p in known
            if self.params.get(p.name) != p.default
        ]
        return self.name + (":" + ",".join(changed) if changed else "")

    @property
    def oom(self) -> OomRisk:
        """What the storms found."""
        return self.risk

    @property
    def hits(self) -> int:
        """Loads served from this host's RAM."""
        return hits(self.values["loads"])

    def as_json(self) -> dict[str, Any]:
        """One element of ``policies`` in ``tmemlab.replay/1``."""
        return {"name": self.name, "params": self.params, **self.values}
