"""zram with a backing device."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ...compiled import inner, njit
from ..interface import DROP, KEEP, LISTS, POOL, Registers, Table, hook, param, register, write_back
from . import basic
from .turns import first_turn

IDLE, HUGE, HUGE_IDLE = range(3)
MODES = ("idle", "huge", "huge_idle")
CANDIDATES = ("slot", "size")
BY_SLOT = 0
BUCKET = 64


class Own(Registers):
    """Registers."""

    left: int  # pages that may still be written
    refilled: int  # when the limit was set last, ns
    used = Table(per_page=1)  # when each page was last read or written, ns


_basic_store = njit(cache=True)(basic.store.function)


@inner
def _is_candidate(w: Any, page: int) -> bool:
    if w.pages[page].place != POOL:
        return False
    mode = w.p.mode
    if mode != IDLE and w.pages[page].clen < 4096:
        return False
    return mode == HUGE or w.host.now - w.own.used[page] >= w.p.idle_ns


@inner
def _write(w: Any, page: int) -> bool:
    """Write one page back; whether the limit allowed it."""
    if w.p.writeback_limit > 0:
        if w.own.left <= 0:
            return False
        w.own.left -= 1
    write_back(w, page, False)
    return True


@inner
def _write_back_all(w: Any) -> None:
    slots = w.pages.shape[0] - LISTS
    if w.p.candidates == BY_SLOT or w.p.writeback_limit == 0:
        for page in range(slots):
            if _is_candidate(w, page) and not _write(w, page):
                return
        return
    for bucket in range(4096 // BUCKET, -1, -1):
        for page in range(slots - 1, -1, -1):
            if w.pages[page].clen // BUCKET == bucket and _is_candidate(w, page) and not _write(w, page):
                return


@hook
def store(w: Any, page: int) -> int:
    """As without writeback; a write makes the page used."""
    w.own.used[page] = w.host.now
    return int(_basic_store(w, page))


@hook
def load(w: Any, page: int) -> int:
    """A read makes the page used; whether it frees the slot is a matter of the version."""
    w.own.used[page] = w.host.now
    return DROP if w.p.free_on_load else KEEP


@hook
def wake(w: Any, page: int) -> int:
    """What somebody's script does now and then: write the mode to the device's writeback file."""
    h, own = w.host, w.own
    if w.p.writeback_limit > 0 and (own.refilled == 0 or h.now - own.refilled >= w.p.limit_interval_ns):
        own.left = w.p.writeback_limit
        own.refilled = h.now
    _write_back_all(w)
    interval = w.p.interval_ns
    h.wake += (h.now - h.wake) // interval * interval + interval
    return 0


@register("zram.writeback")
@dataclass(frozen=True)
class ZramWriteback(basic.ZramBasic):
    """zram with a backing device, to which a script writes idle or incompressible pages now and then.

    zram itself never writes back; userspace asks it to, here every ``writeback_interval`` seconds. ``idle``
    takes pages not read or written for ``idle_age`` seconds, ``huge`` those kept raw, ``huge_idle`` pages
    that are both. Each costs a block and a write of 4096 bytes, and a page that was written back is read
    from the device from then on; it does not come back into the pool. With ``writeback_limit`` so many
    pages are written until the script sets the limit again, every ``limit_interval`` seconds. Candidates
    go in the order of their slots, or since 6.18 the largest first; the order matters only with a limit.
    Slots are taken to be in the order of page ids. The writes of a turn are queued to the device at once.
    """

    mode: str = param("idle", "which pages are written back", choices=MODES, kernel="writeback")
    writeback_interval: int = param(600, "from one turn to the next", unit="s", low=1, high=10**6)
    idle_age: int = param(3600, "a page is idle after so long", unit="s", low=0, high=10**6, kernel="idle")
    writeback_limit: int = param(
        0, "pages that may be written; 0 = writeback_limit_enable off", unit="pages", low=0, high=1 << 40,
        kernel="writeback_limit",
    )  # fmt: skip
    limit_interval: int = param(86400, "how often the limit is set again", unit="s", low=1, high=10**6)
    candidates: str = param("slot", "slot order (to 6.12) or largest first (6.18)", choices=CANDIDATES)

    awake: ClassVar[dict[str, dict[str, Any]]] = {
        "limit_interval": {"writeback_limit": 3, "mode": "huge"},
        "candidates": {"writeback_limit": 1},
    }
    sources = (
        "Linux 7.1 drivers/block/zram/zram_drv.c:writeback_store, mark_idle, zram_write_page",
        "Linux 6.18 drivers/block/zram/zram_drv.c:select_pp_slot (largest first; absent in 6.12)",
        "Linux 6.1 drivers/block/zram/zram_drv.c:writeback_store (huge_idle; idle and huge from 5.10 on)",
    )
    own = Own
    synchronous = True
    store = store
    load = load
    wake = wake

    def derived(self, ram_pages: int) -> Mapping[str, float]:
        """Those without writeback; times in ns."""
        times = {
            "interval_ns": self.writeback_interval * 10**9,
            "idle_ns": self.idle_age * 10**9,
            "limit_interval_ns": self.limit_interval * 10**9,
        }
        return {**super().derived(ram_pages), **times}

    def first_wake(self) -> int:
        """The first turn."""
        return self.writeback_interval * 10**9

    def acts_from(self) -> tuple[int, str]:
        """The first turn at which a page can have been idle for long enough."""
        return first_turn(self.writeback_interval, 0 if self.mode == "huge" else self.idle_age)
