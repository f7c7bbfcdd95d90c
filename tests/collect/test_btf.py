"""BTF: a hand-made type section, and the running kernel's where it has one."""

import struct
from pathlib import Path

import pytest

from tmemlab.collect.kernel.btf import BTF_PATH, KernelTypes
from tmemlab.errors import KernelUnsupportedError

INT, STRUCT, UNION, ENUM, TYPEDEF = 1, 4, 5, 6, 8


def info(kind: int, count: int) -> int:
    return kind << 24 | count


def blob() -> bytes:
    """struct outer { int a; union { int b; struct { int pad; int c; }; }; wrapped d; } and an enum."""
    names = ["", "int", "outer", "a", "b", "pad", "c", "d", "wrapped", "inner", "colour", "RED", "BLUE", "e"]
    strings, at = b"", {}
    for name in names:
        at[name] = len(strings)
        strings += name.encode() + b"\0"
    types = struct.pack("<IIII", at["int"], info(INT, 0), 4, 32)  # 1
    types += struct.pack("<III", 0, info(STRUCT, 2), 8)  # 2: anonymous
    types += struct.pack("<III", at["pad"], 1, 0) + struct.pack("<III", at["c"], 1, 32)
    types += struct.pack("<III", 0, info(UNION, 2), 8)  # 3: anonymous
    types += struct.pack("<III", at["b"], 1, 0) + struct.pack("<III", 0, 2, 0)
    types += struct.pack("<III", at["inner"], info(STRUCT, 1), 4) + struct.pack("<III", at["e"], 1, 0)  # 4
    types += struct.pack("<III", at["wrapped"], info(TYPEDEF, 0), 4)  # 5
    types += struct.pack("<III", at["outer"], info(STRUCT, 3), 16)  # 6
    for name, kind, bits in (("a", 1, 0), ("", 3, 32), ("d", 5, 96)):
        types += struct.pack("<III", at[name], kind, bits)
    types += struct.pack("<III", at["colour"], info(ENUM, 2), 4)  # 7
    types += struct.pack("<Ii", at["RED"], 5) + struct.pack("<Ii", at["BLUE"], -2)
    header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings))
    return header + types + strings


def test_offsets_reach_into_anonymous_members() -> None:
    types = KernelTypes(blob())
    found = {name: types.offset("outer", name) for name in ("a", "b", "c", "d", "e")}
    assert found == {"a": 0, "b": 4, "c": 8, "d": 12, "e": None}
    assert types.size("outer") == 16
    assert types.offset("nothing", "a") is None


def test_enumerators_have_their_values() -> None:
    types = KernelTypes(blob())
    assert (types.enumerator("RED"), types.enumerator("BLUE"), types.enumerator("GREEN")) == (5, -2, None)


def test_no_btf_is_one_sentence_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(KernelUnsupportedError, match="CONFIG_DEBUG_INFO_BTF=y"):
        KernelTypes.load(tmp_path / "none")
    with pytest.raises(KernelUnsupportedError, match="not BTF"):
        KernelTypes(b"\0" * 64)


@pytest.mark.skipif(not BTF_PATH.exists(), reason="this kernel has no BTF")
def test_the_running_kernel_has_a_task_struct() -> None:
    types = KernelTypes.load()
    size = types.size("task_struct")
    assert size is not None
    assert 0 < (types.offset("task_struct", "mm") or 0) < size
    assert types.enumerator("PSWPIN") is not None
