"""zram with a second compressor."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...compiled import inner, njit
from ..interface import (
    DROP,
    KEEP,
    LISTS,
    POOL,
    Registers,
    Table,
    enter_pool,
    hook,
    leave_pool,
    param,
    push_tail,
    register,
    write_back,
)
from . import basic
from .turns import first_turn

IDLE, HUGE, HUGE_IDLE = range(3)
TYPES = ("idle", "huge", "huge_idle")
FIRST_TRY, RECOMPRESSED, INCOMPRESSIBLE = range(3)  # marks of pages
WRITEBACKS = ("off", "incompressible")


class Own(Registers):
    """Registers."""

    used = Table(per_page=1)  # when each page was last read or written, ns
    first_length = Table(per_page=1)  # what the first compressor made of it, bytes


_basic_store = njit(cache=True)(basic.store.function)


@inner
def _slots(w: Any) -> int:
    return w.pages.shape[0] - LISTS


@inner
def _is_candidate(w: Any, page: int) -> bool:
    if w.pages[page].place != POOL or w.pages[page].mark != FIRST_TRY:
        return False
    if w.pages[page].clen < w.p.threshold:
        return False
    kind = w.p.type
    if kind != IDLE and w.pages[page].clen < 4096:
        return False
    return kind == HUGE or w.host.now - w.own.used[page] >= w.p.idle_ns


@inner
def _recompress(w: Any, page: int) -> None:
    """Try the second compressor; what is not smaller by a size class stays as it is, and is marked."""
    h = w.host
    length = max(int(w.own.first_length[page] * w.p.second_share), 1)
    h.decompressed += 1
    h.compressed += 1
    new, old = w.classes[w.class_of[length]], w.classes[w.class_of[w.pages[page].clen]]
    smaller = new.pages * old.objects < old.pages * new.objects
    if length >= w.p.huge_class_size or not smaller or (w.p.threshold > 0 and length >= w.p.threshold):
        w.pages[page].mark = INCOMPRESSIBLE
        return
    leave_pool(w, page)
    w.pages[page].clen = length
    enter_pool(w, page)
    push_tail(w, 0, page)
    w.pages[page].mark = RECOMPRESSED


@hook
def store(w: Any, page: int) -> int:
    """As with one compressor; what it compressed to is remembered, also of pages that are kept raw."""
    w.own.used[page] = w.host.now
    w.own.first_length[page] = w.pages[page].clen
    w.pages[page].mark = FIRST_TRY
    return int(_basic_store(w, page))


@hook
def load(w: Any, page: int) -> int:
    """A read makes the page used."""
    w.own.used[page] = w.host.now
    return DROP if w.p.free_on_load else KEEP


@hook
def wake(w: Any, page: int) -> int:
    """What a script does now and then: write to the device's recompress file, then to its writeback file."""
    h = w.host
    tried = 0
    for slot in range(_slots(w)):
        if w.p.max_pages > 0 and tried >= w.p.max_pages:
            break
        if _is_candidate(w, slot):
            tried += 1
            _recompress(w, slot)
    if w.p.writeback:
        for slot in range(_slots(w)):
            if w.pages[slot].place == POOL and w.pages[slot].mark == INCOMPRESSIBLE:
                write_back(w, slot, False)
    interval = w.p.interval_ns
    h.wake += (h.now - h.wake) // interval * interval + interval
    return 0


@register("zram.recompress")
@dataclass(frozen=True)
class ZramRecompress(basic.ZramBasic):
    """zram with a second, stronger compressor that a script applies now and then to idle or raw pages.

    Every ``interval`` seconds the pages of ``type`` that were not tried since they were written, and hold at
    least ``threshold`` bytes, are decompressed and compressed again, at most ``max_pages`` a turn, in the order
    of their slots. The result is kept if it falls into a smaller size class and, with a threshold, is below
    it; otherwise the page is marked incompressible and left as it is. With ``writeback=incompressible`` marked
    pages are then written to the backing device, 4096 bytes each.

    A trace has one compressed length a page. What the second compressor makes of it is taken to be
    ``second_share`` of that; of a page kept raw, of what the first one made of it.
    """

    type: str = param("idle", "which pages are recompressed", choices=TYPES, kernel="recompress type=")
    interval: int = param(600, "from one turn to the next", unit="s", low=1, high=10**6)
    idle_age: int = param(3600, "a page is idle after so long", unit="s", low=0, high=10**6, kernel="idle")
    threshold: int = param(
        0, "smaller objects are left alone; 0 = none are", unit="bytes", low=0, high=4096,
        kernel="recompress threshold=",
    )  # fmt: skip
    max_pages: int = param(
        0, "pages tried a turn; 0 = all", unit="pages", low=0, high=1 << 40, kernel="recompress max_pages="
    )
    second_share: float = param(0.8, "length under the second compressor", unit="of the first's", low=0.01, high=1)
    writeback: str = param(
        "off", "write what stayed incompressible to the backing device", choices=WRITEBACKS,
        kernel="writeback",
    )  # fmt: skip

    sources = (
        "Linux 7.1 drivers/block/zram/zram_drv.c:recompress_store, recompress_slot (one priority a request)",
        "Linux 6.19 drivers/block/zram/zram_drv.c (tries all second compressors in turn; here there is one)",
        "Linux 6.6 drivers/block/zram/zram_drv.c:writeback_store (incompressible; absent in 6.1)",
    )
    own = Own
    store = store
    load = load
    wake = wake

    def derived(self, ram_pages: int) -> Mapping[str, float]:
        """Those without recompression; times in ns."""
        times = {"interval_ns": self.interval * 10**9, "idle_ns": self.idle_age * 10**9}
        return {**super().derived(ram_pages), **times}

    def first_wake(self) -> int:
        """The first turn."""
        return self.interval * 10**9

    def acts_from(self) -> tuple[int, str]:
        """The first turn at which a page can have been idle for long enough."""
        return first_turn(self.interval, 0 if self.type == "huge" else self.idle_age)
