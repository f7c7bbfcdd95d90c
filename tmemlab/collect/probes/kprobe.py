"""The probe set ``kprobe``: breakpoints, or jumps, at the functions of symbols.py and at their returns."""

import platform
from typing import Any

from ...errors import KernelUnsupportedError
from ..kernel.btf import KernelTypes
from . import functions
from .attached import Attached
from .symbols import Found

NAME = "kprobe"

REGISTERS = {
    # Word of struct pt_regs that holds each argument, and the result [arch/*/include/asm/ptrace.h].
    "x86_64": ((14, 13, 12, 11, 9, 8), 10),
    "aarch64": (tuple(range(6)), 0),
}

RETURNS = 4096
"""Tasks that may be inside of a probed function at once; the kernel's default is a few, and it misses the rest."""


def program_name(number: int) -> str:
    """Name of the program of the n-th probe."""
    return f"probe_{number}"


def hook(number: int, found: Found) -> str:
    """The program of one probe, with arguments and result taken from the registers."""
    try:
        arguments, result = REGISTERS[platform.machine()]
    except KeyError:
        raise KernelUnsupportedError(f"registers of {platform.machine()} are not known: use fentry") from None
    body = functions.call(found, lambda at: f"ctx[{arguments[at]}]", f"ctx[{result}]")
    return f"int {program_name(number)}(u64 *ctx) {{ {body} return 0; }}"


def fasten(program: Any, found: list[Found]) -> None:
    """Attach the programs of the probes."""
    # Returns first: an entry without its return would leave an operation open.
    for number, one in sorted(enumerate(found), key=lambda item: not item[1].probe.on_return):
        name, event = program_name(number).encode(), one.probe.function.encode()
        if not one.probe.on_return:
            program.attach_kprobe(event=event, fn_name=name)
            continue
        try:
            program.attach_kretprobe(event=event, fn_name=name, maxactive=RETURNS)
        except Exception:  # bcc raises bare Exception: without tracefs the number cannot be given
            program.attach_kretprobe(event=event, fn_name=name)


def attach(types: KernelTypes, macros_of_ours: dict[str, int | None]) -> Attached:
    """Load and attach; KernelUnsupportedError where kprobes are not built in or a function is missing."""
    return functions.attach(NAME, types, macros_of_ours, hook, fasten)
