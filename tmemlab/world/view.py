"""The World as compiled code sees it: one address.

A hook is called through a function pointer for every event. Handing it five arrays by value costs more
than most policies do, so compiled code gets the address of a small table of addresses instead, and
``w.host``, ``w.pages`` and the others are typed views made from it where they are used.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import carray, from_dtype, types
from numba.extending import (
    NativeValue,
    intrinsic,
    overload_attribute,
    typeof_impl,
    unbox,
)

from ..compiled import inner
from .layout import Layout, RegisterView
from .named import ROWS, WORLD, WorldType
from .records import HOST, KEPT, LEVEL, NEAR, PAGE, RUN, SIZE_CLASS, ZSPAGE

_PAGES_ADDRESS, _PAGE_BYTES = 2 * ROWS.index("pages"), PAGE.itemsize
_FRAMES_ADDRESS = 2 * ROWS.index("frames")
_ZSPAGES_ADDRESS, _ZSPAGE_BYTES = 2 * ROWS.index("zspages"), ZSPAGE.itemsize

FIELDS: dict[str, np.dtype[Any] | None] = {
    "host": HOST,
    "pages": PAGE,
    "classes": SIZE_CLASS,
    "class_of": np.dtype(np.uint8),
    "p": None,  # one record, as the policy's layout has it
    "own": np.dtype(np.int64),
    "lengths": np.dtype(np.int64),
    "frames": np.dtype(np.int32),
    "zspages": ZSPAGE,
    "levels": LEVEL,
    "kept": KEPT,
    "runs": RUN,
    "latencies": np.dtype(np.int64),
    "near": NEAR,
    "counts": np.dtype(np.int64),
    "clens": np.dtype(np.uint16),
}
"""The arrays of a World, and what they hold."""


class World:
    """Everything a hook may look at. Compiled and plain Python code use the same attributes."""

    host: Any
    """Record of HOST."""
    pages: npt.NDArray[Any]
    """Records of PAGE: the trace's pages, then a storm's, then the list heads."""
    classes: npt.NDArray[Any]
    """Records of SIZE_CLASS."""
    class_of: npt.NDArray[np.uint8]
    """uint8 (4097,): size class of a compressed length."""
    p: Any
    """The policy's parameters and what follows from them, by name; int64 or float64 each."""
    own: Any
    """The policy's registers and tables of registers, by name."""
    lengths: npt.NDArray[np.int64]
    """int64 (LISTS,): how many pages are enlisted on each list."""
    frames: npt.NDArray[np.int32]
    """int32, a page: the zspage that holds its object, while it is in the pool."""
    zspages: npt.NDArray[Any]
    """Records of ZSPAGE, then the heads of the fullness groups of every class."""
    levels: npt.NDArray[Any]
    """Records of LEVEL: the backing stores from top to bottom, without the pool."""
    kept: npt.NDArray[Any]
    """Records of KEPT, a page, then a list head a level; empty where there is only a disk."""
    runs: npt.NDArray[Any]
    """Records of RUN in their order; empty where the policy's worker keeps times of its own."""
    latencies: npt.NDArray[np.int64]
    """int64 (LATENCY_BUCKETS,): loads that had to wait for something, by their latency."""
    near: npt.NDArray[Any]
    """Records of NEAR: the resident set of a closed loop, else empty."""
    counts: npt.NDArray[np.int64]
    """Its counters and registers."""
    clens: npt.NDArray[np.uint16]
    """Its pages' compressed lengths."""

    def __init__(self, arrays: Mapping[str, npt.NDArray[Any]], layout: Layout) -> None:
        """arrays: the attributes by name, the numbers and the registers as ``layout`` makes them."""
        if arrays.keys() != FIELDS.keys():
            raise TypeError(f"a World needs {', '.join(ROWS)}")
        kept = [arrays[name] for name in ROWS]
        for array, dtype in zip(kept, map(FIELDS.get, ROWS), strict=True):
            if (dtype is not None and array.dtype != dtype) or not array.flags.c_contiguous:
                raise TypeError(f"a World needs contiguous arrays of {dtype}, not {array.dtype}")
        vars(self).update(arrays)
        self.host = arrays["host"].view(np.recarray)[0]
        self.p = arrays["p"].view(np.recarray)[0]
        self.own = RegisterView.view(arrays["own"], len(self.pages), layout)
        self._table = np.array([[a.ctypes.data, len(a)] for a in kept], np.int64)
        self._arrays = kept  # kept alive: compiled code knows only their addresses
        self.address = self._table.ctypes.data


HOST_TYPE = from_dtype(HOST)


@typeof_impl.register(World)
def _typeof_world(value: Any, context: Any) -> WorldType:
    return WORLD


@unbox(WorldType)
def _unbox_world(typ: Any, obj: Any, c: Any) -> Any:
    address = c.pyapi.object_getattr_string(obj, "address")
    value = c.pyapi.long_as_longlong(address)
    c.pyapi.decref(address)
    return NativeValue(value)


@intrinsic
def _entry(typingctx: Any, world: Any, index: Any) -> Any:
    """The index-th int64 of the table."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        table = builder.inttoptr(args[0], ir.IntType(64).as_pointer())
        entry = builder.load(builder.gep(table, [args[1]]))
        # The table never changes while a World lives: the optimiser may keep an entry across stores to others.
        entry.set_metadata("invariant.load", builder.module.add_metadata([]))
        return entry

    return types.int64(world, types.int64), codegen


@intrinsic
def _pointer(typingctx: Any, address: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], ir.IntType(8).as_pointer())

    return types.voidptr(types.int64), codegen


@intrinsic
def _host_record(typingctx: Any, address: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

    return HOST_TYPE(types.int64), codegen


@intrinsic
def _prefetch(typingctx: Any, address: Any) -> Any:
    """Ask for the cache line at ``address``, for writing."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        function = builder.module.declare_intrinsic(
            "llvm.prefetch", [pointer], ir.FunctionType(ir.VoidType(), [pointer, flag, flag, flag])
        )
        builder.call(function, [builder.inttoptr(args[0], pointer), flag(1), flag(3), flag(1)])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@inner
def prefetch(address: int) -> None:
    """Start loading the cache line at an address."""
    _prefetch(address)


@inner
def prefetch_page(w: Any, page: int) -> None:
    """Start loading a page's record: an event soon to come will need it."""
    _prefetch(_entry(w, _PAGES_ADDRESS) + page * _PAGE_BYTES)


@inner
def prefetch_frame(w: Any, page: int) -> None:
    """Start loading which zspage holds the page's object."""
    _prefetch(_entry(w, _FRAMES_ADDRESS) + page * 4)


@inner
def prefetch_zspage(w: Any, zspage: int) -> None:
    """Start loading a zspage's record."""
    _prefetch(_entry(w, _ZSPAGES_ADDRESS) + zspage * _ZSPAGE_BYTES)


def _make_view(name: str, index: int, dtype: Any) -> None:
    """Teach the compiler that ``w.name`` is the array at row ``index`` of the table."""
    address, length = 2 * index, 2 * index + 1

    @overload_attribute(WorldType, name)
    def typed(w: Any) -> Any:
        def view(w: Any) -> Any:
            return carray(_pointer(_entry(w, address)), (_entry(w, length),), dtype)

        return view


for _index, _name in enumerate(ROWS):
    if _name not in ("host", "p", "own"):
        _make_view(_name, _index, FIELDS[_name])


@overload_attribute(WorldType, "host")
def _typed_host(w: Any) -> Any:
    def view(w: Any) -> Any:
        return _host_record(_entry(w, 0))

    return view
