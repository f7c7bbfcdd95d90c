"""Finding a table in the code that uses it, against instructions assembled by hand."""

from tmemlab.collect.kernel.symbols import find_table, tables_used

ADD = bytes.fromhex("4803 3cc5 c027 b983")  # add rdi, [8 * rax - 0x7c46d840]
MOVE = bytes.fromhex("488b 04cd e025 b983")  # mov rax, [8 * rcx - 0x7c46da20]
PLAIN = bytes.fromhex("488b 0580 2201 8348 8d3c d5e0 25b9 83")  # mov rax, [rip + ...]; lea rdi, [8 * rdx + ...]
TREES, OTHER = 0xFFFFFFFF83B927C0, 0xFFFFFFFF83B925E0


def test_scaled_loads_and_additions_are_found_and_nothing_else() -> None:
    assert tables_used(b"\x90" * 5 + ADD + PLAIN + MOVE + b"\x90") == {TREES, OTHER}
    assert tables_used(PLAIN) == set()
    assert tables_used(ADD[:-1]) == set()


def look_at(memory: dict[int, bytes]):
    def look(address: int) -> bytes:
        for start, code in memory.items():
            if start <= address < start + 256:
                return code.ljust(256, b"\x90")[address - start :][:64]
        return bytes(64)

    return look


def test_the_table_is_the_one_that_both_functions_use() -> None:
    users = ("zswap_load", "zswap_invalidate")
    symbols = {"zswap_load": 0x1000, "zswap_invalidate": 0x2000}
    # across the border of two looks, too
    look = look_at({0x1000: b"\x90" * 60 + ADD + MOVE, 0x2000: ADD})
    assert find_table(symbols, "zswap_trees", users, look) == TREES
    assert find_table(symbols, "zswap_trees", users, look_at({0x1000: ADD + MOVE, 0x2000: ADD + MOVE})) is None
    assert find_table(symbols, "zswap_trees", users, look_at({0x1000: ADD, 0x2000: MOVE})) is None
    assert find_table({"zswap_load": 0x1000}, "zswap_trees", users, look) is None
    assert find_table({"zswap_trees": 42}, "zswap_trees", users, look) == 42
