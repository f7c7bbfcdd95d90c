"""Several policies over one trace: read once, replay in threads, rows in the order asked for."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any

from ..datasets.trace.read import Trace
from ..errors import InvalidInputError, TraceError
from ..policies.catalogue import ACCESS_DEFAULTS, DEFAULTS, parse_policy
from ..policies.interface import Policy
from ..units import PAGE_SIZE, format_bytes, parse_size_or_share
from ..world.described import Described
from ..world.host import Host, build_host
from ..world.stack import Stack, parse_stack
from .inputs.columns import Columns, next_loads
from .inputs.group_limit import group_limit
from .inputs.kept import columns_for
from .inputs.lossy import Lost
from .loops.choose import closed_inputs
from .notes import notes
from .scores.calls import parse_profile
from .scores.score import Score, StormPlan, score


@dataclass(frozen=True)
class Comparison:
    """The result of one ``tmemlab replay``."""

    trace: Trace
    columns: Columns
    host: Host
    plan: StormPlan
    pool_bytes: int | None
    stack: str | None
    closed: bool
    """A resident set stood in front of the pool."""
    group_bytes: int | None
    """In a closed loop, the limit of the memory cgroup that the trace was recorded in, or was given instead."""
    scores: list[Score]
    policies: list[Policy]
    """What was replayed, a policy a score."""

    @property
    def notes(self) -> list[str]:
        """What has to be said of the result, in sentences."""
        return notes(self)

    def as_json(self) -> dict[str, Any]:
        """The document ``tmemlab.replay/1``."""
        manifest = self.trace.manifest
        lost = Lost.of(manifest.certificate)
        return {
            "schema": "tmemlab.replay/1",
            "trace": {
                "path": str(self.trace.path),
                "events": self.columns.events,
                "stores": self.columns.stores,
                "loads": self.columns.loads,
                "invalidates": self.columns.invalidates,
                "pages": self.columns.pages,
                "duration_s": manifest.duration_ns / 1e9,
                "kernel": manifest.kernel.release,
                "ram_bytes": manifest.ram_bytes,
                "complete": manifest.certificate.complete,
                "lost": {"stores": lost.stores, "loads": lost.loads},
                "clen": self.columns.clen_source,
            },
            "config": {
                "ram_bytes": self.host.ram * PAGE_SIZE,
                "pool_bytes": self.pool_bytes,
                "seed": self.plan.seed,
                "storms": self.plan.storms,
                "disk": self.host.disk.name,
                "disk_unit": self.host.disk_unit,
                "stack": self.stack,
                "loop": "closed" if self.closed else "open",
                **({"group_bytes": self.group_bytes} if self.group_bytes is not None else {}),
                **({"notes": self.notes} if self.notes else {}),
            },
            "policies": [
                row.as_json() | {"hit_rate_interval": lost.interval(row.hits, sum(row.loads.values()))}
                for row in self.scores
            ],
        }


def _stack_of(policy: Policy, text: str | None, host: Host, disk: str) -> Stack | None:
    wanted = text or policy.stack()
    return parse_stack(wanted, host.ram * PAGE_SIZE, disk, host.disk_unit) if wanted else None


def is_closed(loop: str, access: bool, policies: Sequence[Policy], host: Host) -> bool:
    """Whether a resident set stands in front of the pool.

    By itself it does where an access trace meets a policy that is not just an order, and where a swap trace
    of a host that was short of memory is replayed with more of it.
    """
    if loop != "auto":
        return loop == "closed"
    if access:
        return not all(policy.takes_accesses for policy in policies)
    return host.ram > host.recorded_ram and host.was_short


def compare(
    path: Path | str,
    policies: Sequence[Policy] | None = None,
    *,
    ram_bytes: int | None = None,
    pool: str | None = None,
    plan: StormPlan | None = None,
    disk: str = "ssd",
    disk_unit: str = "4096",
    stack: str | None = None,
    loop: str = "auto",
    calls: str | None = None,
    compression: float = 3.0,
    file_floor: int = 0,
    threads: int | None = None,
    allow_lossy: bool = False,
    on_done: Callable[[Score], None] | None = None,
    described: Described | None = None,
) -> Comparison:
    """Replay the trace at ``path`` through each policy; the default ones where none is given.

    pool: a size or a percentage of RAM that limits every pool which has a limit. disk_unit: bytes that a
    compressed copy on disk is rounded up to, one of 4096, 512 and packed. stack: the backing stores, as
    :mod:`.stack` has them; without it each policy has those it is made for, a disk as a rule. loop: open, closed,
    or auto. calls: a profile, as :mod:`.calls` has them. compression: of the pages of an access trace in a closed
    loop. file_floor: bytes of page cache that are never given up. described: a host instead of that of the trace,
    with its RAM and disk. on_done is called, in any order, as policies finish. The scores do not depend on the
    number of threads.
    """
    plan = plan or StormPlan()
    trace = Trace.open(path)
    if not trace.manifest.certificate.complete and not allow_lossy:
        raise TraceError(
            f"{trace.path} is incomplete: {trace.manifest.events.dropped} events are known to be missing; "
            "record again, or replay it as it is with --allow-lossy"
        )
    access = trace.manifest.kind == "access"
    limit = group_limit(trace) if loop == "closed" and not access else None
    group_bytes = None if limit is None else ram_bytes or limit
    if limit is not None and group_bytes is not None:
        ram_bytes = None  # the host stays as it was
        if group_bytes < limit:
            raise InvalidInputError(
                f"{trace.path} was recorded in a memory cgroup of {format_bytes(limit)}, and a closed loop of "
                "swap traffic can only add memory: give --ram at least that, or --loop open"
            )
    if not policies:
        policies = [parse_policy(text) for text in (ACCESS_DEFAULTS if access else DEFAULTS)]
    profile = parse_profile(calls) if calls else None
    columns = columns_for(trace)
    if described is not None:
        host = described.for_trace(columns, file_floor=file_floor, disk_unit=disk_unit)
    else:
        host = build_host(trace, ram_bytes, disk, file_floor=file_floor, disk_unit=disk_unit)
    closed = None
    if is_closed(loop, access, policies, host):
        clairvoyant = [policy.name for policy in policies if policy.needs_future]
        if clairvoyant:
            raise InvalidInputError(
                f"{', '.join(clairvoyant)} must know the loads beforehand, and a closed loop makes them as it "
                "goes: leave it out, or replay with --loop open"
            )
        budget = -1 if limit is None or group_bytes is None else (group_bytes - limit) // PAGE_SIZE
        closed = closed_inputs(trace, columns, host, compression, budget)
    elif access and (unfit := [policy.name for policy in policies if not policy.takes_accesses]):
        raise InvalidInputError(
            f"{', '.join(unfit)} runs behind a resident set: replay the page accesses of {trace.path} "
            "with --loop closed"
        )
    if access and closed is None and (stack or profile):
        raise InvalidInputError(
            f"{trace.path} is a trace of page accesses: --stack and --calls need swap traffic, or --loop closed"
        )
    if profile and access:
        raise InvalidInputError(f"{trace.path} is a trace of page accesses: --calls needs recorded swap traffic")
    if not access and closed is None and not host.is_known:
        plan = replace(plan, storms=0)  # of the host's memory nothing is known: notes.py says so
    stacks = [_stack_of(policy, stack, host, host.disk.name) for policy in policies]
    pool_bytes = None if pool is None else parse_size_or_share(pool, host.ram * PAGE_SIZE)
    if pool_bytes is None and stack and stacks[0]:
        pool_bytes = stacks[0].pool_bytes
    if pool_bytes is not None and not 0 < pool_bytes <= host.ram * PAGE_SIZE:
        raise InvalidInputError(f"--pool {pool} is not between nothing and all of RAM")
    limited = list(policies)
    if pool_bytes is not None:
        limited = [policy.with_pool(pool_bytes, host.ram * PAGE_SIZE) for policy in policies]
    future = None
    if any(policy.needs_future for policy in limited):
        if columns.events >= 2**31 - 1:
            raise InvalidInputError("clairvoyant policies take traces of up to 2^31 events: slice the trace")
        future = next_loads(columns.op, columns.page, columns.pages)
    cancelled = Event()
    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool_of_threads:
        running = [
            pool_of_threads.submit(
                score,
                columns,
                host,
                policy,
                plan,
                future,
                cancelled=cancelled,
                stack=backing,
                closed=closed,
                calls=profile,
            )
            for policy, backing in zip(limited, stacks, strict=True)
        ]
        try:
            for done in as_completed(running):
                if on_done:
                    on_done(done.result())
        except BaseException:
            cancelled.set()
            for waiting in running:
                waiting.cancel()
            raise
        scores = [done.result() for done in running]
    return Comparison(
        trace, columns, host, plan, pool_bytes, stack, closed is not None, group_bytes, scores, limited
    )  # fmt: skip
