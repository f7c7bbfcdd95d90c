"""What the probe sets ``kprobe`` and ``fentry`` share: one program, hooked to the functions of symbols.py."""

import contextlib
from collections.abc import Callable
from typing import Any

from ...errors import KernelUnsupportedError, PrivilegeError
from ..host import samples as host
from ..kernel import bpfcc
from ..kernel.btf import KernelTypes
from .attached import Attached, in_short
from .offsets import kernel_macros
from .symbols import RESULT, Found, Resolution, resolve, success
from .tracepoint import OPTIONAL, WITHOUT, missing_tracepoints

REQUIRED = ("rss_stat", "mm_vmscan_direct_reclaim_begin", "mm_vmscan_direct_reclaim_end", "sched_process_exit")
"""Raw tracepoints that both sets need besides their functions."""

CANNOT_SEE = ["pages that were swapped before the recording began, until they are loaded"]

_OFFSETS = {
    "OFF_FAULT_ADDRESS": ("vm_fault", "address"),
    "OFF_FAULT_VMA": ("vm_fault", "vma"),
    "OFF_VMA_MM": ("vm_area_struct", "vm_mm"),
    "OFF_BIO_VECTOR": ("bio", "bi_io_vec"),
    "OFF_VECTOR_PAGE": ("bio_vec", "bv_page"),
    "OFF_SWAP_TYPE": ("swap_info_struct", "type"),
}

Hook = Callable[[int, Found], str]
"""The C text of a program for the n-th probe."""


def call(found: Found, argument: Callable[[int], str], result: str) -> str:
    """C text that calls a probe's handler; ``argument(i)`` and ``result`` are how this set reads them."""
    values = [argument(position) for position in found.positions]
    if RESULT in found.probe.arguments:
        # The end of a store wants the error itself; the pool's answer is a yes or a no.
        values.append(f"(u32)({result})" if found.probe.handler == "out_end" else success(found, result))
    return f"{found.probe.handler}({', '.join(values)});"


def attach(
    name: str, types: KernelTypes, macros_of_ours: dict[str, int | None], hook: Hook,
    fasten: Callable[[Any, list[Found]], None],
) -> Attached:  # fmt: skip
    """Compile with ``hook``'s text for each probe, load, and let ``fasten`` attach what bcc did not.

    KernelUnsupportedError names the functions or tracepoints that this kernel lacks, or says why it refused.
    """
    resolution = resolve(types)
    missing = set(missing_tracepoints([*REQUIRED, *(n for names in OPTIONAL.values() for n in names)]))
    require(resolution, missing)
    optional = {macro: not missing.intersection(names) for macro, names in OPTIONAL.items()}
    macros = kernel_macros(types) | {n: types.offset(*where) for n, where in _OFFSETS.items()}
    if macros["OFF_FOLIO_SWAP"] is None:
        # Up to 6.5 a page in the swap cache keeps its entry in page->private.
        macros["OFF_FOLIO_SWAP"] = types.offset("folio", "private")
        macros["FOLIO_WORDS"] = 1 + max(macros[n] or 0 for n in macros if n.startswith("OFF_FOLIO_")) // 8
    macros |= {macro: 1 if present else None for macro, present in optional.items()}
    macros |= resolution.macros | zram_macros() | macros_of_ours
    try_first(resolution.found[0], hook, fasten)
    text = bpfcc.program_text("common.h", "events.h", "worker.h", "choice.h", "functions.c")
    programs = [hook(number, found) for number, found in enumerate(resolution.found)]
    program = bpfcc.load("\n".join([text, *programs]), macros)
    try:
        with bpfcc.captured_stderr():
            fasten(program, resolution.found)
    except Exception as error:  # bcc raises bare Exception for everything
        with contextlib.suppress(Exception):
            program.cleanup()
        raise KernelUnsupportedError(f"this kernel refuses the probes ({error}): run tmemlab doctor") from None
    return Attached(
        name, "", program, cannot_see(resolution, optional),
        slot_frees=bool(resolution.macros["HAVE_SLOT_FREE"]), lengths=bool(resolution.macros["HAVE_LENGTH"]),
        symbols=sorted({found.probe.function for found in resolution.found}),
    )  # fmt: skip


def require(resolution: Resolution, missing: set[str]) -> None:
    """KernelUnsupportedError naming the functions and tracepoints without which stores and loads are not seen."""
    lacking = [*resolution.lacking, *(f"the tracepoint {name}" for name in REQUIRED if name in missing)]
    if lacking:
        raise KernelUnsupportedError(f"this kernel lacks {', '.join(lacking)}: boot one built with CONFIG_SWAP=y")


def refusal(types: KernelTypes, hook: Hook, fasten: Callable[[Any, list[Found]], None]) -> str:
    """Why a set does not attach here, in a few words; empty where it does."""
    resolution = resolve(types)
    try:
        require(resolution, set(missing_tracepoints(list(REQUIRED))))
        try_first(resolution.found[0], hook, fasten)
    except (KernelUnsupportedError, PrivilegeError) as error:
        return in_short(error)
    return ""


def try_first(found: Found, hook: Hook, fasten: Callable[[Any, list[Found]], None]) -> None:
    """Attach one empty probe and take it away: a kernel that refuses does so in no time."""
    handler = f"static inline void {found.probe.handler}({', '.join(f'u64 v{at}' for at in found.positions)}) {{}}"
    program = bpfcc.load(f"{handler}\n{hook(0, found)}", {})
    try:
        with bpfcc.captured_stderr():
            fasten(program, [found])
    except Exception as error:  # bcc raises bare Exception for everything
        raise KernelUnsupportedError(f"this kernel refuses them ({error}): use another probe set") from None
    finally:
        program.cleanup()


def cannot_see(resolution: Resolution, optional: dict[str, bool]) -> list[str]:
    """What a recording on this kernel lacks, as sentences of the manifest."""
    # Exact slot frees make the system calls that lead to them needless.
    tracepoints = [text for macro, text in WITHOUT.items() if macro in optional and not optional[macro]]
    return [*CANNOT_SEE, *resolution.without, *tracepoints]


def zram_macros() -> dict[str, int | None]:
    """Which swap types are zram devices, as a mask, and the entry of the first slot of the only one."""
    types = [i for i, area in enumerate(host.read_swaps()) if area.device.startswith("/dev/zram")]
    entry = types[0] << 58 if len(types) == 1 else 0
    return {"ZRAM_TYPES": sum(1 << number for number in types), "ZRAM_ENTRY": entry}
