"""The advice in words: short sentences with numbers, the answer first."""

from collections.abc import Iterator, Sequence

from ...policies.interface import Policy
from ...units import format_bytes, format_duration, format_share
from ..scores.row import StormPlan
from .confidence import Confidence
from .reasons import Reasons
from .trials import Trial


def percent(share: float) -> str:
    """A share that somebody asked for, as it was written."""
    return f"{100 * share:.4g}%"


def describe(policy: Policy, ram_bytes: int) -> str:
    """What to run, in the kernel's own words; sizes for a host of ``ram_bytes``."""

    def part(name: str) -> str:
        value = float(getattr(policy, name))
        return f"{value:g}% of RAM ({format_bytes(value * ram_bytes / 100)})"

    if policy.name.startswith("zswap."):
        said = f"zswap, max_pool_percent {policy.max_pool_percent:g} "  # type: ignore[attr-defined]
        said += f"({format_bytes(policy.max_pool_percent * ram_bytes / 100)})"  # type: ignore[attr-defined]
        for name in ("accept_threshold_percent", "shrinker", "zpool", "exclusive_loads"):
            value = getattr(policy, name, None)
            if value is not None:
                said += f", {name} {value if isinstance(value, str) else f'{value:g}'}"
        return said
    if policy.name.startswith("zram."):
        said = f"zram, disksize {part('disksize_percent')}, "
        limit = getattr(policy, "mem_limit_percent", 0.0)
        said += f"mem_limit {part('mem_limit_percent')}" if limit else "no mem_limit"
        said += ", used before the disk" if getattr(policy, "fallback", "none") == "disk" else ""
        if policy.name == "zram.writeback":
            mode = getattr(policy, "mode", "idle")
            said += f", {mode} pages written back every {getattr(policy, 'writeback_interval', 0)} s"
            if mode != "huge":
                said += f" once idle for {getattr(policy, 'idle_age', 0)} s"
        return said
    return "swap on the disk alone: no zswap, no zram"


def per_day(count: float) -> str:
    """Bytes a day."""
    return f"{format_bytes(count)} a day"


def storms(plan: StormPlan) -> str:
    """What a storm is."""
    return f"storms that lock {percent(plan.fraction)} of RAM"


def recommendation(best: Trial, now: Trial | None, ram_bytes: int, plan: StormPlan) -> str:
    """What to do, and what it brings."""
    keep = now is not None and now.policy == best.policy
    said = f"{'Change nothing: keep' if keep else 'Run'} {describe(best.policy, ram_bytes)}. "
    said += f"{format_share(best.hit_rate)} of loads are hits, "
    if best.oom_p is not None:
        said += f"P(OOM) is {format_share(best.oom_p)} in {plan.storms} {storms(plan)}, "
    return said + (
        f"the pool takes {format_bytes(best.pool_bytes)} in the mean, {per_day(best.written_per_day)} are "
        f"written to the disk, and {format_share(best.cpu_share)} of a CPU go into compression."
    )


def needs(reasons: Sequence[Reasons], plan: StormPlan) -> Iterator[str]:
    """Why: need and room."""
    for one in reasons:
        which = f" of {one.trace.rpartition('/')[2]}" if len(reasons) > 1 else ""
        yield (
            f"Why: the pool{which} needs {format_bytes(one.need_mean)} in the mean and "
            f"{format_bytes(one.need_max)} at the peak for {percent(round(one.hits, 4))} of hits."
        )
        storm = f"a program locks {percent(plan.fraction)} of RAM"
        if one.room_min is not None:
            least = f"Up to {format_bytes(one.room_min)} may stay"
            if one.lost_share:
                yield (
                    f"{least} when {storm}, but for {format_share(one.lost_share)} of the time the host does "
                    "not survive that with any pool, or none."
                )
            else:
                yield f"{least} at every moment when {storm}."
        elif one.lost_share is not None:
            yield f"When {storm} the host does not survive, pool or none: no setting helps against that."
        if one.conflict_share:
            yield (
                f"For {format_share(one.conflict_share)} of the time need is more than room: no setting has all "
                "hits and no risk."
            )


def changes(best: Trial, now: Trial | None, unknown: str) -> Iterator[str]:
    """What it changes against how the host ran."""
    if unknown:
        yield unknown if unknown.endswith(".") else f"{unknown}."
    if now is None or now.policy == best.policy:  # which is the first thing that was said
        return
    said = [
        f"hits {format_share(now.hit_rate)} -> {format_share(best.hit_rate)}",
        f"pool {format_bytes(now.pool_bytes)} -> {format_bytes(best.pool_bytes)}",
        f"written {format_bytes(now.written_per_day)} -> {per_day(best.written_per_day)}",
    ]
    if best.oom_p is not None:
        said.insert(1, f"P(OOM) {format_share(now.oom_p)} -> {format_share(best.oom_p)}")
    yield f"Against the settings that were recorded, {now.label}, replayed on the same host: {', '.join(said)}."


def risks(best: Trial, none: Trial | None, plan: StormPlan) -> Iterator[str]:
    """What may go wrong."""
    if best.survives is None:
        yield "Risk: not known. The trace has no samples of its host's memory, so no storm could be run."
        return
    said = (
        f"Risk: the largest storm that is survived 99 times of 100 locks {100 * best.survives:.1f}% of RAM; the "
        f"longest that one waited for memory is {format_duration(best.stall_s or 0.0)}."
    )
    if none is not None and none.oom_p is not None and none.survives is not None and none is not best:
        said += f" Without any pool: {100 * none.survives:.1f}%, and P(OOM) {format_share(none.oom_p)}."
    yield said


def sureness(found: Confidence, best: Trial, stopped: str) -> Iterator[str]:
    """How sure it is."""
    lead = "How sure: "
    why = {
        "time": "the time was over before every setting worth a try was tried (--time).",
        "trials": "there were more settings worth a try than --trials allowed.",
        "interrupted": "the search was interrupted.",
    }
    said = [why[stopped]] if stopped else []
    again = found.recommended_again
    if again is not None and again.oom_p is not None and best.oom_p is not None:
        said.append(f"in {again.storms} other storms P(OOM) is {format_share(again.oom_p)}.")
    if found.refuted:
        names = ", ".join(trial.label for trial in found.refuted)
        said.append(f"by the first storms alone it would have been {names}: other storms break a limit there.")
    for half in found.halves:
        other = "second" if half.name == "first" else "first"
        if half.chosen == best.policy:
            said.append(
                f"the {half.name} half alone gives the same advice, with {format_share(half.hit_rate)} of hits "
                f"in the {other}."
            )
        elif half.chosen is None:
            said.append(f"the advice changes: in the {half.name} half alone nothing is within the limits.")
        else:
            said.append(
                f"the advice changes: the {half.name} half alone gives {half.label}, which has "
                f"{_hits_and_risk(half.hit_rate, half.oom_p)} in the {other}, where what is recommended has "
                f"{_hits_and_risk(half.recommended_hit_rate, half.recommended_oom_p)}."
            )
    said += [
        f"replayed as it was recorded, {one.trace.rpartition('/')[2]} has {format_share(one.predicted)} of "
        f"hits, and the kernel had {format_share(one.measured)}."
        for one in found.validated
        if one.measured is not None and one.predicted is not None
    ]
    said += found.unknown
    for number, sentence in enumerate(said):
        yield (lead if number == 0 else "") + (sentence if number == 0 else sentence[:1].upper() + sentence[1:])


def _hits_and_risk(hit_rate: float | None, oom_p: float | None) -> str:
    said = f"{format_share(hit_rate)} of hits"
    return said if oom_p is None else f"{said} and P(OOM) {format_share(oom_p)}"
