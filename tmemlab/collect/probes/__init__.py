"""Probe sets: one file each, a table of what it attaches to and what it cannot see."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ...errors import InvalidInputError, KernelUnsupportedError
from ..btf import KernelTypes


@dataclass(frozen=True)
class Attached:
    """A probe set that records."""

    name: str
    reason: str
    program: Any  # bcc.BPF
    cannot_see: list[str] = field(default_factory=list)


def choose(name: str | None, types: KernelTypes, macros: dict[str, int | None]) -> Attached:
    """Attach the probe set called ``name``, or the best that this kernel lets attach.

    ``macros``: ring sizes, CPUS, ONLY_CGROUP, and the direct map where contents are to be sampled.
    KernelUnsupportedError with every set's reason where none does.
    """
    from . import tracepoint

    attachers: dict[str, Callable[[KernelTypes, dict[str, int | None]], Attached]] = {
        tracepoint.NAME: tracepoint.attach,
    }
    if name is not None and name not in attachers:
        raise InvalidInputError(f"there is no probe set {name!r}: choose from {', '.join(attachers)}")
    refusals: list[str] = []
    for candidate, attach in attachers.items():
        if name in (None, candidate):
            try:
                attached = attach(types, macros)
            except KernelUnsupportedError as error:
                refusals.append(f"{candidate}: {error}")
                continue
            reason = "asked for" if name else "; ".join(["the best that attaches here", *refusals])
            return Attached(attached.name, reason, attached.program, attached.cannot_see)
    raise KernelUnsupportedError("no probe set attaches to this kernel: " + "; ".join(refusals))
