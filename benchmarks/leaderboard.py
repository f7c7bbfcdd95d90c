"""Every policy over every trace at hand, on several hosts: writes docs/leaderboard.md and its chart.

    python benchmarks/leaderboard.py [--storms 40] [--out docs]

The bundled traces and six synthetic ones, each on its recorded RAM and on what fits, with an SSD and a hard
disk, in storms of 50 to 90 % of RAM.
"""

import argparse
import contextlib
import io
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.machine import print_machine
from tmemlab.datasets.share.bundled import bundled
from tmemlab.replay.rank.case import Case
from tmemlab.replay.rank.chart import svg
from tmemlab.replay.rank.corpus import SYNTHETIC, corpus
from tmemlab.replay.rank.marks import CRITERIA, Marks
from tmemlab.replay.rank.rank import Entrant, Ranking, rank
from tmemlab.replay.rank.standings import Mean
from tmemlab.replay.scores.row import StormPlan
from tmemlab.replay.size.size import size
from tmemlab.units import PAGE_SIZE, format_bytes

DISKS = ("ssd", "hdd")
NEED, UNBOUNDED, NONE = "vm.need", "bounds.unbounded", "bounds.none"
HOLDS = 0.9999
"""Hits of an unlimited pool from which on the host is one that has the memory for it."""

PAGE = """# Leaderboard

Every policy, with its defaults, over every trace at hand: {traces} traces, {cases} hosts, {replays:,} replays
in {minutes:.0f} minutes. For a policy of your own, over six of these traces and in about a minute:

    tmemlab policies rank ./mine.py

![mean ranks](leaderboard.svg)

- **mean rank**: on each host policies are ranked by each of the five numbers after it, in steps of a percent;
  ranks are averaged over the five, over the hosts of a trace, and over traces. In brackets the interval of 95 %
  that a bootstrap over traces gives: with other traces like these. With {traces} of them it is too narrow rather
  than too wide.
{criteria}
- **pool**: its mean over time. It is not ranked by: *of best* and *regret* hold it against what it is good
  for.

The numbers are means over hosts and traces, with such intervals. Hosts are the recorded one of each trace, and
one with what cannot be reclaimed at the worst moment and twice the peak of need, each with an SSD and a hard
disk; storms lock {fractions} % of RAM, {storms} in each replay. Room, for regret, is for the
largest of them that the host survives without any pool. The loop is open: what was stored and loaded is what was
recorded. A mean of ranks says little where most policies tie: on a host that never lacks memory, who gives up a
percent of hits is behind all that give up none.

{standings}

## vm.need, on the half that it was not tuned on

Its numbers were chosen on every second trace. Its goal: the P(OOM) of no pool, 98 % of the hits of a pool
without a limit, and less memory in the mean than the smallest fixed size for 99 %. Ranked anew over each
half:

{halves}

On hosts that have the memory for what an unlimited pool takes (SSD; hits are of the unlimited pool's;
*need* knows the future; *fixed* is an LRU of fixed size with 99 % of the hits):

{goals}

- P(OOM) of `vm.need` less that of no pool, over all {cases} cases: {oom}.
- On the {short} cases of hosts without that memory it has {some} of the unlimited pool's hits in the mean,
  {least} at worst. The unlimited pool fills memory below the watermarks there, and is killed for it: P(OOM)
  {unlimited}, not {with_need}.

## Made by

{machine}
"""


def interval(mean: Mean, scale: float = 100, digits: int = 1) -> str:
    """A mean and its interval."""
    if mean.mean is None or mean.low is None or mean.high is None:
        return "-"
    return f"{scale * mean.mean:.{digits}f} [{scale * mean.low:.{digits}f}, {scale * mean.high:.{digits}f}]"


def percent(share: float) -> str:
    """Of one."""
    return f"{100 * share:.1f} %"


def table(heading: list[str], rows: list[list[str]]) -> str:
    """Markdown; the first column is of names."""
    lines = [heading, ["---", *["--:"] * (len(heading) - 1)], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def find(result: Ranking, label: str) -> Entrant:
    """One policy."""
    return next(entrant for entrant in result.entrants if entrant.label == label)


def numbers(entrant: Entrant) -> list[str]:
    """Cells of its mean rank and of each criterion."""
    standing = entrant.standing
    return [interval(standing.rank, 1), *(interval(standing.criteria[each.key]) for each in CRITERIA)]


HEADS = ["mean rank", *(f"{each.title}, %" for each in CRITERIA)]


def standings(result: Ranking) -> str:
    """All policies, the best first."""
    rows = [
        [f"{place}. `{each.label}`", *numbers(each), format_bytes(round(each.standing.pool_bytes.mean or 0))]
        for place, each in enumerate(result.entrants, 1)
    ]
    return table(["policy", *HEADS, "pool"], rows)


def tuned_on() -> set[str]:
    """Every second of the bundled traces, by name, and of the synthetic ones."""
    return {*list(bundled())[::2], *(each.name for each in SYNTHETIC[::2])}


def halves(result: Ranking) -> str:
    """vm.need on the traces that it was tuned on, and on the others."""
    rows = []
    for title, wanted in (("tuned on", True), ("not tuned on", False)):
        part = result.over([each.name for each in result.traces if (each.name in tuned_on()) == wanted])
        need = find(part, NEED)
        rows.append([f"{title} ({len(part.traces)} traces)", str(1 + part.entrants.index(need)), *numbers(need)])
    return table(["half", "place", *HEADS], rows)


def goal(case: Case, need: Marks, unbounded: Marks, none: Marks) -> list[str]:
    """A row: what vm.need reaches on one host."""
    ram, name = case.host.ram * PAGE_SIZE, case.subject.name
    fixed = size(case.subject.trace.path, [], ram_bytes=ram, plan=StormPlan(0)).fixed
    needed = case.subject.need.occupancy.mean(int(case.subject.columns.t[-1])) * PAGE_SIZE
    return [
        name, "yes" if name in tuned_on() else "no", format_bytes(ram),
        percent((need.hit_rate or 0) / (unbounded.hit_rate or 1)),
        percent(need.oom_p or 0), percent(none.oom_p or 0),
        *(format_bytes(round(each)) for each in (need.pool_bytes, unbounded.pool_bytes, needed)),
        format_bytes(fixed.pages * PAGE_SIZE) if fixed else "-",
    ]  # fmt: skip


def page(result: Ranking, minutes: float, machine: str) -> str:
    """docs/leaderboard.md."""
    need, unbounded, none = (find(result, label).marks for label in (NEED, UNBOUNDED, NONE))
    cases = list(zip(result.cases, need, unbounded, none, strict=True))
    held = [each for each in cases if (each[2].hit_rate or 0) >= HOLDS]
    short = [each for each in cases if (each[2].hit_rate or 0) < HOLDS]
    kept = [(mine.hit_rate or 0) / (all_.hit_rate or 1) for _, mine, all_, _ in short]
    beyond = [(mine.oom_p or 0) - (without.oom_p or 0) for _, mine, _, without in cases]
    goals = [goal(*each) for each in held if each[0].host.disk.name == DISKS[0]]
    heads = ["trace", "tuned on", "RAM", "hits", "P(OOM)", "of no pool", "pool", "unlimited", "need", "fixed"]
    return PAGE.format(
        traces=len(result.traces), cases=len(cases), replays=len(cases) * len(result.entrants), minutes=minutes,
        criteria="\n".join(f"- **{each.title}**: {each.meaning}." for each in CRITERIA),
        fractions=", ".join(f"{100 * each:g}" for each in result.fractions), storms=result.plan.storms,
        standings=standings(result), halves=halves(result), goals=table(heads, goals),
        oom=f"{percent(min(beyond))} to {percent(max(beyond))}", short=len(short),
        some=percent(sum(kept) / max(len(kept), 1)), least=percent(min(kept, default=1.0)),
        unlimited=percent(sum(all_.oom_p or 0 for _, _, all_, _ in short) / max(len(short), 1)),
        with_need=percent(sum(mine.oom_p or 0 for _, mine, _, _ in short) / max(len(short), 1)),
        machine="".join(f"    {line}\n" for line in machine.splitlines()).rstrip(),
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--storms", type=int, default=40)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent.parent / "docs")
    arguments = parser.parse_args()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        print_machine(sys.argv)
    print(printed.getvalue(), end="", flush=True)
    with tempfile.TemporaryDirectory(prefix="tmemlab-bench-") as folder:
        began = time.perf_counter()
        result = rank(corpus(Path(folder)), disks=DISKS, storms=arguments.storms)
        minutes = (time.perf_counter() - began) / 60
        text = page(result, minutes, printed.getvalue())
    (arguments.out / "leaderboard.md").write_text(text)
    (arguments.out / "leaderboard.svg").write_text(svg(result, {NEED}))
    print(f"{minutes:.1f} minutes; {arguments.out / 'leaderboard.md'} and leaderboard.svg written")


if __name__ == "__main__":
    main()
