"""Parameters that describe themselves: unit, range, choices, the kernel's name; and what hooks see of them."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Param:
    """What is known about one parameter; the value itself is a field of the policy."""

    name: str
    default: Any
    unit: str
    low: float | None
    high: float | None
    choices: tuple[str, ...]
    kernel: str
    """The kernel's name for it, empty where the kernel has none."""
    about: str

    def number(self, value: Any) -> float:
        """A value as hooks see it."""
        if self.choices:
            return {"off": 0, "on": 1}.get(value, self.choices.index(value))
        return float(value) if isinstance(self.default, float) else int(value)

    def range_text(self) -> str:
        """``0 to 100``, ``on, off``, ``0 or more``."""
        if self.choices:
            return ", ".join(self.choices)
        if self.high is None:
            return "" if self.low is None else f"{self.low:g} or more"
        return f"{self.low:g} to {self.high:g}"


def param(
    default: Any,
    about: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    kernel: str = "",
) -> Any:
    """A dataclass field that describes itself."""
    described = {"about": about, "unit": unit, "low": low, "high": high, "choices": choices, "kernel": kernel}
    return field(default=default, metadata=described)
