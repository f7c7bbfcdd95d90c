"""``tmemlab datasets sample``, ``synth``, ``stats`` and ``diff``."""

from pathlib import Path
from typing import Any

import click

from ..common import TracePath
from .options import JSON, OUT, TRACE, made, open_trace, print_json

INTERVAL = click.option("--interval", default="1s", help="Rates are taken over this long.")


@click.command("sample")
@TRACE
@OUT
@click.option("--share", required=True, help="Share of the pages, such as 10% or 0.1.")
@click.option(
    "--block", default=1, type=click.IntRange(min=1), help="Pages chosen together, so that neighbours stay."
)
@click.option("--seed", default=0, type=click.IntRange(min=0), help="The same seed chooses the same pages.")
@JSON
def sample_command(trace: Path, out: Path, share: str, block: int, seed: int, as_json: bool) -> None:
    """Write a random share of the pages of TRACE to OUT, with a RAM that is smaller by the same share."""
    from ...datasets.derive.sample import sample
    from ...units import parse_share

    done = sample(open_trace(trace), out, share=parse_share(share), block=block, seed=seed)
    made(out, done, "sample", as_json)


@click.command("synth")
@OUT
@click.option("-c", "--pattern", "patterns", multiple=True, required=True, help="NAME:key=value,... (repeatable).")
@click.option("--events", default=1_000_000, type=click.IntRange(min=1), help="Events of the trace.")
@click.option("--rate", default=100_000.0, help="Touches a second.")
@click.option("--resident", help="RAM of the programs, such as 512M: the trace is what they swap.")
@click.option("--storm", help="at=10s,size=256M,rate=1G: from then on so much of it is mlocked, so fast.")
@click.option("--clen", default=1400.0, help="Mean compressed length in bytes.")
@click.option("--zero", default="5%", help="Share of the pages that are same-filled.")
@click.option("--seed", default=0, type=click.IntRange(min=0), help="The same seed gives the same trace.")
@JSON
def synth_command(
    out: Path, patterns: tuple[str, ...], events: int, rate: float, resident: str | None, storm: str | None,
    clen: float, zero: str, seed: int, as_json: bool,
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
    from ...units import parse_share, parse_size

    done = synthesize(
        out, [parse_pattern(text) for text in patterns], events=events, rate=rate,
        resident_bytes=None if resident is None else parse_size(resident),
        storm=None if storm is None else _storm(storm), clen_mean=clen, zero_share=parse_share(zero), seed=seed,
    )  # fmt: skip
    made(out, done, "synth", as_json)


@click.command("stats")
@TRACE
@INTERVAL
@JSON
def stats_command(trace: Path, interval: str, as_json: bool) -> None:
    """Show what TRACE is like: rates and how even they are, how long pages stay away, what never comes back."""
    from ...datasets.describe.statistics import stats

    found = stats(open_trace(trace), _interval_ns(interval))
    if as_json:
        print_json(found)
    else:
        from .tables import print_stats

        print_stats(found)


@click.command("diff")
@click.argument("a", type=TracePath())
@click.argument("b", type=TracePath())
@INTERVAL
@click.option("--seed", default=0, type=click.IntRange(min=0), help="Of the bootstrap.")
@JSON
def diff_command(a: Path, b: Path, interval: str, seed: int, as_json: bool) -> None:
    """Compare two traces: means, differences with 95 % intervals, and whether chance could explain them."""
    from ...datasets.describe.diff import diff

    found = diff(open_trace(a), open_trace(b), interval_ns=_interval_ns(interval), seed=seed)
    if as_json:
        print_json(found)
    else:
        from .tables import print_diff

        print_diff(found)


def _interval_ns(text: str) -> int:
    from ...units import parse_duration

    nanoseconds = round(parse_duration(text) * 1e9)
    if nanoseconds < 1:
        raise click.BadParameter(f"{text!r} is no time at all: write 1s or 100ms", param_hint="--interval")
    return nanoseconds


def _storm(text: str) -> Any:
    from ...datasets.synthetic.synth import Storm
    from ...units import parse_duration, parse_size

    parts = dict(part.partition("=")[::2] for part in text.split(","))
    if set(parts) != {"at", "size", "rate"}:
        raise click.BadParameter(f"{text!r} is not a storm: write at=10s,size=256M,rate=1G", param_hint="--storm")
    return Storm(round(parse_duration(parts["at"]) * 1e9), parse_size(parts["size"]), parse_size(parts["rate"]))
