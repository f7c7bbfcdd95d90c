"""The best probe set that the running kernel lets attach, found by trying."""

from collections.abc import Callable
from dataclasses import replace

from ...errors import InvalidInputError, KernelUnsupportedError, PrivilegeError
from ..kernel.btf import KernelTypes
from . import fentry, kprobe, tracepoint
from .attached import Attached, in_short


def choose(name: str | None, types: KernelTypes, macros: dict[str, int | None]) -> Attached:
    """Attach the probe set called ``name``, or the best that this kernel lets attach.

    ``macros``: ring sizes, CPUS, ONLY_CGROUP, and the direct map where contents are to be sampled.
    KernelUnsupportedError with every set's reason where none does.
    """
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
