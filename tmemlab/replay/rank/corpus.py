"""The traces that policies are ranked over: those that are bundled, and synthetic ones made for the occasion.

A few programs were recorded; a ranking over them alone would be one of those programs. The synthetic ones have
what they lack: skewed use of many pages, loops, scans, phases. The same seeds give the same traces.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...datasets.share.bundled import bundled
from ...datasets.synthetic.patterns import Loop, Pattern, Phase, Scan, Uniform, Zipf
from ...datasets.synthetic.synth import synthesize


@dataclass(frozen=True)
class Synthetic:
    """A trace as ``tmemlab datasets synth`` makes it: what programs swap that have ``resident_mib`` of RAM."""

    name: str
    patterns: tuple[Pattern, ...]
    events: int
    rate: float
    """Touches a second."""
    resident_mib: int
    seed: int
    clen_mean: float = 1400.0

    def write(self, folder: Path) -> Path:
        """Make the trace in a folder of its own below ``folder``; its path."""
        path = folder / self.name
        synthesize(
            path, self.patterns, events=self.events, rate=self.rate, resident_bytes=self.resident_mib << 20,
            clen_mean=self.clen_mean, seed=self.seed,
        )  # fmt: skip
        return path


SYNTHETIC = (
    Synthetic("synth-zipf", (Zipf(60_000, alpha=0.8),), 300_000, 3000, 64, 1),
    Synthetic(
        "synth-loop", (Zipf(40_000, alpha=1.0, weight=0.6), Loop(30_000, weight=0.4)), 300_000, 3000, 64, 2
    ),
    Synthetic("synth-phase", (Phase(80_000, alpha=1.1, period=100_000, shift=0.2),), 600_000, 3000, 48, 3),
    Synthetic(
        "synth-scan", (Scan(100_000, run=2000, weight=0.3), Zipf(40_000, alpha=1.0, weight=0.7)),
        300_000, 3000, 96, 4,
    ),
    Synthetic(
        "synth-uniform", (Uniform(40_000, weight=0.2), Zipf(60_000, alpha=1.2, weight=0.8)),
        400_000, 2000, 64, 5, 2000,
    ),
    Synthetic(
        "synth-mixed", (Phase(40_000, alpha=1.0, period=60_000, shift=0.5), Zipf(50_000, alpha=1.2)),
        800_000, 4000, 64, 6, 1000,
    ),
)  # fmt: skip
"""Every second one, from the first on, is one on which vm.need's numbers were chosen."""

FEW = ("synth-loop", "synth-scan")
"""Those in a ranking that somebody waits for."""


def corpus(folder: Path, names: Sequence[str] | None = None) -> dict[str, Path]:
    """The bundled traces and the synthetic ones of these ``names``, all by default, by name.

    folder: where the synthetic ones are written. InvalidInputError where one is there already.
    """
    made = [each for each in SYNTHETIC if names is None or each.name in names]
    return bundled() | {each.name: each.write(folder) for each in made}
