"""Choosing functions by the types that a kernel gives, against signatures of kernels that were looked at."""

from tmemlab.collect.probes.symbols import Found, Probe, resolve, success

LINUX_6_1 = {
    "swap_writepage": (["page", "writeback_control"], "int"),
    "__swap_writepage": (["page", "writeback_control"], "int"),
    "swap_readpage": (["page", "bool", "swap_iocb"], "int"),
    "__frontswap_store": (["page"], "int"),
    "__frontswap_load": (["page"], "int"),
    "free_swap_slot": (["swp_entry_t"], "void"),
    "swap_range_free": (["swap_info_struct", "long unsigned int", "unsigned int"], "void"),
    "obj_cgroup_charge_zswap": (["obj_cgroup", "size_t"], "void"),
    "zpool_malloc": (["zpool", "size_t", "gfp_t", "long unsigned int"], "int"),
    "do_swap_page": (["vm_fault"], "vm_fault_t"),
    "end_swap_bio_read": (["bio"], "void"),
}
# Two arguments before the folio, as patches on the list have them: found by type all the same.
LATER = {
    "swap_writeout": (["swap_io_ctx", "folio"], "int"),
    "__swap_writepage": (["swap_io_ctx", "folio"], "void"),
    "swap_read_folio": (["swap_io_ctx", "folio"], "void"),
    "zswap_store": (["folio"], "bool"),
    "zswap_load": (["folio"], "int"),
    "zswap_invalidate": (["swp_entry_t"], "void"),
}


class Types:
    def __init__(self, signatures: dict[str, tuple[list[str], str]]) -> None:
        self.signatures = signatures

    def signature(self, function: str) -> tuple[list[str], str] | None:
        return self.signatures.get(function)


def handlers(signatures: dict[str, tuple[list[str], str]]) -> dict[tuple[str, str], tuple[int, ...]]:
    found = resolve(Types(signatures)).found  # type: ignore[arg-type]
    return {(one.probe.function, one.probe.handler): one.positions for one in found}


def test_frontswap_where_there_is_no_zswap_store() -> None:
    chosen = handlers(LINUX_6_1)
    assert ("__frontswap_store", "pool_stored") in chosen
    assert chosen["__frontswap_load", "pool_loaded"] == ()
    assert chosen["swap_range_free", "range_freed"] == (0, 1, 2)
    assert chosen["obj_cgroup_charge_zswap", "length_charged"] == (1,)


def test_arguments_are_found_by_type() -> None:
    chosen = handlers(LATER)
    assert chosen["swap_writeout", "out_begin"] == (1,)
    assert chosen["__swap_writepage", "disk_write"] == (1,)
    assert chosen["swap_read_folio", "in_begin"] == (1,)
    assert chosen["zswap_invalidate", "slot_freed"] == (0,)


def test_a_required_function_that_is_missing_is_named() -> None:
    lacking = resolve(Types({k: v for k, v in LINUX_6_1.items() if k != "__swap_writepage"})).lacking  # type: ignore[arg-type]
    assert lacking == ["__swap_writepage"]


def test_what_is_missing_and_not_required_is_said() -> None:
    without = resolve(Types(LATER)).without  # type: ignore[arg-type]
    assert any("latency" in text for text in without)
    assert any("faulting address" in text for text in without)


def test_success_is_read_by_the_type_of_the_result() -> None:
    probe = Probe("f", "pool_stored")
    assert success(Found(probe, (), 1, "bool", False), "r") == "((r) & 0xff) != 0"
    assert success(Found(probe, (), 1, "int", False), "r") == "(int)(r) == 0"
