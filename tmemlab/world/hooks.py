"""A policy's question as a function pointer that every loop can call, whatever names the policy has.

A hook is compiled for the World with its policy's names. What a loop takes is of one type, :data:`HOOK_TYPE`: the
World is the same address under every name, so the machine code is as good for the World without names. A pointer
holds no Numba function object, so no compiled loop depends on the policy that it was first used with.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numba import config, types
from numba.core import cgutils
from numba.core.datamodel import register_default
from numba.experimental.function_type import FunctionModel
from numba.extending import NativeValue, typeof_impl, unbox

from ..compiled import njit
from .layout import Layout
from .named import WORLD, WorldType


class HookType(types.FunctionType):
    """Numba's type of a :class:`NativeHook`."""


HOOK_TYPE = HookType(types.int64(WORLD, types.int64))
register_default(HookType)(FunctionModel)


class NativeHook:
    """A compiled hook; ``address`` is that of its machine code."""

    def __init__(self, function: Callable[[Any, int], int], layout: Layout | None) -> None:
        world = WorldType(layout)
        dispatcher = njit(cache=True)(function)
        dispatcher.compile(types.int64(world, types.int64))
        compiled = dispatcher.overloads[(world, types.int64)]
        self.address = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
        self.from_cache = bool(dispatcher.stats.cache_hits)
        self._dispatcher = dispatcher  # kept alive, and its machine code with it


@typeof_impl.register(NativeHook)
def _typeof_hook(value: Any, context: Any) -> HookType:
    return HOOK_TYPE


@unbox(HookType)
def _unbox_hook(typ: Any, obj: Any, c: Any) -> Any:
    address = c.pyapi.object_getattr_string(obj, "address")
    pointer = cgutils.create_struct_proxy(typ)(c.context, c.builder)
    pointer.jit_addr = pointer.c_addr = c.pyapi.long_as_voidptr(address)
    pointer.py_addr = c.builder.ptrtoint(obj, c.context.get_value_type(types.voidptr))
    c.pyapi.decref(address)
    return NativeValue(pointer._getvalue())


class Hook:
    """A policy hook: compiled, for a policy's names, when it is first needed.

    ``function`` is the plain Python function, for reading and for calling with a World of NumPy records.
    """

    def __init__(self, function: Callable[[Any, int], int], names: bool = True) -> None:
        self.function = function
        self.__doc__ = function.__doc__
        self._names = names
        self._compiled: dict[Layout | None, Any] = {}

    def native(self, layout: Layout) -> Any:
        """The compiled function for a policy with these names; what the engine takes as a function pointer."""
        known = layout if self._names else None
        if known not in self._compiled:
            self._compiled[known] = self.function if config.DISABLE_JIT else NativeHook(self.function, known)
        return self._compiled[known]


@dataclass(frozen=True)
class BoundHook:
    """A hook of a certain policy."""

    hook: Hook
    layout: Layout

    @property
    def function(self) -> Callable[[Any, int], int]:
        """The plain Python function."""
        return self.hook.function

    @property
    def native(self) -> Any:
        """The compiled function; what the engine takes as a function pointer."""
        return self.hook.native(self.layout)


def hook(function: Callable[[Any, int], int]) -> Hook:
    """Decorator: make a function ``(w, page) -> int`` a policy hook."""
    return Hook(function)


def nameless_hook(function: Callable[[Any, int], int]) -> Hook:
    """The same for one that reads neither ``w.p`` nor ``w.own``: it is compiled once, for all policies."""
    return Hook(function, names=False)
