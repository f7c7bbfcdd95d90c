"""The names under which hooks read a policy's numbers and keep its registers, and where each of them lies.

Compiled code and plain Python use the same names: ``w.p.limit``, ``w.own.cursor``, ``w.own.used[page]``. A number
or a register takes eight bytes; the tables follow the registers, in the order in which they are declared.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

INT, FLOAT = "i8", "f8"
_KINDS = {int: INT, float: FLOAT, "int": INT, "float": FLOAT}


@dataclass(frozen=True)
class Table:
    """Registers in a row, int64: ``fixed`` of them, and ``per_page`` more for each record of ``w.pages``."""

    fixed: int = 0
    per_page: int = 0

    def length(self, pages: int) -> int:
        """How many they are in a World of so many page records."""
        return self.fixed + self.per_page * pages

    def __add__(self, other: "Table") -> "Table":
        return Table(self.fixed + other.fixed, self.per_page + other.per_page)


class Registers:
    """Names a policy's registers, all zero at the start: ``int`` or ``float`` for one, a :class:`Table` for a row.

    ::

        class Own(Registers):
            cursor: int                # w.own.cursor
            used = Table(per_page=1)   # w.own.used[page]

    A class that inherits has the registers of its bases as well.
    """

    @classmethod
    def scalars(cls) -> dict[str, str]:
        """The kind, INT or FLOAT, of every single register."""
        found: dict[str, str] = {}
        for base in reversed(cls.__mro__):
            for name, kind in vars(base).get("__annotations__", {}).items():
                if kind not in _KINDS:
                    raise TypeError(f"the register {name} is neither int nor float")
                found[name] = _KINDS[kind]
        return found

    @classmethod
    def tables(cls) -> dict[str, Table]:
        """Every table."""
        found = {name: value for base in reversed(cls.__mro__) for name, value in vars(base).items()}
        return {name: value for name, value in found.items() if isinstance(value, Table)}


@dataclass(frozen=True)
class Layout:
    """Which names there are, and where."""

    numbers: tuple[tuple[str, str], ...]
    scalars: tuple[tuple[str, str], ...]
    tables: tuple[tuple[str, Table], ...]

    @classmethod
    def of(cls, numbers: Mapping[str, float], registers: type[Registers]) -> "Layout":
        """The layout of numbers like these, each int or float, and of the registers."""
        for name, value in numbers.items():
            if not isinstance(value, int | float):
                raise TypeError(f"the number {name} is {value!r}")
        kinds = tuple((name, FLOAT if isinstance(value, float) else INT) for name, value in numbers.items())
        return cls(kinds, tuple(registers.scalars().items()), tuple(registers.tables().items()))

    def digest(self) -> str:
        """Equal for equal layouts, in every process."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:12]

    def table(self, name: str) -> tuple[Table, Table] | None:
        """The table of that name and the room before it; None if there is none."""
        before = Table(len(self.scalars))
        for known, table in self.tables:
            if known == name:
                return before, table
            before = before + table
        return None

    def numbers_array(self, values: Mapping[str, float]) -> npt.NDArray[Any]:
        """One record with the values, whose names are the layout's, for reading."""
        record = np.zeros(1, np.dtype(list(self.numbers)))
        for name, kind in self.numbers:
            if kind == INT and values[name] != int(values[name]):
                raise ValueError(f"the number {name} is {values[name]}, and was a whole one by default")
            record[name] = values[name]
        record.flags.writeable = False
        return record

    def registers_array(self, pages: int) -> npt.NDArray[np.int64]:
        """All registers, zero, for a World of so many page records."""
        return np.zeros(len(self.scalars) + sum(table.length(pages) for _, table in self.tables), np.int64)


class RegisterView:
    """``w.own`` for plain Python: the single registers as fields of a record, the tables as arrays."""

    def __init__(self, record: Any, tables: dict[str, Any]) -> None:
        vars(self).update(_record=record, _tables=tables)

    @classmethod
    def view(cls, registers: npt.NDArray[np.int64], pages: int, layout: Layout) -> "RegisterView":
        """The registers in this array, by their names."""
        dtype = np.dtype(list(layout.scalars))
        single = registers[: len(layout.scalars)]
        record = single.view(dtype) if len(single) else np.zeros(1, dtype)
        tables = {}
        for name, _ in layout.tables:
            before, table = layout.table(name) or (Table(), Table())
            start = before.length(pages)
            tables[name] = registers[start : start + table.length(pages)]
        return cls(record.view(np.recarray)[0], tables)

    def wrapped(self, record: Any, array: Any) -> "RegisterView":
        """The same with the record, and each array with its name, handed through these two."""
        return RegisterView(
            record(self._record), {name: array(table, name) for name, table in self._tables.items()}
        )

    def __getattr__(self, name: str) -> Any:
        tables = vars(self)["_tables"]
        return tables[name] if name in tables else getattr(vars(self)["_record"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._record, name, value)
