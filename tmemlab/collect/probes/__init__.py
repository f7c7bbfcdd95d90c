"""Probe sets: one file each, a table of what it attaches to and what it cannot see."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ...errors import InvalidInputError, KernelUnsupportedError, PrivilegeError
from ..kernel.btf import KernelTypes


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


def choose(name: str | None, types: KernelTypes, macros: dict[str, int | None]) -> Attached:
    """Attach the probe set called ``name``, or the best that this kernel lets attach.

    ``macros``: ring sizes, CPUS, ONLY_CGROUP, and the direct map where contents are to be sampled.
    KernelUnsupportedError with every set's reason where none does.
    """
    from . import fentry, kprobe, tracepoint

    attachers: dict[str, Callable[[KernelTypes, dict[str, int | None]], Attached]] = {
        fentry.NAME: fentry.attach,
        kprobe.NAME: kprobe.attach,
        tracepoint.NAME: tracepoint.attach,
    }
    if name is not None and name not in attachers:
        raise InvalidInputError(f"there is no probe set {name!r}: choose from {', '.join(attachers)}")
    refusals: list[str] = []
    last = name or list(attachers)[-1]
    for candidate, attach in attachers.items():
        if name in (None, candidate):
            try:
                attached = attach(types, macros)
            except (KernelUnsupportedError, PrivilegeError) as error:
                # A locked-down kernel refuses some kinds of programs and not others.
                refusals.append(f"{candidate}: {error if name else in_short(error)}")
                if candidate == last and isinstance(error, PrivilegeError):
                    raise
                continue
            reason = "asked for" if name else "; ".join(["the best that attaches here", *refusals])
            return replace(attached, reason=reason)
    raise KernelUnsupportedError("no probe set attaches to this kernel: " + "; ".join(refusals))
