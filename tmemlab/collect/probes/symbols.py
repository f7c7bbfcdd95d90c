"""Which kernel functions do what: for each role a list of alternatives, of which the first that exists is probed.

Names and argument positions have moved over the years; a position is found by the argument's type, in BTF, and
never by the kernel's version. Handlers are functions of bpf/functions.c.
"""

from dataclasses import dataclass, field
from pathlib import Path

from ..kernel.btf import KernelTypes

RESULT = ("the result",)
FOLIO = ("folio", "page")
ENTRY = ("swp_entry_t",)
COUNT = ("size_t", "long unsigned int", "unsigned int", "int", "u32")


@dataclass(frozen=True)
class Probe:
    """A handler for a function's entry or return, and the types of the arguments that it is given.

    ``positions`` are for functions of modules, of which vmlinux has no types.
    """

    function: str
    handler: str
    arguments: tuple[tuple[str, ...], ...] = ()
    on_return: bool = False
    positions: tuple[int, ...] = ()


@dataclass(frozen=True)
class Role:
    """Something to be seen. ``without`` is what the trace lacks where no alternative exists, empty if required."""

    name: str
    macro: str
    alternatives: tuple[tuple[Probe, ...], ...]
    without: str = ""


def _around(function: str, begin: str, end: str, *, result: bool = True) -> tuple[Probe, ...]:
    returned = Probe(function, end, (RESULT,) if result else (), on_return=True)
    return Probe(function, begin, (FOLIO,)), returned


ROLES = (
    Role(
        "swap-out", "HAVE_OUT",
        (
            _around("swap_writeout", "out_begin", "out_end"),  # 6.16
            _around("swap_writepage", "out_begin", "out_end"),
        ),
    ),
    Role("disk write", "HAVE_DISK_WRITE", ((Probe("__swap_writepage", "disk_write", (FOLIO,)),),)),
    Role(
        "swap-in", "HAVE_IN",
        (
            _around("swap_read_folio", "in_begin", "in_end", result=False),  # 6.8
            _around("swap_readpage", "in_begin", "in_end", result=False),
        ),
    ),
    Role(
        "pool store", "HAVE_POOL_STORE",
        (
            (Probe("zswap_store", "pool_stored", (RESULT,), on_return=True),),  # 6.6
            (Probe("__frontswap_store", "pool_stored", (RESULT,), on_return=True),),
        ),
        "a compressed pool: this kernel has none to be probed",
    ),
    Role(
        "pool load", "HAVE_POOL_LOAD",
        (
            (Probe("zswap_load", "pool_loaded", (RESULT,), on_return=True),),
            (Probe("__frontswap_load", "pool_loaded", (RESULT,), on_return=True),),
        ),
        "loads from a compressed pool: this kernel has none to be probed",
    ),
    Role(
        "slot free", "HAVE_SLOT_FREE",
        (
            # Called for each slot when its last user is gone, whether zswap is on or not [6.9].
            (Probe("zswap_invalidate", "slot_freed", (ENTRY,)),),
            # Put aside one by one, given back in batches; whole clusters at once.
            (
                Probe("free_swap_slot", "slot_freed", (ENTRY,)),
                Probe("swap_range_free", "range_freed", (("swap_info_struct",), COUNT, COUNT)),
            ),
            (Probe("free_swap_slot", "slot_freed", (ENTRY,)),),
            (Probe("zswap_invalidate", "slot_of_type_freed", (("unsigned int", "int"), ("pgoff_t", *COUNT))),),
        ),
        "swap slots being freed: invalidates are inferred from exit and slot reuse",
    ),
    Role(
        "compressed length", "HAVE_LENGTH",
        ((Probe("obj_cgroup_charge_zswap", "length_charged", (("size_t",),)),),),
        "compressed lengths as charged to a cgroup",
    ),
    Role(
        "pool allocation", "HAVE_POOL_ALLOCATION",
        ((Probe("zpool_malloc", "pool_allocated", (("size_t",),)),),),
        "compressed lengths of pages charged to the root cgroup",
    ),
    Role(
        "zram allocation", "HAVE_ZRAM_LENGTH",
        (
            (Probe("zs_malloc", "zram_allocated", (("size_t",),)),),
            (Probe("zs_malloc", "zram_allocated", positions=(1,)),),  # a module
        ),
        "compressed lengths in zram: load zram before recording begins",
    ),
    Role(
        "zram writeback", "HAVE_ZRAM_WRITEBACK",
        (
            (
                Probe("writeback_store", "zram_writeback_begin"),
                Probe("writeback_store", "zram_writeback_end", on_return=True),
                Probe("zram_free_page", "zram_freed", positions=(1,)),
            ),
        ),
        "which page a writeback of zram takes",
    ),
    Role(
        "swap fault", "HAVE_SWAP_FAULT",
        ((Probe("do_swap_page", "swap_fault", (("vm_fault",),)),),),
        "the faulting address: pages swapped before the recording have none",
    ),
    Role(
        "end of a disk read", "HAVE_READ_DONE",
        ((Probe("end_swap_bio_read", "read_done", (("bio",),)),),),
        "the latency of loads from a disk",
    ),
    Role(
        "pool writeback", "HAVE_WRITEBACK",
        (
            (
                Probe("zswap_writeback_entry", "writeback_begin"),
                Probe("zswap_writeback_entry", "writeback_end", on_return=True),
            ),
        ),
        "when a writeback of the pool ends: a cut may miscount one",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Found:
    """A probe on this kernel: where its arguments are, and how to read a result as success."""

    probe: Probe
    positions: tuple[int, ...]
    parameters: int
    result: str
    in_module: bool


@dataclass
class Resolution:
    """What of ROLES this kernel has."""

    found: list[Found] = field(default_factory=list)
    macros: dict[str, int | None] = field(default_factory=dict)
    lacking: list[str] = field(default_factory=list)
    without: list[str] = field(default_factory=list)


def resolve(types: KernelTypes) -> Resolution:
    """The first alternative of each role that this kernel has; required roles without one are ``lacking``."""
    modules = module_functions({p.function for role in ROLES for a in role.alternatives for p in a})
    resolution = Resolution()
    for role in ROLES:
        for alternative in role.alternatives:
            found = [_find(probe, types, modules) for probe in alternative]
            if all(found):
                resolution.found += [one for one in found if one is not None]
                resolution.macros[role.macro] = 1
                break
        else:
            resolution.macros[role.macro] = None
            if role.without:
                resolution.without.append(role.without)
            else:
                resolution.lacking.append(" or ".join(a[0].function for a in role.alternatives))
    return resolution


def _find(probe: Probe, types: KernelTypes, modules: set[str]) -> Found | None:
    signature = types.signature(probe.function)
    if signature is None:
        untyped = not probe.arguments
        return Found(probe, probe.positions, 0, "int", True) if untyped and probe.function in modules else None
    parameters, result = signature
    if probe.positions:
        return None
    positions: list[int] = []
    for accepted in probe.arguments:
        if accepted is RESULT:
            continue
        at = next((i for i, name in enumerate(parameters) if name in accepted and i not in positions), None)
        if at is None:
            return None
        positions.append(at)
    return Found(probe, tuple(positions), len(parameters), result, False)


def module_functions(names: set[str]) -> set[str]:
    """Those of ``names`` that a loaded module has."""
    present = set()
    try:
        with Path("/proc/kallsyms").open() as stream:
            for line in stream:
                fields = line.split()
                if len(fields) == 4 and fields[2] in names:
                    present.add(fields[2])
    except OSError:
        pass
    return present


def success(found: Found, value: str) -> str:
    """C expression that is true where the function's result means that it did what it was asked for.

    zswap_store and, up to 6.17, zswap_load say it with a bool; the frontswap functions and zswap_load later by 0.
    """
    return f"(({value}) & 0xff) != 0" if found.result == "bool" else f"(int)({value}) == 0"
