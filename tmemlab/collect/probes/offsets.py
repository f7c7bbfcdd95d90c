"""The kernel's layout as macros for the BPF programs, from BTF.

Required ones missing is an error that names them; optional ones are left undefined and the programs do without.
"""

from ...errors import KernelUnsupportedError
from ..kernel.btf import KernelTypes
from ..kernel.directmap import GFP_HIGHMEM_MOVABLE

_REQUIRED_OFFSETS = {
    "OFF_TASK_MM": ("task_struct", "mm"),
    "OFF_TASK_FLAGS": ("task_struct", "flags"),
    "OFF_TASK_PID": ("task_struct", "pid"),
    "OFF_TASK_TGID": ("task_struct", "tgid"),
    "OFF_TASK_CGROUPS": ("task_struct", "cgroups"),
    "OFF_CSS_SET_SUBSYS": ("css_set", "subsys"),
    "OFF_MEMCG_CSS": ("mem_cgroup", "css"),
    "OFF_CSS_CGROUP": ("cgroup_subsys_state", "cgroup"),
    "OFF_CSS_PARENT": ("cgroup_subsys_state", "parent"),
    "OFF_CGROUP_KN": ("cgroup", "kn"),
    "OFF_KN_ID": ("kernfs_node", "id"),
    "OFF_MM_BRK": ("mm_struct", "brk"),
}
_OPTIONAL_OFFSETS = {
    "OFF_FOLIO_FLAGS": ("folio", "flags"),
    "OFF_FOLIO_MAPPING": ("folio", "mapping"),
    "OFF_FOLIO_INDEX": ("folio", "index"),
    "OFF_FOLIO_SWAP": ("folio", "swap"),
    "OFF_FOLIO_MEMCG": ("folio", "memcg_data"),
}
_RMAP_OFFSETS = {
    "OFF_ANON_VMA_TREE": ("anon_vma", "rb_root"),
    "OFF_AVC_RB": ("anon_vma_chain", "rb"),
    "OFF_AVC_VMA": ("anon_vma_chain", "vma"),
    "OFF_AVC_ANON_VMA": ("anon_vma_chain", "anon_vma"),
    "OFF_AVC_SUBTREE_LAST": ("anon_vma_chain", "rb_subtree_last"),
    "OFF_RB_LEFT": ("rb_node", "rb_left"),
    "OFF_RB_RIGHT": ("rb_node", "rb_right"),
    "OFF_VMA_START": ("vm_area_struct", "vm_start"),
    "OFF_VMA_END": ("vm_area_struct", "vm_end"),
    "OFF_VMA_PGOFF": ("vm_area_struct", "vm_pgoff"),
    "OFF_VMA_ANON_VMA": ("vm_area_struct", "anon_vma"),
    "OFF_VMA_MM": ("vm_area_struct", "vm_mm"),
}
"""All of them, or the owner of a page is told by rss_stat."""
_REQUIRED_VALUES = {
    "VAL_MEMORY_CGRP_ID": "memory_cgrp_id",
    "VAL_MM_SWAPENTS": "MM_SWAPENTS",
    "VAL_PG_LOCKED": "PG_locked",
    "VAL_PG_SWAPCACHE": "PG_swapcache",
    "VAL_PG_DIRTY": "PG_dirty",
    "VAL_PG_HEAD": "PG_head",
    "VAL_PSWPIN": "PSWPIN",
    "VAL_PSWPOUT": "PSWPOUT",
    "VAL_PGMAJFAULT": "PGMAJFAULT",
}
_OPTIONAL_VALUES = {
    "VAL_ZSWPIN": "ZSWPIN",
    "VAL_ZSWPOUT": "ZSWPOUT",
    "VAL_ZSWPWB": "ZSWPWB",
    "VAL_SWPIN_ZERO": "SWPIN_ZERO",
    "VAL_SWPOUT_ZERO": "SWPOUT_ZERO",
}


def kernel_macros(types: KernelTypes) -> dict[str, int | None]:
    """Macro name -> value; None for what this kernel lacks. KernelUnsupportedError names what is required."""
    macros: dict[str, int | None] = {}
    for name, (structure, member) in (_REQUIRED_OFFSETS | _OPTIONAL_OFFSETS | _RMAP_OFFSETS).items():
        macros[name] = types.offset(structure, member)
    for name, enumerator in (_REQUIRED_VALUES | _OPTIONAL_VALUES).items():
        macros[name] = types.enumerator(enumerator)
    missing = [name for name in _REQUIRED_OFFSETS | _REQUIRED_VALUES if macros[name] is None]
    if missing:
        raise KernelUnsupportedError(
            f"this kernel's BTF lacks {', '.join(missing)}: boot a kernel with CONFIG_MEMCG=y and CONFIG_SWAP=y"
        )
    macros["HAVE_RMAP"] = 1 if all(macros[name] is not None for name in _RMAP_OFFSETS) else None
    # Page counts of large folios: _nr_pages from 6.16, _folio_nr_pages from 6.1 [include/linux/mm_types.h].
    pages = types.offset("folio", "_nr_pages")
    macros["OFF_FOLIO_NR_PAGES"] = pages if pages is not None else types.offset("folio", "_folio_nr_pages")
    head = [macros[name] for name in _OPTIONAL_OFFSETS]
    macros["FOLIO_WORDS"] = 1 + max(offset // 8 for offset in head if offset is not None) if any(head) else None
    macros["GFP_USER_PAGE"] = GFP_HIGHMEM_MOVABLE
    return macros
