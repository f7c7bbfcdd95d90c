"""What a policy sees and what it answers: the only module that policies import.

The kernel asked ``struct frontswap_ops`` the same questions through function pointers. Here a policy is a
frozen dataclass of parameters and four compiled hooks, each ``hook(w, page) -> int``:

``store(w, page)``
    The core swaps a page out. Answer :data:`ACCEPT` (after putting it into the order with
    ``push_tail`` or ``push_head``), :data:`REJECT` (it goes to the next backing store, the disk as a rule),
    :data:`BYPASS` (it goes to the last one) or :data:`REFUSE` (the write fails: the page stays resident).
    ``w.pages[page].clen`` is its compressed length.
``load(w, page)``
    A page of the pool is read back. Answer :data:`DROP` (the pool's copy goes) or :data:`KEEP`.
``wake(w, page)``
    The clock reached ``w.host.wake`` (``page`` is unused). Work up to ``w.host.now`` and set the next
    ``w.host.wake``, or :data:`NEVER`.
``pressure(w, need)``
    The core VM is below its low watermark and asks for ``need`` pages of memory. Answer how many pages of
    RAM were given back. A policy that is not connected to the VM leaves this out.

``w`` is a :class:`.World`: ``w.host`` and ``w.pages[i]`` have the fields of :data:`.HOST` and :data:`.PAGE`,
``w.p`` the policy's parameters in the order that :meth:`Policy.numbers` gives them, ``w.own`` its
registers (int64, zero at the start).
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, TypeVar

import numba as nb
from numba import types

from ..errors import InvalidInputError
from ..world.allocators.tables import Allocator
from ..world.mechanics import (
    disk_write,
    enlist,
    enter_pool,
    entries_within,
    free_pages,
    has_more_than,
    is_on,
    leave_pool,
    oldest,
    pull_back,
    push_head,
    push_tail,
    sentinel,
    splice,
    swap_to_store,
    unlink,
    write_back,
)
from ..world.records import (
    ABSENT,
    ACCEPT,
    ASKED,
    BYPASS,
    DISK,
    DROP,
    HOST,
    KEEP,
    LISTS,
    NEVER,
    NO_ALLOCATION,
    ORDINARY,
    PAGE,
    POOL,
    REFUSE,
    REFUSED,
    REJECT,
    REMOTE,
    RESIDENT,
    ZERO,
    ZSPAGE,
)
from ..world.view import WORLD, World

__all__ = [
    "ABSENT", "ACCEPT", "ASKED", "BYPASS", "DISK", "DROP", "HOOK_SIGNATURE", "HOOK_TYPE", "HOST", "KEEP", "LISTS",
    "NEVER", "NO_ALLOCATION", "ORDINARY", "PAGE", "POOL", "REFUSE", "REFUSED", "REGISTRY", "REJECT", "REMOTE",
    "RESIDENT", "WORLD", "ZERO", "ZSPAGE", "Allocator", "Hook", "Param", "Policy", "World", "disk_write",
    "enlist", "enter_pool", "entries_within", "free_pages", "has_more_than", "hook", "ignores_pressure", "is_on",
    "leave_pool", "limit_pages", "load_drops", "load_keeps", "never_wakes", "oldest", "param", "pull_back",
    "push_head", "push_tail", "register", "sentinel", "splice", "swap_to_store", "unlink", "write_back",
]  # fmt: skip


HOOK_SIGNATURE = types.int64(WORLD, types.int64)
HOOK_TYPE = types.FunctionType(HOOK_SIGNATURE)

P = TypeVar("P", bound="type[Policy]")


class Hook:
    """A policy hook: compiled, with the one signature that the engine calls, when it is first needed.

    ``function`` is the plain Python function, for reading and for calling with a World of NumPy records.
    """

    def __init__(self, function: Callable[[Any, int], int]) -> None:
        self.function = function
        self.__doc__ = function.__doc__
        self._native: Any = None

    @property
    def native(self) -> Any:
        """The compiled function; what the engine takes as a function pointer."""
        if self._native is None:
            self._native = nb.njit(HOOK_SIGNATURE, cache=True)(self.function)
        return self._native


def hook(function: Callable[[Any, int], int]) -> Hook:
    """Decorator: make a function ``(w, page) -> int`` a policy hook."""
    return Hook(function)


@hook
def load_drops(w: Any, page: int) -> int:
    """Exclusive loads: the pool's copy goes when it is read."""
    return DROP


@hook
def load_keeps(w: Any, page: int) -> int:
    """Non-exclusive loads: the copy stays until the page is stored again or invalidated."""
    return KEEP


@hook
def never_wakes(w: Any, page: int) -> int:
    """No timer and no worker."""
    w.host.wake = NEVER
    return 0


@hook
def ignores_pressure(w: Any, need: int) -> int:
    """Not connected to the VM: gives nothing back."""
    return 0


@dataclass(frozen=True)
class Param:
    """What is known about one parameter; the value itself is a field of the policy."""

    name: str
    default: Any
    unit: str
    low: float | None
    high: float | None
    choices: tuple[str, ...]
    kernel: str
    """The kernel's name for it, empty where the kernel has none."""
    about: str

    def range_text(self) -> str:
        """``0 to 100``, ``on, off``, ``0 or more``."""
        if self.choices:
            return ", ".join(self.choices)
        if self.high is None:
            return "" if self.low is None else f"{self.low:g} or more"
        return f"{self.low:g} to {self.high:g}"


def param(
    default: Any,
    about: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    kernel: str = "",
) -> Any:
    """A dataclass field that describes itself."""
    described = {"about": about, "unit": unit, "low": low, "high": high, "choices": choices, "kernel": kernel}
    return field(default=default, metadata=described)


@dataclass(frozen=True)
class Policy:
    """A way to run the compressed pool. Subclasses are frozen dataclasses of :func:`param` fields."""

    name: ClassVar[str] = ""
    sources: ClassVar[tuple[str, ...]] = ()
    """Kernel version and function, or paper."""
    needs_future: ClassVar[bool] = False
    """Wants ``w.host.next_load`` at each store: clairvoyant bounds only."""
    ghosts: ClassVar[tuple[int, ...]] = ()
    """Lists that remember pages which are not in the pool; all other lists hold pages that are."""
    inert: ClassVar[dict[str, str]] = {}
    """Parameters that move no result on the small traces of ``tmemlab policies check``, and why."""
    awake: ClassVar[dict[str, dict[str, Any]]] = {}
    """Parameters that sleep until others are set, and those settings: where the check looks first."""
    takes_accesses: ClassVar[bool] = False
    """Can also run an access trace: its order is meaningful without stores and loads."""
    dirties: ClassVar[bool] = False
    """A page that a load took out of the pool counts as written: it is stored again when it leaves RAM."""
    follows_runs: ClassVar[bool] = False
    """Its worker can run when the recorded kernel's did: ``w.runs``, where a replay is given them."""
    synchronous: ClassVar[bool] = False
    """A swap device that answers at once, as zram does: the kernel reads nothing ahead from it."""
    store: ClassVar[Hook]
    load: ClassVar[Hook] = load_drops
    wake: ClassVar[Hook] = never_wakes
    pressure: ClassVar[Hook] = ignores_pressure

    def hooks(self) -> tuple[Hook, Hook, Hook, Hook]:
        """Store, load, wake, pressure: what the engine calls. Parameters may choose among hooks."""
        kind = type(self)
        return kind.store, kind.load, kind.wake, kind.pressure

    def ghost_lists(self) -> tuple[int, ...]:
        """``ghosts``, where parameters decide."""
        return self.ghosts

    def numbers(self, ram_pages: int) -> Sequence[float]:
        """The values that the hooks read as ``w.p``, in the order in which they index it."""
        raise NotImplementedError

    def registers(self, total_pages: int) -> int:
        """How many int64 registers (``w.own``) the hooks use; ``total_pages`` is the length of ``w.pages``."""
        return 16

    def first_wake(self) -> int:
        """When, in ns, the timer first fires; :data:`NEVER` for none."""
        return NEVER

    def allocator(self) -> Allocator:
        """What holds the pool's objects."""
        return Allocator()

    def zeros(self) -> int:
        """What a page of zero bytes is: NO_ALLOCATION, ORDINARY or ASKED."""
        return NO_ALLOCATION

    def stack(self) -> str:
        """The backing stores it is made for, as ``--stack`` has them; empty for the pool and one disk."""
        return ""

    def with_pool(self, pool_bytes: int, ram_bytes: int) -> "Policy":
        """This policy with its pool limited to ``pool_bytes``; itself where it has no limit."""
        return self

    @classmethod
    def params(cls) -> list[Param]:
        """The parameters in declaration order."""
        return [
            Param(
                f.name,
                f.default,
                f.metadata["unit"],
                f.metadata["low"],
                f.metadata["high"],
                f.metadata["choices"],
                f.metadata["kernel"],
                f.metadata["about"],
            )
            for f in fields(cls)
        ]

    @classmethod
    def summary(cls) -> str:
        """The first sentence of the rules, on one line."""
        sentence, _, _ = " ".join(cls.rules().split()).partition(". ")
        return sentence.rstrip(".")

    @classmethod
    def rules(cls) -> str:
        """The policy's rules: its docstring."""
        return inspect.cleandoc(cls.__doc__ or "")

    def __post_init__(self) -> None:
        for about in self.params():
            value = getattr(self, about.name)
            where = f"{self.name}: {about.name}={value}"
            if about.choices:
                if value not in about.choices:
                    raise InvalidInputError(f"{where} is not one of {', '.join(about.choices)}")
            elif not isinstance(value, int | float) or value != value:
                raise InvalidInputError(f"{where} is not a number")
            elif (about.low is not None and value < about.low) or (about.high is not None and value > about.high):
                raise InvalidInputError(
                    f"{where} is outside {about.low:g} to {about.high:g} {about.unit}".rstrip()
                )


def limit_pages(policy: Any, ram_pages: int) -> float:
    """The pool limit in pages, of a policy with ``max_pool_percent`` and ``max_pool_pages``.

    The percentage rounds down, as in zswap_max_pages() [Linux 6.18 mm/zswap.c].
    """
    return float(policy.max_pool_pages or ram_pages * policy.max_pool_percent // 100)


REGISTRY: dict[str, type[Policy]] = {}


def register(name: str) -> Callable[[P], P]:
    """Class decorator: make the policy known under ``family.name``."""

    def enter(policy: P) -> P:
        if name in REGISTRY and REGISTRY[name].__module__ != policy.__module__:
            raise InvalidInputError(f"two policies are called {name}")
        policy.name = name
        REGISTRY[name] = policy
        return policy

    return enter
