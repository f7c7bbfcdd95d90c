"""A probe set that records, and how a refusal is told."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Attached:
    """A probe set that records."""

    name: str
    reason: str
    program: Any  # bcc.BPF
    cannot_see: list[str] = field(default_factory=list)
    slot_frees: bool = False
    """Whether every slot that is freed is told, so that no invalidate need be inferred."""
    lengths: bool = False
    """Whether stores into the pool come with their compressed length."""
    symbols: list[str] = field(default_factory=list)
    """The kernel functions that are probed."""


def in_short(error: Exception) -> str:
    """What went wrong, without the compiler's or the kernel's words and without the advice."""
    return str(error).split(":")[0].split(" (")[0]
