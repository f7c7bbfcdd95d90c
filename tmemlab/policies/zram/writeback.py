"""zram with a backing device."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ...compiled import njit
from ..interface import DROP, KEEP, LISTS, POOL, hook, param, register, write_back
from . import basic

MODE, INTERVAL_NS, IDLE_NS, BUDGET, REFILL_NS, BY_SIZE = range(5, 11)
LEFT, REFILLED = range(2)
USED = 16  # first register of when each page was last read or written, ns
IDLE, HUGE, HUGE_IDLE = range(3)
MODES = ("idle", "huge", "huge_idle")
BUCKET = 64

_basic_store = njit(cache=True)(basic.store.function)


@njit(cache=True)
def _is_candidate(w: Any, page: int) -> bool:
    if w.pages[page].place != POOL:
        return False
    mode = int(w.p[MODE])
    if mode != IDLE and w.pages[page].clen < 4096:
        return False
    return mode == HUGE or w.host.now - w.own[USED + page] >= w.p[IDLE_NS]


@njit(cache=True)
def _write(w: Any, page: int) -> bool:
    """Write one page back; whether the limit allowed it."""
    if w.p[BUDGET] > 0:
        if w.own[LEFT] <= 0:
            return False
        w.own[LEFT] -= 1
    write_back(w, page, False)
    return True


@njit(cache=True)
def _write_back_all(w: Any) -> None:
    slots = w.pages.shape[0] - LISTS
    if w.p[BY_SIZE] == 0 or w.p[BUDGET] == 0:
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
    w.own[USED + page] = w.host.now
    return int(_basic_store(w, page))


@hook
def load(w: Any, page: int) -> int:
    """A read makes the page used; whether it frees the slot is a matter of the version."""
    w.own[USED + page] = w.host.now
    return DROP if w.p[basic.LAST_SLOTS_FREED] != 0 else KEEP


@hook
def wake(w: Any, page: int) -> int:
    """What somebody's script does now and then: write the mode to the device's writeback file."""
    h, own = w.host, w.own
    if w.p[BUDGET] > 0 and (own[REFILLED] == 0 or h.now - own[REFILLED] >= w.p[REFILL_NS]):
        own[LEFT] = int(w.p[BUDGET])
        own[REFILLED] = h.now
    _write_back_all(w)
    interval = int(w.p[INTERVAL_NS])
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
    candidates: str = param("slot", "slot order (to 6.12) or largest first (6.18)", choices=("slot", "size"))

    awake: ClassVar[dict[str, dict[str, Any]]] = {
        "limit_interval": {"writeback_limit": 3, "mode": "huge"},
        "candidates": {"writeback_limit": 1},
    }
    sources = (
        "Linux 7.1 drivers/block/zram/zram_drv.c:writeback_store, mark_idle, zram_write_page",
        "Linux 6.18 drivers/block/zram/zram_drv.c:select_pp_slot (largest first; absent in 6.12)",
        "Linux 6.1 drivers/block/zram/zram_drv.c:writeback_store (huge_idle; idle and huge from 5.10 on)",
    )
    synchronous = True
    store = store
    load = load
    wake = wake

    def numbers(self, ram_pages: int) -> Sequence[float]:
        """Those without writeback, then these."""
        return (
            *super().numbers(ram_pages),
            float(MODES.index(self.mode)),
            1e9 * self.writeback_interval,
            1e9 * self.idle_age,
            float(self.writeback_limit),
            1e9 * self.limit_interval,
            float(self.candidates == "size"),
        )

    def registers(self, total_pages: int) -> int:
        """A time a page."""
        return USED + total_pages

    def first_wake(self) -> int:
        """The first turn."""
        return self.writeback_interval * 10**9
