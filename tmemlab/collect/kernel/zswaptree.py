"""Where zswap keeps its entries, each of which knows its compressed length.

``zswap_trees`` is a static array: kallsyms names it where the kernel was built with KALLSYMS_ALL. Elsewhere the
functions that use it give it away: zswap_load and zswap_invalidate both add or load ``[8 * index + zswap_trees]``,
and that is the only table which both of them look into [Linux 6.18 mm/zswap.c: swap_zswap_tree].
The programs believe no entry that does not name the swap entry looked for, so a wrong address yields no lengths.
"""

from collections.abc import Callable
from pathlib import Path

from .btf import KernelTypes

_TABLE, _USERS = "zswap_trees", ("zswap_load", "zswap_invalidate")
_CODE_BYTES = 256
_ADD, _MOVE = 0x03, 0x8B

OFFSETS = {
    "OFF_XA_HEAD": ("xarray", "xa_head"),
    "OFF_XA_NODE_SHIFT": ("xa_node", "shift"),
    "OFF_XA_NODE_SLOTS": ("xa_node", "slots"),
    "OFF_ZSWAP_ENTRY_SWAP": ("zswap_entry", "swpentry"),
    "OFF_ZSWAP_ENTRY_LENGTH": ("zswap_entry", "length"),
}


def zswap_macros(types: KernelTypes, look: Callable[[int], bytes]) -> dict[str, int]:
    """For the BPF programs: addresses and offsets; empty where lengths cannot be read.

    ``look`` returns 64 bytes of kernel memory at an address.
    """
    offsets = {name: types.offset(*member) for name, member in OFFSETS.items()}
    size = types.size("xarray")
    table = find_table(kernel_symbols(_TABLE, *_USERS), look)
    if table is None or size is None:
        return {}
    known = {name: offset for name, offset in offsets.items() if offset is not None}
    return {"ZSWAP_TREES": table, "XARRAY_SIZE": size, **known} if len(known) == len(offsets) else {}


def kernel_symbols(*names: str) -> dict[str, int]:
    """Address by name of those symbols that the kernel lists; nothing where it hides addresses."""
    wanted = {name.encode() for name in names}
    found: dict[str, int] = {}
    with Path("/proc/kallsyms").open("rb") as stream:
        for line in stream:
            address, _, name, *_ = line.split()
            if name in wanted and int(address, 16):
                found[name.decode()] = int(address, 16)
    return found


def find_table(symbols: dict[str, int], look: Callable[[int], bytes]) -> int | None:
    """Address of zswap_trees; None where it is not plain."""
    if _TABLE in symbols:
        return symbols[_TABLE]
    if any(name not in symbols for name in _USERS):
        return None
    common = set.intersection(*(tables_used(_code(symbols[name], look)) for name in _USERS))
    return common.pop() if len(common) == 1 else None


def _code(address: int, look: Callable[[int], bytes]) -> bytes:
    return b"".join(look(address + at) for at in range(0, _CODE_BYTES, 64))


def tables_used(code: bytes) -> set[int]:
    """Addresses of the arrays of pointers that x86-64 code uses: ``add`` or ``mov reg, [8 * reg + address]``.

    REX.W, opcode, ModRM with a SIB byte and no displacement, SIB of scale 8 without a base, 32 bits of address.
    """
    found = set()
    for at in range(len(code) - 7):
        rex, opcode, modrm, sib = code[at : at + 4]
        if rex & 0xF8 == 0x48 and opcode in (_ADD, _MOVE) and modrm & 0xC7 == 0x04 and sib & 0xC7 == 0xC5:
            found.add(int.from_bytes(code[at + 4 : at + 8], "little", signed=True) & (1 << 64) - 1)
    return found
