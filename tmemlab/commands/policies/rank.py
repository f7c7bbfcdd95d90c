"""``tmemlab policies rank``."""

import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from ..common import DISK_CLASSES, TracePath, json_option, progress, publish
from ..groups import CONTEXT
from ..numbers import Count, Share, Size


class Ram(Size):
    """A size, or ``recorded``, or ``fitting``."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Bytes, or the word."""
        return value if value in ("recorded", "fitting") else super().convert(value, param, ctx)


def _print(result: Any, own: set[Any]) -> None:
    from ...printing import say
    from ...tables import Column, print_table, print_text
    from ...units import format_bytes, format_share

    def shares(standing: Any) -> list[str]:
        return ["-" if each.mean is None else format_share(each.mean) for each in standing.criteria.values()]

    rows = []
    for place, entrant in enumerate(result.entrants, 1):
        standing = entrant.standing
        label = f"{entrant.label}{' *' if entrant.policy in own else ''}"
        pool = format_bytes(round(standing.pool_bytes.mean))
        rows.append([str(place), label, _interval(standing.rank), *shares(standing), pool])
    titles = ("mean rank", "hits", "of best", "P(OOM)", "regret", "written", "pool mean")
    print_table([Column("", right=True), "policy", *(Column(title, right=True) for title in titles)], rows)
    say()
    locked = ", ".join(f"{100 * fraction:g}" for fraction in result.fractions)
    print_text(
        f"Traces: {len(result.traces)}, on {len(result.cases)} hosts in all; in brackets what other traces like "
        "these may give (95%, bootstrap). mean rank: over the five columns after it, 1 being the best; less "
        "than a point is no difference. of best: hits, of those that knowing the future has with as much memory "
        f"in the mean. P(OOM): over storms that lock {locked}% of RAM. regret: how far the pool is outside "
        "of what is needed and what may stay, of what is needed. written: to the disk, of what left RAM."
    )
    for place, entrant in enumerate(result.entrants, 1):
        if entrant.policy in own:
            print_text(f"* {entrant.label} is number {place} of {len(result.entrants)}.")


def _interval(mean: Any) -> str:
    return "-" if mean.mean is None else f"{mean.mean:.1f} [{mean.low:.1f}, {mean.high:.1f}]"


@click.command("rank", context_settings=CONTEXT)
@click.argument("policies", metavar="[POLICY_OR_FILE.py[:key=value,...]]...", nargs=-1)
@click.option("--only", is_flag=True, help="Rank these policies alone, not all built-in ones as well.")
@click.option(
    "--trace",
    "traces",
    multiple=True,
    type=TracePath(),
    help="Trace to rank over; repeat for several. Default: the bundled and two synthetic ones.",
)
@click.option(
    "--ram",
    "rams",
    multiple=True,
    type=Ram(1 << 20),
    default=("recorded", "fitting"),
    metavar="SIZE|recorded|fitting",
    help="RAM of the host; repeat for several. fitting: what cannot be reclaimed, and twice the need. "
    "Default: recorded and fitting.",
)
@click.option(
    "--disk",
    "disks",
    multiple=True,
    type=click.Choice(DISK_CLASSES),
    default=("ssd",),
    help="Class of the swap device behind the pool; repeat for several. Default: ssd.",
)
@click.option(
    "--storm-fraction",
    "fractions",
    multiple=True,
    type=Share(),
    default=(0.5, 0.6, 0.7, 0.8, 0.9),
    help="Share of RAM that a storm mlocks, in steps of 5%; repeat for several. Default: 50% to 90%.",
)
@click.option(
    "--storms", type=Count(0, 100_000), default=28, show_default=True, help="Storms a replay; 0 skips them."
)
@click.option("--seed", type=Count(), default=1, show_default=True, help="Seed of storms and intervals.")
@click.option("--threads", type=Count(1, 1024), help="Replays at once. Default: all cores.")
@json_option
def command(
    *,
    policies: tuple[str, ...],
    only: bool,
    traces: tuple[Path, ...],
    rams: tuple[int | str, ...],
    disks: tuple[str, ...],
    fractions: tuple[float, ...],
    storms: int,
    seed: int,
    threads: int | None,
    json_file: str | None,
) -> None:
    """Rank policies over many traces and hosts: every built-in one, and those that are named.

    Each is replayed over every trace, on hosts of several sizes of RAM, and compared by hits, by hits of those
    that were possible with as much memory, by P(OOM), by regret and by bytes written to the disk. Without
    options that takes about a minute.

    \b
    tmemlab policies rank ./mine.py
    tmemlab policies rank ./mine.py vm.need:hits=95 --only --trace /tmp/trace --ram 2G --ram 4G --disk hdd
    """
    from ...errors import InvalidInputError
    from ...policies.catalogue import parse_policies
    from ...replay.rank.corpus import FEW, corpus
    from ...replay.rank.rank import everyone, parts, rank

    own = [policy for text in policies for policy in parse_policies(text)]
    if only and not own:
        raise InvalidInputError("--only ranks the policies that are named: name some")
    chosen = list(dict.fromkeys(own if only else [*everyone(), *own]))
    with nullcontext() if traces else tempfile.TemporaryDirectory(prefix="tmemlab-rank-") as folder:
        over = {str(path): path for path in traces} if folder is None else corpus(Path(folder), FEW)
        total = parts(len(over), len(set(rams)), len(set(disks)), len(chosen))
        what = f"ranking {len(chosen)} policies over {len(over)} traces (the first run compiles)"
        with progress(what, total) as on_done:
            result = rank(
                over, chosen, rams=list(dict.fromkeys(rams)), disks=list(dict.fromkeys(disks)),
                fractions=fractions, storms=storms, seed=seed, threads=threads, on_done=on_done,
            )  # fmt: skip
    publish(result.as_json(), json_file, lambda: _print(result, set(own)))
