"""Struct offsets and enum values of the running kernel, from /sys/kernel/btf/vmlinux.

>>> types = KernelTypes.load()
>>> types.offset("folio", "swap")
24
>>> types.enumerator("PSWPOUT")
9
"""

import struct
from bisect import bisect_left
from functools import cache
from pathlib import Path
from typing import Self

from ...errors import KernelUnsupportedError

BTF_PATH = Path("/sys/kernel/btf/vmlinux")

_HEADER = struct.Struct("<HBBIIIII")
_TYPE = struct.Struct("<III")
_MEMBER = struct.Struct("<III")
_ENUMERATOR = struct.Struct("<Ii")
_ENUMERATOR64 = struct.Struct("<III")

_ARRAY, _STRUCT, _UNION, _ENUM, _FUNC_PROTO, _VAR, _DATASEC = 3, 4, 5, 6, 13, 14, 15
_INT, _PTR, _FUNC, _DECL_TAG, _ENUM64 = 1, 2, 12, 17, 19
# Modifiers that name another type: typedef, volatile, const, restrict, type tag.
_MODIFIERS = {8, 9, 10, 11, 18}


class KernelTypes:
    """The parsed type section of one BTF file."""

    def __init__(self, blob: bytes) -> None:
        magic, _, _, header_length, type_at, type_length, string_at, string_length = _HEADER.unpack_from(blob)
        if magic != 0xEB9F:
            raise KernelUnsupportedError("the kernel's type information is not BTF of this byte order")
        self._types = blob[header_length + type_at : header_length + type_at + type_length]
        self._strings = blob[header_length + string_at : header_length + string_at + string_length]
        self._defined: dict[tuple[int, int], int] = {}
        self.offsets = self._index()

    @classmethod
    @cache
    def load(cls, path: Path = BTF_PATH) -> Self:
        """Parse the running kernel's BTF, once; KernelUnsupportedError where it has none."""
        try:
            blob = path.read_bytes()
        except FileNotFoundError:
            raise KernelUnsupportedError(
                f"{path} does not exist: boot a kernel built with CONFIG_DEBUG_INFO_BTF=y"
            ) from None
        return cls(blob)

    def _index(self) -> list[int]:
        """Byte offset of each type by id; id 0 is void. Notes where each name is first defined."""
        types, at, offsets = self._types, 0, [0]
        trailing = {
            _INT: 4, _ARRAY: 12, _VAR: 4, _DECL_TAG: 4,
        }  # fmt: skip
        per_entry = {_STRUCT: 12, _UNION: 12, _ENUM: 8, _FUNC_PROTO: 8, _DATASEC: 12, _ENUM64: 12}
        end = len(types)
        unpack = struct.Struct("<II").unpack_from
        while at < end:
            offsets.append(at)
            name_at, info = unpack(types, at)
            kind, entries = info >> 24 & 0x1F, info & 0xFFFF
            # A struct without members or a function's declaration in a second unit says nothing.
            if name_at and (kind == _FUNC or (kind in per_entry and entries)):
                self._defined.setdefault((kind, name_at), at)
            at += 12 + trailing.get(kind, 0) + per_entry.get(kind, 0) * entries
        return offsets

    def _name(self, at: int) -> str:
        return self._strings[at : self._strings.index(b"\0", at)].decode()

    def _find(self, kinds: tuple[int, ...], name: str) -> int | None:
        """Offset of the first definition called ``name`` of one of the kinds."""
        wanted = b"\0" + name.encode() + b"\0"
        name_at = self._strings.find(wanted)
        while name_at >= 0:
            found = [at for kind in kinds if (at := self._defined.get((kind, name_at + 1))) is not None]
            if found:
                return min(found)
            name_at = self._strings.find(wanted, name_at + 1)
        return None

    @cache  # noqa: B019 - one instance lives as long as the process
    def offset(self, structure: str, member: str) -> int | None:
        """Byte offset of a member, anonymous inner structs searched too; None where there is none."""
        at = self._find((_STRUCT, _UNION), structure)
        return None if at is None else self._member(at, member)

    @cache  # noqa: B019
    def size(self, structure: str) -> int | None:
        """Bytes of a struct; None where there is none."""
        at = self._find((_STRUCT,), structure)
        return None if at is None else int(_TYPE.unpack_from(self._types, at)[2])

    def _member(self, at: int, member: str) -> int | None:
        _, info, _ = _TYPE.unpack_from(self._types, at)
        bitfields = info >> 31
        for index in range(info & 0xFFFF):
            name_at, type_id, bits = _MEMBER.unpack_from(self._types, at + 12 + 12 * index)
            byte = (bits & 0xFFFFFF if bitfields else bits) // 8
            if name_at:
                if self._name(name_at) == member:
                    return int(byte)
                continue
            inner = self._resolve(type_id)
            if inner is not None:
                found = self._member(inner, member)
                if found is not None:
                    return int(byte) + found
        return None

    def _resolve(self, type_id: int) -> int | None:
        """Offset of the struct or union behind a type id, modifiers followed."""
        while type_id:
            at = self.offsets[type_id]
            _, info, target = _TYPE.unpack_from(self._types, at)
            kind = info >> 24 & 0x1F
            if kind in (_STRUCT, _UNION):
                return at
            if kind not in _MODIFIERS:
                return None
            type_id = target
        return None

    @cache  # noqa: B019
    def enumerator(self, name: str) -> int | None:
        """Value of an enum constant, whichever enum it stands in; None where no enum has it."""
        return self._enumerators().get(name)

    @cache  # noqa: B019
    def _enumerators(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for at in self.offsets[1:]:
            _, info, _ = _TYPE.unpack_from(self._types, at)
            kind = info >> 24 & 0x1F
            if kind == _ENUM:
                for index in range(info & 0xFFFF):
                    name_at, value = _ENUMERATOR.unpack_from(self._types, at + 12 + 8 * index)
                    found.setdefault(self._name(name_at), value)
            elif kind == _ENUM64:
                for index in range(info & 0xFFFF):
                    name_at, low, high = _ENUMERATOR64.unpack_from(self._types, at + 12 + 12 * index)
                    found.setdefault(self._name(name_at), high << 32 | low)
        return found

    @cache  # noqa: B019
    def parameters(self, function: str) -> int | None:
        """How many parameters a function takes; None where the kernel has no such function."""
        at = self._find_function(function)
        if at is None:
            return None
        prototype = self.offsets[_TYPE.unpack_from(self._types, at)[2]]
        return int(_TYPE.unpack_from(self._types, prototype)[1] & 0xFFFF)

    @cache  # noqa: B019
    def function_id(self, name: str) -> int | None:
        """The number by which BPF programs call a kernel function; None where the kernel has no such function."""
        at = self._find_function(name)
        return None if at is None else bisect_left(self.offsets, at, 1)

    @cache  # noqa: B019
    def signature(self, function: str) -> tuple[list[str], str] | None:
        """The names of a function's parameter types and of its result's, pointers seen through; None without it.

        >>> types.signature("swap_writepage")
        (['page', 'writeback_control'], 'int')
        """
        at = self._find_function(function)
        if at is None:
            return None
        prototype = self.offsets[_TYPE.unpack_from(self._types, at)[2]]
        _, info, result = _TYPE.unpack_from(self._types, prototype)
        ids = [struct.unpack_from("<II", self._types, prototype + 12 + 8 * i)[1] for i in range(info & 0xFFFF)]
        return [self._type_name(number) for number in ids], self._type_name(result)

    def _type_name(self, number: int) -> str:
        """The first name met from a type on through pointers and modifiers."""
        while number:
            name_at, info, target = _TYPE.unpack_from(self._types, self.offsets[number])
            if name_at:
                return self._name(name_at)
            if info >> 24 & 0x1F not in _MODIFIERS | {_PTR}:
                return ""
            number = target
        return "void"

    def _find_function(self, name: str) -> int | None:
        return self._find((_FUNC,), name)
