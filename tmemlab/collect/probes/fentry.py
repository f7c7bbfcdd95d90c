"""The probe set ``fentry``: calls patched into the functions of symbols.py, the cheapest way in.

Functions of modules are hooked by kprobes, where the kernel has them: bcc finds types of the kernel proper alone.
"""

import contextlib
from typing import Any

from ..kernel.btf import KernelTypes
from . import functions, kprobe
from .attached import Attached
from .symbols import Found

NAME = "fentry"


def hook(number: int, found: Found) -> str:
    """The program of one probe; its context is the arguments, then the result."""
    if found.in_module:
        return kprobe.hook(number, found)
    names = [f"v{at}" for at in (*found.positions, *((found.parameters,) if found.probe.on_return else ()))]
    # A plain read would be a pointer with a type, on which the verifier allows no arithmetic.
    reads = [f"u64 {name} = 0; bpf_probe_read_kernel(&{name}, 8, &ctx[{name[1:]}]);" for name in names]
    body = functions.call(found, lambda at: f"v{at}", f"v{found.parameters}")
    kind = "kretfunc" if found.probe.on_return else "kfunc"
    return f"int {kind}__{found.probe.function}(u64 *ctx) {{ {' '.join(reads)} {body} return 0; }}"


def fasten(program: Any, found: list[Found]) -> None:
    """bcc has attached what its name says; the kprobes of modules are ours, and may be refused."""
    for number, one in enumerate(found):
        if one.in_module:
            with contextlib.suppress(Exception):  # bcc raises bare Exception
                name, event = kprobe.program_name(number).encode(), one.probe.function.encode()
                how = program.attach_kretprobe if one.probe.on_return else program.attach_kprobe
                how(event=event, fn_name=name)


def attach(types: KernelTypes, macros_of_ours: dict[str, int | None]) -> Attached:
    """Load and attach; KernelUnsupportedError where functions cannot be patched or one is missing."""
    return functions.attach(NAME, types, macros_of_ours, hook, fasten)
