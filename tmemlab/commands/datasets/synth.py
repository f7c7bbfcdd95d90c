"""``tmemlab datasets synth``."""

from pathlib import Path
from typing import Any

import click

from ..common import json_option
from ..numbers import Count, Number, Share, Size
from ._shared import OUT, dataset_command, made


@dataset_command("synth")
@OUT
@click.option("-c", "--pattern", "patterns", multiple=True, required=True, help="NAME:key=value,... (repeatable).")
@click.option("--events", default=1_000_000, type=Count(1, 10**12), help="Events of the trace.")
@click.option("--rate", default=100_000.0, type=Number(0, 1e9, above=True), help="Touches a second.")
@click.option(
    "--resident", type=Size(4096), help="RAM of the programs, such as 512M: the trace is what they swap."
)
@click.option("--storm", help="at=10s,size=256M,rate=1G: from then on so much of it is mlocked, so fast.")
@click.option("--clen", default=1400.0, type=Number(1, 4096), help="Mean compressed length in bytes.")
@click.option("--zero", default="5%", type=Share(above=False), help="Share of the pages that are same-filled.")
@click.option("--seed", default=0, type=Count(), help="The same seed gives the same trace.")
@json_option
def command(
    *, out: Path, patterns: tuple[str, ...], events: int, rate: float, resident: int | None, storm: str | None,
    clen: float, zero: float, seed: int, json_file: str | None,
) -> None:  # fmt: skip
    """Write a synthetic trace to OUT: a mixture of patterns, by weight, each with an address space of its own.

    \b
    uniform  pages
    zipf     pages, alpha           rank r in proportion to r ** -alpha
    loop     pages                  page after page, again and again
    scan     pages, run             run pages in sequence from a random one, then another
    phase    pages, alpha, period, shift   zipf that moves on by a share every period touches
    all      weight                 share among the touches, 1 by default

    \b
    tmemlab datasets synth touches -c zipf:pages=100000,alpha=0.8
    tmemlab datasets synth swap -c zipf:pages=200000 -c loop:pages=50000,weight=0.3 --resident 512M
    """
    from ...datasets.synthetic.patterns import parse_pattern
    from ...datasets.synthetic.synth import synthesize

    done = synthesize(
        out, [parse_pattern(text) for text in patterns], events=events, rate=rate, resident_bytes=resident,
        storm=None if storm is None else _storm(storm), clen_mean=clen, zero_share=zero, seed=seed,
    )  # fmt: skip
    made(out, done, "synth", json_file)


def _storm(text: str) -> Any:
    from ...datasets.synthetic.synth import Storm
    from ...units import parse_duration, parse_size

    parts = dict(part.partition("=")[::2] for part in text.split(","))
    if set(parts) != {"at", "size", "rate"}:
        raise click.BadParameter(f"{text!r} is not a storm: write at=10s,size=256M,rate=1G", param_hint="--storm")
    return Storm(round(parse_duration(parts["at"]) * 1e9), parse_size(parts["size"]), parse_size(parts["rate"]))
