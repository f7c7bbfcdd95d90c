"""Symbols of the running kernel, and tables of pointers that its code gives away where no symbol names them.

A static array is in kallsyms only where the kernel was built with KALLSYMS_ALL. Elsewhere the functions that use
it tell: on x86-64 they add or load ``[8 * index + table]``, and the table is what several of them look into.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

Look = Callable[[int], bytes]
"""64 bytes of kernel memory at an address; zeros where nothing is mapped."""

_CODE_BYTES = 256
_ADD, _MOVE = 0x03, 0x8B


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


def find_table(symbols: dict[str, int], name: str, users: Iterable[str], look: Look) -> int | None:
    """Address of the array ``name``, or the one that all ``users`` look into; None where that is not one alone."""
    if name in symbols:
        return symbols[name]
    if any(user not in symbols for user in users):
        return None
    common = set.intersection(*(tables_used(_code(symbols[user], look)) for user in users))
    return common.pop() if len(common) == 1 else None


def _code(address: int, look: Look) -> bytes:
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
