"""What a measurement of need and room says, in short sentences."""

from collections.abc import Iterator

from ...units import PAGE_SIZE, format_bytes, format_duration, format_share
from .fixed import Fixed
from .result import Size


def sentences(result: Size) -> list[str]:
    """Need, room, where they conflict, the best fixed size, and what is not known."""
    return [*_need(result), *_room(result), *_conflict(result), *_best(result), *result.unknown]


def clock(ns: int) -> str:
    """A moment of a trace: 1:10."""
    minutes, seconds = divmod(ns // 10**9, 60)
    return f"{minutes}:{seconds:02}"


def in_bytes(pages: float) -> str:
    """Pages as a size."""
    return format_bytes(pages * PAGE_SIZE)


def percent(share: float) -> str:
    """A share that somebody asked for, as it was written."""
    return f"{100 * share:.4g}%"


def _need(result: Size) -> Iterator[str]:
    need, fixed = result.need, result.fixed
    if need.hit_rate is None:
        yield "Nothing was loaded: no pool is needed."
        return
    what = f"{percent(result.hits)} of hits"
    if not need.reachable:
        yield (
            f"No pool can serve {percent(result.hits)} of the loads: the pages of "
            f"{format_share(1 - need.hit_rate)} of them were not stored before."
        )
        what = f"the other {format_share(need.hit_rate)}"
    yield (
        f"The pool needs {in_bytes(result.need_mean)} in the mean and {in_bytes(result.need_max)} at the peak "
        f"for {what}; a fixed one {in_bytes(fixed.pages) if fixed else 'of no size has them'}."
    )


def _room(result: Size) -> Iterator[str]:
    band = result.band
    lost, least = band.lost_share, band.least_room
    if lost is None or result.survivable is None:
        return
    storm = f"a program locks {percent(result.plan.fraction)} of RAM"
    most = f"it can lock {int(1000 * result.survivable) / 10:g}% at the worst moment"
    if least is None:
        yield f"When {storm} the host does not survive, pool or none: {most}."
    elif lost > 0:
        yield (
            f"When {storm} the host does not survive for {format_share(lost)} of the time, pool or none "
            f"({most}); up to {in_bytes(least)} may stay at all other moments."
        )
    else:
        yield f"Up to {in_bytes(least)} may stay at every moment when {storm}."


def _conflict(result: Size) -> Iterator[str]:
    band, fixed = result.band, result.fixed
    if band.room is None or band.least_room is None:
        return
    release, fastest = band.largest_release, band.fastest_release
    if release is None or fastest is None:
        yield "Need is never more than room: every size between the two is right."
        return
    said = (
        f"At {clock(int(band.grid.steps[release.step]))} no size is right: a policy must give back "
        f"{in_bytes(release.pages)} within {format_duration(release.ns / 1e9)}, at least "
        f"{in_bytes(fastest.pages_per_s)} a second"
    )
    seconds = band.seconds((band.room >= 0) & (band.room < fixed.pages)) if fixed else 0
    if fixed and seconds:
        said += f"; if full, a fixed size of {in_bytes(fixed.pages)} is too large for {format_duration(seconds)}"
    yield said + "."


def _best(result: Size) -> Iterator[str]:
    best, fixed = result.best, result.fixed
    if best is None:
        return
    said = f"The best fixed size for the whole trace is {in_bytes(best.pages)}: {_scores(best)}"
    if fixed and fixed != best:
        said += f"; {in_bytes(fixed.pages)} have {_scores(fixed)}"
    yield said + "."


def _scores(fixed: Fixed) -> str:
    said = f"{format_share(fixed.hit_rate)} of hits"
    return said if fixed.oom_p is None else f"{said}, P(OOM) {format_share(fixed.oom_p)}"
