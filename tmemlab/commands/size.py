"""tmemlab size."""

from pathlib import Path
from typing import Any

import click

from ..printing import say
from .common import (
    TracePath,
    described_host,
    disk_option,
    host_option,
    json_option,
    progress,
    publish,
    tell_versions,
)
from .groups import CONTEXT
from .numbers import Count, Duration, Share, Size


class Windows(click.ParamType):  # type: ignore[type-arg]
    """How many windows, or how long each is."""

    name = "windows"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """(count, None) or (None, ns)."""
        if isinstance(value, tuple):
            return value
        text = str(value).strip()
        if text[-1:].isalpha():
            seconds = Duration(0.001, above=False).convert(text, param, ctx)
            return None, round(seconds * 1e9)
        return Count(1, 100_000).convert(text, param, ctx), None


def _print(result: Any) -> None:
    from ..replay.size.chart import chart
    from ..replay.size.words import sentences
    from ..tables import console, print_text
    from ..units import PAGE_SIZE, format_bytes, format_count, format_duration

    trace, ram = result.trace, format_bytes(result.host.ram * PAGE_SIZE)
    workload = trace.manifest.provenance.get("workload") or trace.path.name
    loads, duration = format_count(result.columns.loads), format_duration(result.duration / 1e9)
    print_text(f"{workload}: {loads} loads in {duration}, on a host of {ram} RAM")
    say()
    for line in chart(result, console().width):
        say(line)
    say()
    for sentence in sentences(result):
        print_text(sentence)
    if result.judged:
        say()
        _print_policies(result)


def _print_policies(result: Any) -> None:
    from ..tables import Column, print_table, print_text
    from ..units import PAGE_SIZE, format_bytes, format_share

    def side(one: Any) -> list[str]:
        if one is None:
            return ["-", "-"]
        return [format_share(one.share), format_bytes(one.pages_mean * PAGE_SIZE) if one.share else "-"]

    wanted = f"for {100 * result.hits:.4g}%"
    titles = ("hit rate", "P(OOM)", "too large", "by", "too small", "by", wanted)
    rows = []
    for judged in result.judged:
        done = judged.replayed
        smallest = "no limit" if not done.has_limit else "-"
        if done.smallest is not None:
            smallest = format_bytes(done.smallest * PAGE_SIZE)
        rows.append(
            [
                done.score.label, format_share(done.score.hit_rate), format_share(done.score.oom.p),
                *side(judged.regret.over), *side(judged.regret.under), smallest,
            ]
        )  # fmt: skip
    print_table(["policy", *(Column(title, right=True) for title in titles)], rows)
    say()
    print_text(
        "too large, too small: for how much of the time the pool is above room or below need, and by how much "
        f"meanwhile. {wanted}: the smallest limit with which this policy has the hits. P(OOM) counts as well "
        "what a storm itself pushes into the pool, up to the limit."
    )


@click.command("size", context_settings=CONTEXT)
@click.argument("trace", required=False, type=TracePath())
@click.option(
    "-p", "--policy", "policies", multiple=True, metavar="NAME|FILE.py[:key=value,...]",
    help="Policy to hold against the band; repeat for several. Default: frontswap, the trace's own zswap, and "
    "vm.pressure.",
)  # fmt: skip
@click.option("--ram", type=Size(1 << 20), help="RAM of the host. Default: as recorded.")
@click.option("--hits", type=Share(), default="99%", show_default=True, metavar="PCT",
              help="Share of all loads that must be hits.")  # fmt: skip
@click.option("--storm-fraction", type=Share(), default=0.9, show_default=True,
              help="Share of RAM that a storm mlocks.")  # fmt: skip
@click.option("--windows", "--window", type=Windows(), default="60", show_default=True, metavar="COUNT|TIME",
              help="How many windows of equal length, or how long each is, such as 2s.")  # fmt: skip
@click.option("--storms", type=Count(0, 100_000), default=200, show_default=True,
              help="Storms that measure P(OOM) of policies and fixed sizes; 0 skips them.")  # fmt: skip
@click.option("--seed", type=Count(), default=1, show_default=True, help="Seed of the storms' moments.")
@host_option
@disk_option
@click.option("--threads", type=Count(1, 1024), help="Replays at once. Default: all cores.")
@click.option("--allow-lossy", is_flag=True, help="Use a trace that is known to lack events.")
@json_option
def command(
    *,
    trace: Path | None,
    policies: tuple[str, ...],
    ram: int | None,
    hits: float,
    storm_fraction: float,
    windows: tuple[int | None, int | None],
    storms: int,
    seed: int,
    host: str | None,
    disk: str,
    threads: int | None,
    allow_lossy: bool,
    json_file: str | None,
) -> None:
    """Show the right size of the pool at every moment of TRACE: what it needs and what may stay.

    Need: what must be in the pool for a share of all loads to be hits. Room: the largest pool that gives nothing
    back with which the host survives a program that locks most of its RAM. Between the two every size is right;
    where need is more than room none is, and a policy must give back. Without TRACE a bundled one is used.

    \b
    tmemlab size --ram 10G
    tmemlab size redis-zswap --host ram=2G,file=300M,unreclaimable=250M,swap=disk:4G,disk=sd-card
    tmemlab size /tmp/trace --hits 95% --storm-fraction 50% -p zswap -p vm.pressure --json size.json
    """
    from ..datasets.share.bundled import default_trace
    from ..datasets.trace.read import Trace
    from ..policies.catalogue import parse_policies
    from ..replay.scores.row import StormPlan
    from ..replay.size.size import PARTS, WINDOWS, default_policies, size

    described = described_host(host)
    opened = Trace.open(trace or default_trace())
    kernel = opened.manifest.kernel.release or None
    tell_versions(policies, kernel)
    chosen = [policy for text in policies for policy in parse_policies(text, kernel)] or default_policies(opened)
    count, window_ns = windows
    with progress(f"measuring {opened.path.name} (the first run compiles)", PARTS + len(chosen)) as on_done:
        result = size(
            opened.path, chosen, ram_bytes=ram, hits=hits, plan=StormPlan(storms, storm_fraction, seed),
            windows=count or WINDOWS, window_ns=window_ns, disk=disk, threads=threads, allow_lossy=allow_lossy,
            on_done=on_done, described=described,
        )  # fmt: skip
    publish(result.as_json(), json_file, lambda: _print(result))
