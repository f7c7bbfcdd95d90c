"""Where zswap keeps its entries, each of which knows its compressed length.

``zswap_trees`` is a static array, the only one that both zswap_load and zswap_invalidate look into [Linux 6.18
mm/zswap.c: swap_zswap_tree].
The programs believe no entry that does not name the swap entry looked for, so a wrong address yields no lengths.
"""

from .btf import KernelTypes
from .symbols import Look, find_table, kernel_symbols

_TABLE, _USERS = "zswap_trees", ("zswap_load", "zswap_invalidate")

OFFSETS = {
    "OFF_XA_HEAD": ("xarray", "xa_head"),
    "OFF_XA_NODE_SHIFT": ("xa_node", "shift"),
    "OFF_XA_NODE_SLOTS": ("xa_node", "slots"),
    "OFF_ZSWAP_ENTRY_SWAP": ("zswap_entry", "swpentry"),
    "OFF_ZSWAP_ENTRY_LENGTH": ("zswap_entry", "length"),
}


def zswap_macros(types: KernelTypes, look: Look) -> dict[str, int]:
    """For the BPF programs: addresses and offsets; empty where lengths cannot be read.

    ``look`` returns 64 bytes of kernel memory at an address.
    """
    offsets = {name: types.offset(*member) for name, member in OFFSETS.items()}
    size = types.size("xarray")
    table = find_table(kernel_symbols(_TABLE, *_USERS), _TABLE, _USERS, look)
    if table is None or size is None:
        return {}
    known = {name: offset for name, offset in offsets.items() if offset is not None}
    return {"ZSWAP_TREES": table, "XARRAY_SIZE": size, **known} if len(known) == len(offsets) else {}
