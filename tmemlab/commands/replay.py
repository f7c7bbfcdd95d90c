"""tmemlab replay."""

from pathlib import Path

import click

from .common import (
    TracePath,
    check_thresholds,
    described_host,
    disk_option,
    fail_if_option,
    host_option,
    json_option,
    parse_thresholds,
    progress,
    publish,
    tell_versions,
)
from .groups import CONTEXT
from .numbers import Count, Number, Share, Size


@click.command("replay", context_settings=CONTEXT)
@click.argument("trace", required=False, type=TracePath())
@click.option(
    "-p", "--policy", "policies", multiple=True, metavar="NAME|FILE.py[:key=value,...]",
    help="Policy to replay, zswap and zram alone being the trace's own; repeat for several. "
    "Default: the bounds and one of each family.",
)  # fmt: skip
@click.option("--ram", type=Size(1 << 20), help="RAM of the host to replay on. Default: as recorded.")
@click.option("--pool", metavar="SIZE|PCT",
              help="Limit of every pool that has one, such as 512M, 20%, or a range, 5%..50%/5.")  # fmt: skip
@click.option("--storms", type=Count(0, 100_000), default=1000, show_default=True,
              help="Memory storms that measure the OOM risk; 0 skips them.")  # fmt: skip
@click.option("--exact-storms", is_flag=True,
              help="Run every storm, also those whose end follows from others that were run.")  # fmt: skip
@click.option("--storm-fraction", type=Share(), default=0.9, show_default=True,
              help="Share of RAM that a storm mlocks.")  # fmt: skip
@click.option("--seed", type=Count(), default=1, show_default=True, help="Seed of the storms' moments.")
@host_option
@disk_option
@click.option("--disk-unit", type=click.Choice(["4096", "512", "packed"]), default="4096", show_default=True,
              help="What a compressed copy on it is rounded up to, in bytes; kernels write 4096.")  # fmt: skip
@click.option(
    "--stack", metavar="STORES", help="Backing stores from top to bottom, such as ram:2G,remote:4G@25us,disk."
)
@click.option("--loop", type=click.Choice(["auto", "open", "closed"]), default="auto", show_default=True,
              help="closed: a resident set in front of the pool makes the stores and loads itself.")  # fmt: skip
@click.option("--compression", type=Number(1, 128), default=3.0, show_default=True,
              help="How well the pages of an access trace compress, in a closed loop.")  # fmt: skip
@click.option("--file-floor", type=Size(), default="0",
              help="Page cache that is never given up. Default: none.")  # fmt: skip
@click.option(
    "--calls",
    metavar="PROFILE",
    help="Price the calls into the pool's owner by batch size: bare, xen-hypercall or kvm-vmexit.",
)
@click.option("--threads", type=Count(1, 1024), help="Policies replayed at once. Default: all cores.")
@click.option("--allow-lossy", is_flag=True, help="Replay a trace that is known to lack events.")
@click.option("--out", metavar="FILE", help="Write a row a replay to FILE, .parquet, .csv or .json.")
@click.option("--html", "html_file", metavar="FILE", help="Write a report with charts to FILE.")
@fail_if_option
@json_option
def command(
    *,
    trace: Path | None,
    policies: tuple[str, ...],
    ram: int | None,
    pool: str | None,
    storms: int,
    exact_storms: bool,
    storm_fraction: float,
    seed: int,
    host: str | None,
    disk: str,
    disk_unit: str,
    stack: str | None,
    loop: str,
    compression: float,
    file_floor: int,
    calls: str | None,
    threads: int | None,
    allow_lossy: bool,
    out: str | None,
    html_file: str | None,
    fail_if: tuple[str, ...],
    json_file: str | None,
) -> None:
    """Replay TRACE through policies and print hit rate, OOM risk and costs of each.

    TRACE is a directory or the name of a bundled trace ('tmemlab datasets
    list'). Without one a bundled trace is used, recorded on a real kernel.

    \b
    tmemlab replay
    tmemlab replay redis-zswap -p zswap                        the version that its kernel ran
    tmemlab replay /tmp/trace -p zswap.v6_18 -p zswap.v6_18:shrinker=on,max_pool_percent=10
    tmemlab replay /tmp/trace -p zswap.v6_18 -p ./mine.py:max_pool_percent=10
    tmemlab replay --ram 2G --pool 20% --json result.json
    tmemlab replay -p zswap.v6_18 --stack ram:5%,remote:1G@25us,disk@nvme
    tmemlab replay -p tmem.frontswap --calls kvm-vmexit
    tmemlab replay redis-zswap --host ram=2G,file=300M,swap=zram:2G -p zram.basic
    tmemlab replay /tmp/trace -p zswap.v6_18 --fail-if 'oom.p>0.01'

    A range makes a sweep, over all cores: 5..50/5 in steps of 5, 64M..1G*2 doubling, on|off both.

    \b
    tmemlab replay /tmp/trace --pool 5%..50%/5 --out sizes.parquet
    tmemlab replay -p 'zswap.v6_18:max_pool_percent=5..50/5,shrinker=on|off'
    """
    from ..datasets.share.bundled import default_trace
    from ..datasets.trace.manifest import Manifest
    from ..replay.compare import compare
    from ..replay.report import print_comparison, write_html
    from ..replay.scores.score import StormPlan
    from ..replay.sweep import check_target, expand_policies, expand_pools, is_range, write_rows

    described = described_host(host)
    thresholds = parse_thresholds(fail_if)
    if out:
        check_target(out)
    path = trace or default_trace()
    kernel = Manifest.read(path).kernel.release or None
    tell_versions(policies, kernel)
    chosen = expand_policies(policies, kernel)
    if is_range(pool):
        from ..datasets.trace.read import Trace
        from ..policies.catalogue import default_policies

        opened = Trace.open(path)
        chosen = expand_pools(
            chosen or default_policies(opened.manifest.kind), str(pool),
            described.ram if described else ram or opened.manifest.ram_bytes,
        )
        pool = None
    what = f"replaying {path.name} (the first run compiles for about half a minute)"
    with progress(what, len(chosen)) as on_done:
        result = compare(
            path, chosen, ram_bytes=ram, pool=pool, disk=disk, disk_unit=disk_unit, stack=stack, loop=loop,
            calls=calls,
            compression=compression, file_floor=file_floor, threads=threads, on_done=on_done,
            described=described,
            plan=StormPlan(storms, storm_fraction, seed, exact_storms), allow_lossy=allow_lossy,
        )  # fmt: skip
    publish(result.as_json(), json_file, lambda: print_comparison(result))
    if out:
        write_rows(result, out)
    if html_file:
        write_html(result, Path(html_file))
    for row in result.scores:
        check_thresholds(thresholds, row.as_json(), row.label)
