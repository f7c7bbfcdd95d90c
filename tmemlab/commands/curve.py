"""tmemlab curve."""

from pathlib import Path
from typing import Any

import click

from ..printing import say
from .common import TracePath, json_option, progress, publish
from .groups import CONTEXT
from .numbers import Count, Share


def _print(result: Any, sizes: list[int], recorded_ram: int) -> None:
    from ..tables import Column, print_table
    from ..units import format_bytes, format_share

    order = "least recently used page" if result.trace.manifest.kind == "access" else "oldest store"
    weight = {"bytes": "compressed bytes", "pages": "pages", "pool": "pages of zsmalloc"}[result.unit]
    followed = "" if result.sample == 1 else f", {100 * result.sample:g}% of the pages followed"
    say(f"{result.trace.path}: the {order} leaves, sizes in {weight}{followed}\n")
    sampled, in_bytes = result.sample < 1, result.compressed is not None
    rows = []
    for size in sizes:
        rate, error = result.hit_rate(size)
        share = format_share(size / recorded_ram) if recorded_ram else "-"
        row = [format_bytes(size), share, f"{100 * rate:.2f}%", *([f"{100 * error:.2f}"] if sampled else [])]
        row += [format_bytes(result.compressed_bytes(rate))] if in_bytes else []
        rows.append([*row, "#" * round(40 * max(rate, 0))])
    titles = ("pool", "of RAM", "hit rate", *(["standard error"] if sampled else []))
    titles += ("compressed bytes",) if in_bytes else ()
    print_table([*(Column(title, right=True) for title in titles), Column("", text=True)], rows)
    if result.fill:
        say(
            f"\npool: memory of zsmalloc. At the largest size {format_share(result.fill.share)} of it holds "
            f"objects and the rest is holes between them ({result.fill.replays} replays). compressed bytes: the "
            "data in it."
        )
    elif result.unit == "pool":
        say("\npool: size classes of the allocator, without the holes that a real one has between objects.")


@click.command("curve", context_settings=CONTEXT)
@click.argument("trace", required=False, type=TracePath())
@click.option("--sizes", type=Count(1, 100_000), default=20, show_default=True,
              help="Sizes in equal steps up to the one beyond which nothing is gained.")  # fmt: skip
@click.option("--unit", type=click.Choice(["pool", "bytes", "pages"]), default="pool", show_default=True,
              help="Sizes: memory of the allocator, compressed bytes, or a page for each page.")  # fmt: skip
@click.option("--replays", type=Count(0, 10_000), default=64, show_default=True,
              help="Replays of single pools, at most, that measure holes in the allocator's pages.")  # fmt: skip
@click.option("--sample", type=Share(), default="100%", show_default=True, metavar="PCT",
              help="Share of the pages to follow; the error is given.")  # fmt: skip
@click.option("--allow-lossy", is_flag=True, help="Use a trace that is known to lack events.")
@json_option
def command(
    trace: Path | None,
    sizes: int,
    unit: str,
    replays: int,
    sample: float,
    allow_lossy: bool,
    json_file: str | None,
) -> None:
    """Show the hit rate of an LRU-ordered pool at every size, from one pass over TRACE.

    Without TRACE a bundled one is used. Swap traffic runs through a pool that gives up its oldest store and
    whose loads take the copy (order.lru:exclusive_loads=on); page accesses through an LRU cache (order.lru).
    Sizes are those that a replay with --pool has: objects in zsmalloc's classes, and the holes between them.

    \b
    tmemlab curve
    tmemlab curve /tmp/trace --sizes 100 --json curve.json
    tmemlab curve /tmp/large --sample 1%
    """
    from ..datasets.share.bundled import default_trace
    from ..replay.curve.curve import curve

    with progress("measuring (the first run compiles)", replays) as on_done:
        result = curve(
            trace or default_trace(), unit=unit, sample=sample, replays=replays, allow_lossy=allow_lossy,
            on_done=on_done,
        )  # fmt: skip
    points = result.sizes(sizes)
    publish(result.as_json(points), json_file, lambda: _print(result, points, result.trace.manifest.ram_bytes))
