"""RAMster: zcache2 that sends its oldest page frames to a neighbour's RAM."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ...compiled import inner
from .. import frames
from ..frames import added, evict_frame, settle
from ..interface import (
    ACCEPT,
    BYPASS,
    DROP,
    KEEP,
    NEVER,
    Allocator,
    Policy,
    has_more_than,
    hook,
    param,
    push_tail,
    register,
    unlink,
)
from . import selfshrink
from .selfshrink import BACK, STORED, shrink, swap_out_again
from .zcache2 import is_too_long

SECOND = 1_000_000_000


class Own(selfshrink.Own, frames.Own):
    """Registers of the two workers."""

    next_remotify: int  # ns
    next_shrink: int  # ns


@inner
def _remotify(w: Any) -> None:
    """ramster_remotify_process: page frames in LRU order, each with its one or two objects."""
    for _ in range(w.p.remotify_frames):
        if evict_frame(w) == 0:
            return


@hook
def store(w: Any, page: int) -> int:
    """The local put of zcache2; what it refuses is swapped to disk, never put to the neighbour directly."""
    h = w.host
    unlink(w, page)
    settle(w)
    if is_too_long(w, page):
        return BYPASS
    if not has_more_than(w, h.watermark_min):
        h.limit_hits += 1
        return BYPASS
    push_tail(w, STORED, page)
    added(w, page)
    return ACCEPT


@hook
def load(w: Any, page: int) -> int:
    """Exclusive gets, the default, free the copy."""
    return DROP if w.p.exclusive_gets else KEEP


@hook
def wake(w: Any, page: int) -> int:
    """The two workers, each at its own pace."""
    h, own = w.host, w.own
    now = h.now
    if own.next_remotify == 0:
        own.next_remotify = h.wake
        own.next_shrink = h.wake if w.p.selfshrinking else NEVER
    settle(w)
    while min(own.next_remotify, own.next_shrink) <= now:
        h.now = min(own.next_remotify, own.next_shrink)
        if own.next_remotify <= own.next_shrink:
            _remotify(w)
            own.next_remotify += w.p.remotify_ns
        else:
            shrink(w, False)
            own.next_shrink += w.p.selfshrink_ns
    h.now = now
    h.wake = min(own.next_remotify, own.next_shrink)
    return 0


@hook
def pressure(w: Any, need: int) -> int:
    """The pool gives nothing; the VM swaps out again what was pulled back, longest ago first."""
    return swap_out_again(w, need, w.host.levels - 1)


@register("tmem.ramster")
@dataclass(frozen=True)
class Ramster(Policy):
    """zcache2 with a neighbour: every second its oldest page frames are moved to another host's RAM.

    Puts are taken as zcache2 takes them. A worker moves up to ``remotify_frames`` page frames, least
    recently filled first, each with its one or two objects, compressed as they are, to the neighbour, as long
    as that has room; what comes back is read across the network and, with exclusive gets, not stored locally
    again. A second worker, as under Xen, pulls a part of the local pages back into RAM while their number
    does not grow. A put that is refused goes to disk, not to the neighbour. Nothing reacts to pressure.

    The neighbour is a store of its own below the pool: ``remote_percent`` of this host's RAM, with latency and
    bandwidth; when it is full its oldest pages go on to the disk, where the real one refused them and left
    them where they were. Remotification is off in the kernel until a target node is set; here it is set.
    """

    remotify_frames: int = param(
        100, "page frames moved a second at most", unit="page frames", low=0, high=100_000,
        kernel="pers_remotify_enable",
    )  # fmt: skip
    remotify_interval_s: float = param(1.0, "between two moves", unit="s", low=0.1, high=3600)
    exclusive_gets: str = param("on", "a load frees the copy", choices=("on", "off"))
    selfshrinking: str = param("on", "pull local pages back into RAM", choices=("on", "off"))
    selfshrink_interval: float = param(
        5.0, "period of that", unit="s", low=0.1, high=3600, kernel="selfshrink_interval"
    )
    frontswap_hysteresis: int = param(
        20, "one part in so many is pulled back", low=1, high=1000, kernel="frontswap_hysteresis"
    )
    frontswap_inertia: int = param(3, "periods to wait after growth", low=1, high=1000, kernel="frontswap_inertia")
    zbud_max_zsize: int = param(
        3584, "refuse pages that compress to more", unit="bytes", low=0, high=4000, kernel="zbud_max_zsize"
    )
    zbud_max_mean_zsize: int = param(
        2560, "and those above this while the mean is", unit="bytes", low=0, high=4096,
        kernel="zbud_max_mean_zsize",
    )  # fmt: skip
    remote_percent: float = param(25.0, "the neighbour's RAM", unit="percent of RAM", low=0.01, high=1000)
    remote_latency_us: float = param(25.0, "to read a page from it", unit="us", low=0, high=1e6)
    remote_mbytes_per_s: float = param(1250.0, "bandwidth to it", unit="MB/s", low=1, high=1e6)

    awake: ClassVar[dict[str, dict[str, Any]]] = {
        "frontswap_hysteresis": {"remotify_frames": 0, "selfshrink_interval": 0.1}
    }
    sources = (
        "Linux 3.9 drivers/staging/zcache/ramster/ramster.c:ramster_remotify_process, ramster_remotify_pageframe",
        "Linux 3.9 drivers/staging/zcache/ramster/ramster.c:frontswap_selfshrink",
        "Linux 3.9 drivers/staging/zcache/zcache-main.c:zcache_pampd_pers_create",
    )
    own = Own
    ghosts = (BACK,)
    store = store
    load = load
    wake = wake
    pressure = pressure

    def first_wake(self) -> int:
        """The workers have been at it for long: they start with the trace."""
        return SECOND

    def stack(self) -> str:
        """The pool, the neighbour, the disk."""
        return (
            f"ram,remote:{self.remote_percent:f}%@{self.remote_latency_us:f}us"
            f"@{self.remote_mbytes_per_s:f}MB/s,disk"
        )

    def derived(self, ram_pages: int) -> Mapping[str, float]:
        """The workers' periods in ns."""
        return {
            "remotify_ns": int(self.remotify_interval_s * SECOND),
            "selfshrink_ns": int(self.selfshrink_interval * SECOND),
        }

    def allocator(self) -> Allocator:
        """That of zcache2."""
        return Allocator("zbud2", header=32)
