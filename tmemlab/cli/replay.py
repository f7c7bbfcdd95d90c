"""tmemlab replay."""

from pathlib import Path
from typing import Any

import click

from .common import check_thresholds, fail_if_option, json_option, on_terminal, parse_thresholds, size, write_json


@click.command("replay", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("trace", required=False, type=click.Path(path_type=Path))
@click.option(
    "-p", "--policy", "policies", multiple=True, metavar="NAME|FILE.py[:key=value,...]",
    help="Policy to replay; repeat for several. Default: the bounds and one of each family.",
)  # fmt: skip
@click.option("--ram", type=size, metavar="SIZE", help="RAM of the host to replay on. Default: as recorded.")
@click.option("--pool", metavar="SIZE|PCT", help="Limit of every pool that has one, such as 512M or 20%.")
@click.option("--storms", type=click.IntRange(0, 100_000), default=100, show_default=True,
              help="Memory storms that measure the OOM risk; 0 skips them.")  # fmt: skip
@click.option("--storm-fraction", type=click.FloatRange(0, 1, min_open=True), default=0.9, show_default=True,
              help="Share of RAM that a storm mlocks.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of the storms' moments.")
@click.option("--disk", type=click.Choice(["nvme", "ssd", "hdd"]), default="ssd", show_default=True,
              help="Class of the swap device behind the pool.")  # fmt: skip
@click.option("--stack", metavar="STORES",
              help="Backing stores from top to bottom, such as ram:2G,remote:4G@25us,disk.")
@click.option("--loop", type=click.Choice(["auto", "open", "closed"]), default="auto", show_default=True,
              help="closed: a resident set in front of the pool makes the stores and loads itself.")  # fmt: skip
@click.option("--compression", type=click.FloatRange(1, 128), default=3.0, show_default=True,
              help="How well the pages of an access trace compress, in a closed loop.")  # fmt: skip
@click.option("--file-floor", type=size, default="0", metavar="SIZE",
              help="Page cache that is never given up. Default: none.")  # fmt: skip
@click.option("--calls", metavar="PROFILE",
              help="Price the calls into the pool's owner by batch size: bare, xen-hypercall or kvm-vmexit.")
@click.option("--threads", type=click.IntRange(1), help="Policies replayed at once. Default: all cores.")
@click.option("--allow-lossy", is_flag=True, help="Replay a trace that is known to lack events.")
@click.option("--html", "html_file", metavar="FILE", help="Write a report with charts to FILE.")
@fail_if_option
@json_option
def command(
    trace: Path | None,
    policies: tuple[str, ...],
    ram: int | None,
    pool: str | None,
    storms: int,
    storm_fraction: float,
    seed: int,
    disk: str,
    stack: str | None,
    loop: str,
    compression: float,
    file_floor: int,
    calls: str | None,
    threads: int | None,
    allow_lossy: bool,
    html_file: str | None,
    fail_if: tuple[str, ...],
    json_file: str | None,
) -> None:
    """Replay TRACE through policies and print hit rate, OOM risk and costs of each.

    Without TRACE a bundled one is used, recorded on a real kernel.

    \b
    tmemlab replay
    tmemlab replay /tmp/trace -p zswap.v6_18 -p zswap.v6_18:shrinker=on,max_pool_percent=10
    tmemlab replay /tmp/trace -p zswap.v6_18 -p ./mine.py:max_pool_percent=10
    tmemlab replay --ram 2G --pool 20% --json result.json
    tmemlab replay -p zswap.v6_18 --stack ram:5%,remote:1G@25us,disk@nvme
    tmemlab replay -p tmem.frontswap --calls kvm-vmexit
    tmemlab replay /tmp/trace -p zswap.v6_18 --fail-if 'oom.p>0.01'
    """
    from contextlib import nullcontext

    from ..datasets.bundled import default_trace
    from ..policies.catalogue import parse_policies
    from ..replay.compare import compare
    from ..replay.report import print_comparison, write_html
    from ..replay.score import Score, StormPlan

    thresholds = parse_thresholds(fail_if)
    chosen = [policy for text in policies for policy in parse_policies(text)]
    path = trace or default_trace()
    finished: list[Score] = []
    status: Any = nullcontext()
    if on_terminal():
        from rich.console import Console

        status = Console(stderr=True).status(
            f"replaying {path.name} (the first run compiles for about half a minute)"
        )

    def on_done(row: Score) -> None:
        finished.append(row)
        if on_terminal():
            status.update(f"{row.name} done, {len(finished)} in all")

    with status:
        result = compare(
            path, chosen, ram_bytes=ram, pool=pool, disk=disk, stack=stack, loop=loop, calls=calls,
            compression=compression, file_floor=file_floor, threads=threads, on_done=on_done,
            plan=StormPlan(storms, storm_fraction, seed), allow_lossy=allow_lossy,
        )  # fmt: skip
    if json_file:
        write_json(result.as_json(), json_file)
    if html_file:
        write_html(result, Path(html_file))
    if json_file != "-":
        print_comparison(result)
    for row in result.scores:
        check_thresholds(thresholds, row.as_json(), row.name)
