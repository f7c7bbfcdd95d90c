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
``w.p`` the policy's parameters under their names and what :meth:`Policy.derived` makes of them, ``w.own`` the
registers that the policy names (:class:`.Registers`), zero at the start.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self, TypeVar

from ..errors import InvalidInputError
from ..units import PAGE_SIZE, pages_within
from ..world.allocators.tables import Allocator
from ..world.hooks import HOOK_TYPE, BoundHook, Hook, hook, nameless_hook
from ..world.layout import Layout, Registers, Table
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
    pages_to_store,
    pull_back,
    push_head,
    push_tail,
    sentinel,
    splice,
    swap_to_store,
    unlink,
    write_back,
)
from ..world.named import WORLD
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
    STAYED,
    ZERO,
    ZSPAGE,
)
from ..world.view import World
from .parameters import Param, param

__all__ = [
    "ABSENT", "ACCEPT", "ASKED", "BYPASS", "DISK", "DROP", "HOOK_TYPE", "HOST", "KEEP", "LISTS", "NEVER",
    "NO_ALLOCATION", "ORDINARY", "PAGE", "POOL", "REFUSE", "REFUSED", "REGISTRY", "REJECT", "REMOTE", "RESIDENT",
    "STAYED",
    "WORLD", "ZERO", "ZSPAGE", "Allocator", "BoundHook", "Hook", "Layout", "LimitedPool", "Param",
    "PercentPool", "Policy",
    "Registers", "Table", "World", "disk_write", "enlist", "enter_pool", "entries_within", "free_pages",
    "has_more_than", "hook", "ignores_pressure", "is_on", "leave_pool", "load_drops", "load_keeps", "never_wakes",
    "oldest", "pages_to_store", "param", "pull_back", "push_head", "push_tail", "register", "sentinel", "splice",
    "swap_to_store", "unlink", "write_back",
]  # fmt: skip


P = TypeVar("P", bound="type[Policy]")
_NO_NUMBER = 1 << 62
"""Parameters are below it: hooks read them as 64 bits."""


@nameless_hook
def load_drops(w: Any, page: int) -> int:
    """Exclusive loads: the pool's copy goes when it is read."""
    return DROP


@nameless_hook
def load_keeps(w: Any, page: int) -> int:
    """Non-exclusive loads: the copy stays until the page is stored again or invalidated."""
    return KEEP


@nameless_hook
def never_wakes(w: Any, page: int) -> int:
    """No timer and no worker."""
    w.host.wake = NEVER
    return 0


@nameless_hook
def ignores_pressure(w: Any, need: int) -> int:
    """Not connected to the VM: gives nothing back."""
    return 0


@dataclass(frozen=True)
class Policy:
    """A way to run the compressed pool. Subclasses are frozen dataclasses of :func:`param` fields."""

    name: ClassVar[str] = ""
    sources: ClassVar[tuple[str, ...]] = ()
    """Kernel version and function, or paper."""
    since: ClassVar[tuple[int, int] | None] = None
    """The first kernel that runs it; its family's next ``since`` ends it. None: no kernel does."""
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
    keeps_incompressible: ClassVar[bool] = True
    """Takes pages that do not compress, raw; False: rejects them."""
    spares_stores: ClassVar[bool] = True
    """A page that was not written since its load is not stored while its copy is still somewhere; one that a load
    took out of the pool has no copy, and is. False: the recorded stores are replayed as they are, as a cache
    simulator would."""
    follows_runs: ClassVar[bool] = False
    """Its worker can run when the recorded kernel's did: ``w.runs``, where a replay is given them."""
    synchronous: ClassVar[bool] = False
    """A swap device that answers at once, as zram does: the kernel reads nothing ahead from it."""
    store: ClassVar[Hook]
    load: ClassVar[Hook] = load_drops
    wake: ClassVar[Hook] = never_wakes
    pressure: ClassVar[Hook] = ignores_pressure

    own: ClassVar[type[Registers]] = Registers
    """The registers that the hooks read and write as ``w.own``."""

    def hooks(self) -> tuple[BoundHook, BoundHook, BoundHook, BoundHook]:
        """Store, load, wake, pressure: what the engine calls."""
        layout = self.layout()
        store, load, wake, pressure = (BoundHook(hook, layout) for hook in self.chosen_hooks())
        return store, load, wake, pressure

    def chosen_hooks(self) -> tuple[Hook, Hook, Hook, Hook]:
        """The four hooks, where parameters decide."""
        kind = type(self)
        return kind.store, kind.load, kind.wake, kind.pressure

    def ghost_lists(self) -> tuple[int, ...]:
        """``ghosts``, where parameters decide."""
        return self.ghosts

    def derived(self, ram_pages: int) -> Mapping[str, float]:
        """What the hooks read beside the parameters, by name: limits in pages, times in ns; int or float."""
        return {}

    def numbers(self, ram_pages: int) -> dict[str, float]:
        """All that the hooks read as ``w.p``, by name.

        Every parameter is there. ``on`` is 1 and ``off`` 0; any other choice is its place among the choices.
        """
        values = {about.name: about.number(getattr(self, about.name)) for about in self.params()}
        derived = self.derived(ram_pages)
        if values.keys() & derived.keys():
            raise InvalidInputError(f"{self.name}: {min(values.keys() & derived.keys())} is a parameter already")
        return {**values, **derived}

    def registers(self) -> type[Registers]:
        """``own``, where parameters decide."""
        return self.own

    def layout(self) -> Layout:
        """The names of ``w.p`` and ``w.own``, and where they lie."""
        return Layout.of(self.numbers(1 << 20), self.registers())

    def first_wake(self) -> int:
        """When, in ns, the timer first fires; :data:`NEVER` for none."""
        return NEVER

    def acts_from(self) -> tuple[int, str]:
        """When its timers can first change anything, ns since the trace began, and why then; 0: at once."""
        return 0, ""

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
            elif abs(value) >= _NO_NUMBER:
                raise InvalidInputError(f"{self.name}: {about.name} is too large for any number of a policy")
            elif (about.low is not None and value < about.low) or (about.high is not None and value > about.high):
                between = "is outside" if about.low is not None and about.high is not None else "is not"
                raise InvalidInputError(f"{where} {between} {about.range_text()} {about.unit}".rstrip())


@dataclass(frozen=True)
class PercentPool(Policy):
    """A policy whose pool has a limit, a share of RAM; hooks read it as ``w.p.limit``, in pages."""

    max_pool_percent: float = param(20.0, "pool limit", unit="percent of RAM", low=0, high=100)

    def derived(self, ram_pages: int) -> Mapping[str, float]:
        """The limit, rounded down as in zswap_max_pages() [Linux 6.18 mm/zswap.c]."""
        return {"limit": pages_within(ram_pages, self.max_pool_percent)}

    def with_pool(self, pool_bytes: int, ram_bytes: int) -> Self:
        """The same with the share that makes the limit ``pool_bytes``."""
        return replace(self, max_pool_percent=100 * pool_bytes / ram_bytes)


@dataclass(frozen=True)
class LimitedPool(PercentPool):
    """The same, whose limit can be given in pages as well."""

    max_pool_pages: int = param(
        -1, "pool limit in pages, instead of the percentage; -1 = unset", unit="pages", low=-1
    )

    def derived(self, ram_pages: int) -> Mapping[str, float]:
        """The limit, in pages if it is given so."""
        return {"limit": self.max_pool_pages} if self.max_pool_pages >= 0 else super().derived(ram_pages)

    def with_pool(self, pool_bytes: int, ram_bytes: int) -> Self:
        """The same, limited to ``pool_bytes``."""
        return replace(self, max_pool_pages=pool_bytes // PAGE_SIZE)


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
