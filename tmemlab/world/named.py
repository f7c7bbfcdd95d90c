"""What compiled code makes of ``w.p.NAME`` and ``w.own.NAME``: a load or a store at a known place.

The Numba type of a hook's World knows the policy's :class:`.Layout`, the World itself is the same address as ever.
So each policy has names of its own, while the functions that read none, and the loops, know one World type.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from llvmlite import ir
from numba import carray, config, types
from numba.core.errors import TypingError
from numba.core.typeconv import Conversion
from numba.core.typing.templates import AttributeTemplate
from numba.extending import (
    infer_getattr,
    intrinsic,
    lower_cast,
    lower_getattr_generic,
    lower_setattr_generic,
    models,
    register_model,
)

from .layout import FLOAT, Layout

ROWS = (
    "host", "pages", "classes", "class_of", "p", "own", "lengths", "frames", "zspages", "levels", "kept", "runs",
    "latencies", "near", "counts", "clens",
)  # fmt: skip
"""The arrays of a World in the order of its table: an address and a length each."""
_PAGES, _NUMBERS, _REGISTERS = map(ROWS.index, ("pages", "p", "own"))
_I64 = ir.IntType(64)
_SLOT = 8
F = TypeVar("F", bound=Callable[..., Any])


class WorldType(types.Type):
    """Numba's type of a World: the address of its table. With a layout, the names of a policy are known too."""

    def __init__(self, layout: Layout | None = None) -> None:
        self.layout = layout
        super().__init__(name=f"World({layout.digest()})" if layout else "World")

    def can_convert_to(self, typingctx: Any, other: Any) -> Any:
        """A World whose names are known is a World."""
        return Conversion.safe if isinstance(other, WorldType) and other.layout is None else None


class _Named(types.Type):
    """``w.p`` or ``w.own``: the World's address once more."""

    said, what = "", ""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        super().__init__(name=f"{self.said}({layout.digest()})")

    def kinds(self) -> dict[str, str]:
        """The names and what each is."""
        raise NotImplementedError


class NumbersType(_Named):
    """Type of ``w.p``."""

    said, what = "w.p", "number"

    def kinds(self) -> dict[str, str]:
        """See above."""
        return dict(self.layout.numbers)


class RegistersType(_Named):
    """Type of ``w.own``."""

    said, what = "w.own", "register"

    def kinds(self) -> dict[str, str]:
        """See above."""
        return dict(self.layout.scalars)


WORLD = WorldType()


@register_model(WorldType)
@register_model(NumbersType)
@register_model(RegistersType)
class _AddressModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, _I64)


@lower_cast(WorldType, WorldType)
def _forget_names(context: Any, builder: Any, fromty: Any, toty: Any, value: Any) -> Any:
    return value


def common(function: F) -> F:
    """Decorator of a compiled function that reads no names: it is compiled once, for the World of every policy."""
    if not config.DISABLE_JIT:
        dispatcher: Any = function
        template = dispatcher.get_call_template

        def for_any_world(args: Any, kws: Any) -> Any:
            plain = tuple(WORLD if isinstance(arg, WorldType) else arg for arg in args)
            return template(plain, {k: WORLD if isinstance(arg, WorldType) else arg for k, arg in kws.items()})

        dispatcher.get_call_template = for_any_world
    return function


@infer_getattr
class _WorldAttributes(AttributeTemplate):
    key = WorldType

    def generic_resolve(self, world: WorldType, name: str) -> Any:
        if world.layout is None:
            return None
        return {"p": NumbersType, "own": RegistersType}.get(name, lambda _: None)(world.layout)


@lower_getattr_generic(WorldType)
def _names_of_world(context: Any, builder: Any, world: Any, value: Any, name: str) -> Any:
    return value


class _NamedAttributes(AttributeTemplate):
    def generic_resolve(self, named: _Named, name: str) -> Any:
        kinds = named.kinds()
        if name in kinds:
            return types.float64 if kinds[name] == FLOAT else types.int64
        if isinstance(named, RegistersType) and named.layout.table(name):
            return types.Array(types.int64, 1, "C")
        known = [*kinds, *(dict(named.layout.tables) if isinstance(named, RegistersType) else ())]
        raise TypingError(f"{named.said} has no {named.what} {name!r}: it has {', '.join(known) or 'none'}")


@infer_getattr
class _NumbersAttributes(_NamedAttributes):
    key = NumbersType


@infer_getattr
class _RegistersAttributes(_NamedAttributes):
    key = RegistersType


def _entry(builder: Any, table: Any, at: int) -> Any:
    """The ``at``-th int64 of a World's table, which never changes while the World lives."""
    pointer = builder.inttoptr(table, _I64.as_pointer())
    entry = builder.load(builder.gep(pointer, [_I64(at)]))
    entry.set_metadata("invariant.load", builder.module.add_metadata([]))
    return entry


def _slot(builder: Any, table: Any, row: int, kinds: dict[str, str], name: str) -> Any:
    """Pointer to the number or register called ``name``."""
    kind = ir.DoubleType() if kinds[name] == FLOAT else _I64
    start = builder.inttoptr(_entry(builder, table, 2 * row), kind.as_pointer())
    return builder.gep(start, [_I64(list(kinds).index(name))])


@lower_getattr_generic(NumbersType)
def _read_number(context: Any, builder: Any, named: NumbersType, value: Any, name: str) -> Any:
    number = builder.load(_slot(builder, value, _NUMBERS, named.kinds(), name))
    number.set_metadata("invariant.load", builder.module.add_metadata([]))
    return number


@lower_getattr_generic(RegistersType)
def _read_register(context: Any, builder: Any, named: RegistersType, value: Any, name: str) -> Any:
    place = named.layout.table(name)
    if place is None:
        return builder.load(_slot(builder, value, _REGISTERS, named.kinds(), name))
    before, table = place
    pages = _entry(builder, value, 2 * _PAGES + 1)
    start = builder.add(_I64(before.fixed), builder.mul(pages, _I64(before.per_page)))
    length = builder.add(_I64(table.fixed), builder.mul(pages, _I64(table.per_page)))
    address = builder.add(_entry(builder, value, 2 * _REGISTERS), builder.mul(start, _I64(_SLOT)))

    def view(address: Any, length: Any) -> Any:
        return carray(_pointer(address), (length,), types.int64)

    signature = types.Array(types.int64, 1, "C")(types.int64, types.int64)
    return context.compile_internal(builder, view, signature, (address, length))


@lower_setattr_generic(RegistersType)
def _write_register(context: Any, builder: Any, signature: Any, args: Any, name: str) -> None:
    builder.store(args[1], _slot(builder, args[0], _REGISTERS, signature.args[0].kinds(), name))


@lower_setattr_generic(NumbersType)
def _write_number(context: Any, builder: Any, signature: Any, args: Any, name: str) -> None:
    raise TypingError(f"w.p.{name} is for reading: what changes is kept in w.own")


@intrinsic
def _pointer(typingctx: Any, address: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], ir.IntType(8).as_pointer())

    return types.voidptr(types.int64), codegen
