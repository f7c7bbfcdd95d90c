"""What can be set: each mechanism with the settings that its kernel has, and the values that they take.

Only what the replay has a model of is offered, and only values that a kernel takes: zswap's percentages are
whole numbers [Linux 6.18 mm/zswap.c: zswap_max_pool_percent is an unsigned int]. The rest is said, in sentences.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from typing import Any

from ...datasets.trace.manifest import Manifest
from ...errors import InvalidInputError
from ...policies.interface import Policy
from ...policies.registry import find_policy, of_kernel
from ..inputs.recorded_settings import recorded_policy, shrinker_works, worker_times, zram_devices
from .cases import Case

MECHANISMS = ("zswap", "zram", "none")
NEWEST = "6.18"
"""The kernel whose zswap is offered where a trace does not say which one it is of."""
Value = float | int | str


@dataclass(frozen=True)
class Dimension:
    """One setting: the values that it takes, and those to begin with."""

    name: str
    values: tuple[Value, ...]
    coarse: tuple[Value, ...]
    is_number: bool = False
    """The values ascend, and what is between two of them can be expected to score between them."""

    def between(self, low: Value, high: Value) -> Value | None:
        """The value in the middle of two, by place; None where there is none."""
        inside = [v for v in self.values if float(low) < float(v) < float(high)]
        return inside[len(inside) // 2] if inside else None


@dataclass(frozen=True)
class Mechanism:
    """A way to run the pool, with its settings."""

    name: str
    """One of :data:`MECHANISMS`."""
    base: Policy
    """What is not searched is as here."""
    dimensions: tuple[Dimension, ...] = ()

    def point(self, policy: Policy) -> tuple[Value, ...] | None:
        """Where a policy stands in this space; None where it does not."""
        if type(policy) is not type(self.base):
            return None
        at: tuple[Value, ...] = tuple(getattr(policy, d.name) for d in self.dimensions)
        return at if replace(self.base, **self._named(at)) == policy else None

    def policy(self, at: Sequence[Value]) -> Policy:
        """The policy at a point."""
        return replace(self.base, **self._named(at))

    def _named(self, at: Sequence[Any]) -> dict[str, Any]:
        return {d.name: value for d, value in zip(self.dimensions, at, strict=True)}

    def grid(self) -> Iterator[Policy]:
        """Every combination of the values to begin with."""
        for at in product(*(d.coarse for d in self.dimensions)):
            yield self.policy(at)


@dataclass(frozen=True)
class Space:
    """All that is offered, and what is not."""

    mechanisms: list[Mechanism]
    left_out: list[str]
    """A sentence for everything that somebody might look for."""


@dataclass(frozen=True)
class Scale:
    """What a pool without any limit has at its peak, as shares of RAM: where a search has to look."""

    pool: float
    stored: float


def most(policy: Policy, ram_bytes: int) -> float:
    """Bytes that the settings let a pool take at most: zswap's limit, zram's mem_limit or else its disksize."""
    values = {f.name: getattr(policy, f.name) for f in fields(policy)}
    percent = (
        values.get("mem_limit_percent") or values.get("disksize_percent") or values.get("max_pool_percent", 0)
    )
    return float(ram_bytes) * percent / 100


def make_space(
    cases: Sequence[Case], scale: Scale, *, kernel: str | None, mechanisms: Sequence[str] | None
) -> Space:
    """What can be set on these hosts.

    kernel: a release such as 6.12, or None for the first trace's. mechanisms: some of :data:`MECHANISMS`, or
    None for all that the recorded host could run. InvalidInputError for a kernel without zswap.
    """
    manifest, left_out, found = cases[0].trace.manifest, [], []
    wanted = list(mechanisms or MECHANISMS)
    disk = _has_disk(manifest)
    if not disk and mechanisms is None:
        wanted = ["zram"]
        left_out.append(
            "zswap and swap without a pool are left out: they need swap space on a disk, and the recorded "
            "host had none; --mechanism zswap,none offers them all the same."
        )
    release = kernel or _release(manifest)
    if "none" in wanted:
        found.append(Mechanism("none", find_policy("bounds.none")()))
    if "zswap" in wanted:
        found.append(_zswap(manifest, release, scale, left_out))
    if "zram" in wanted:
        found += _zram(cases, release, scale, disk or mechanisms is not None, left_out)
    left_out.append(
        "Compressors are not compared: lengths are those of "
        f"{manifest.clen.algorithm or 'the recorded pool'}. vm.swappiness and page-cluster stay as recorded: "
        "the replay has no model of other values."
    )
    return Space(found, left_out)


def _release(manifest: Manifest) -> str:
    try:
        of_kernel("zswap", manifest.kernel.release or "")
    except InvalidInputError:
        return NEWEST
    return manifest.kernel.release


def _has_disk(manifest: Manifest) -> bool:
    """Whether the host had swap space besides zram; a trace that does not tell of any is given a disk."""
    return not manifest.swap or len(manifest.swap) > len(zram_devices(manifest))


def host_settings(kind: type[Policy], manifest: Manifest) -> Policy:
    """A policy with what the recording measured of its host, and all else at its defaults."""
    known = {about.name for about in kind.params()}
    values: dict[str, Any] = {k: v for k, v in worker_times(manifest).items() if k in known}
    try:
        recorded = recorded_policy(manifest)
    except InvalidInputError:
        recorded = None
    if isinstance(recorded, kind) and type(recorded) is kind:
        return recorded
    for about in recorded.params() if recorded else ():
        if about.name in known and recorded is not None and recorded.name.partition(".")[0] == "zswap":
            values[about.name] = getattr(recorded, about.name)
    try:
        return kind(**values)
    except InvalidInputError:  # an allocator that this kernel has no more
        return kind(**{k: v for k, v in values.items() if k != "zpool"})


def _zswap(manifest: Manifest, release: str, scale: Scale, left_out: list[str]) -> Mechanism:
    kind = of_kernel("zswap", release)
    base, known = host_settings(kind, manifest), {about.name for about in kind.params()}
    dimensions = [Dimension("max_pool_percent", tuple(map(float, range(1, 101))), _limits(scale.pool), True)]
    if "accept_threshold_percent" in known:
        accept = tuple(map(float, range(10, 101)))
        dimensions.append(Dimension("accept_threshold_percent", accept, (90.0,), True))
    else:
        left_out.append(f"{kind.name} has no accept_threshold_percent.")
    if "shrinker" not in known:
        left_out.append(f"{kind.name} has no shrinker: zswap has one from Linux 6.8 on.")
    elif not shrinker_works(manifest):
        left_out.append("The shrinker is left out: with cgroup v1 it finds nothing to write back.")
    else:
        dimensions.append(_choice("shrinker", base, ("off", "on")))
    if "zpool" in known:
        dimensions.append(_choice("zpool", base, ("zsmalloc",)))
    if "exclusive_loads" in known:
        dimensions.append(_choice("exclusive_loads", base, ("off", "on")))
    return Mechanism("zswap", base, tuple(dimensions))


def _choice(name: str, base: Policy, others: Sequence[str]) -> Dimension:
    """A setting without an order: what the host has to begin with, the others where the front is."""
    present = str(getattr(base, name))
    return Dimension(name, tuple(dict.fromkeys([present, *others])), (present,))


def _limits(pool: float) -> tuple[float, ...]:
    """Limits in whole percent to begin with: around the peak of an unlimited pool, and far above."""
    peak = max(100 * pool, 1.0)
    parts = {max(round(peak * part), 1) for part in (0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0)}
    parts |= {int(peak) + 1, int(1.5 * peak) + 1, 20}
    return tuple(sorted(float(p) for p in parts if p <= 100))


def _shares(high: float) -> tuple[float, ...]:
    """Shares of RAM for zram, in percent: tenths up to 10, then whole ones up to 100, then tens."""
    tenths, ones = [n / 10 for n in range(1, 100)], [float(n) for n in range(10, 100)]
    return tuple(v for v in [*tenths, *ones, *map(float, range(100, 401, 10))] if v <= high)


def _near(values: Sequence[float], wanted: float) -> float:
    """The smallest value that is no less, or the last."""
    return values[min(bisect_left(values, wanted), len(values) - 1)]


def _zram(cases: Sequence[Case], release: str, scale: Scale, disk: bool, left_out: list[str]) -> list[Mechanism]:
    kind = find_policy("zram.basic")
    version = tuple(int(part) for part in release.split(".")[:2] if part.isdigit())
    if len(version) == 2 and version < (3, 14):
        left_out.append(f"zram is left out: Linux {release} had it in staging only.")
        return []
    behind: dict[str, Any] = {"fallback": "disk" if disk else "none"}
    base = replace(host_settings(kind, cases[0].trace.manifest), **behind)
    sizes, limits = _shares(400), _shares(100)
    stored, pool = 100 * scale.stored, 100 * scale.pool
    first = sorted({*(_near(sizes, stored * part) for part in (0.25, 0.5, 0.75, 1.05)), 50.0})
    caps = (0.0, *sorted({_near(limits, pool * 1.02), _near(limits, pool * 1.5)}))  # 0 is none: no order
    size = Dimension("disksize_percent", sizes, tuple(first), True)
    cap = Dimension("mem_limit_percent", caps, caps[:1])
    found = [Mechanism("zram", base, (size, cap))]
    writing = _writeback(cases, version, base, size, left_out)
    return [*found, writing] if writing else found


def _writeback(
    cases: Sequence[Case], version: tuple[int, ...], basic: Policy, size: Dimension, left_out: list[str]
) -> Mechanism | None:
    """zram with a backing device, its script's turns as often as the traces are long enough to see."""
    if version < (5, 10):
        left_out.append("zram's writeback is left out: the model has that of Linux 5.10 and later.")
        return None
    kind = find_policy("zram.writeback")
    shared: Mapping[str, Any] = {f.name: getattr(basic, f.name) for f in fields(basic)}
    shortest = min(case.seconds for case in cases)
    ages = tuple(age for age in (10, 30, 60, 300, 1800, 3600) if 2 * age <= shortest)
    if not ages:
        left_out.append("zram's writeback is left out: the trace is too short to see what becomes idle.")
        return None
    left_out.append(
        f"zram's writeback of pages idle for more than {ages[-1]} s is left out: the trace is too short for "
        "that. So is huge_idle, whose pages are a part of huge's."
    )
    script: dict[str, Any] = {"writeback_interval": ages[0], "idle_age": ages[0]}
    base = kind(**shared, **script)
    dimensions = (
        Dimension("disksize_percent", size.values, size.coarse[1:-1], True),
        Dimension("mode", ("idle", "huge"), ("idle",)),
        Dimension("idle_age", ages, ages[:1], True),
    )
    return Mechanism("zram", base, dimensions)
