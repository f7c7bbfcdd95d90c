"""tmemlab advise."""

import re
from pathlib import Path
from typing import Any

import click

from ..errors import ThresholdExceededError
from ..printing import say, say_over
from .common import (
    check_thresholds,
    disk_option,
    fail_if_option,
    json_option,
    on_terminal,
    parse_thresholds,
    publish,
)
from .groups import CONTEXT
from .numbers import Count, Duration, Share, Size

SHOWN = 12
"""Rows of the front on a terminal."""


class Writes(Size):
    """Bytes a day, such as 20G/day."""

    name = "size/day"

    def parse(self, text: str) -> int:
        """Bytes a day; InvalidInputError where it is no size."""
        return super().parse(re.sub(r"\s*/\s*d(ay)?$", "", text.strip()))


class Mechanisms(click.ParamType):  # type: ignore[type-arg]
    """Some of zswap, zram and none."""

    name = "list"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A tuple of them."""
        if isinstance(value, tuple):
            return value
        chosen = tuple(dict.fromkeys(part.strip() for part in str(value).split(",") if part.strip()))
        unknown = [part for part in chosen if part not in ("zswap", "zram", "none")]
        if unknown or not chosen:
            self.fail(f"{value!r} is no list of zswap, zram and none, with commas between", param, ctx)
        return chosen


def _cells(trial: Any) -> list[str]:
    from ..units import format_bytes, format_share

    survives = "-" if trial.survives is None else f"{100 * trial.survives:.1f}%"
    return [
        format_share(trial.hit_rate), format_share(trial.oom_p), survives, format_bytes(trial.pool_bytes),
        format_bytes(trial.written_per_day), format_share(trial.cpu_share),
    ]  # fmt: skip


def _print_table(rows: list[tuple[Any, str]]) -> None:
    from ..tables import Column, print_table

    titles = ("hit rate", "P(OOM)", "survives", "pool mean", "written/day", "CPU")
    heads = [Column("settings"), *(Column(title, right=True) for title in titles), Column("", text=True)]
    print_table(heads, [[trial.label, *_cells(trial), note] for trial, note in rows])


def _print(advice: Any, explain: bool) -> None:
    from ..tables import print_text

    for sentence in advice.sentences:
        print_text(sentence)
        say()
    best, now, front = advice.recommended, advice.now, advice.front
    step = max(-(-len(front) // SHOWN), 1)
    shown = [trial for number, trial in enumerate(front) if number % step == 0 or trial is best]
    rows = [(trial, _note(advice, trial)) for trial in shown]
    rows += [(t, _note(advice, t)) for t in (best, now) if t and t.policy not in {r.policy for r, _ in rows}]
    _print_table(rows)
    say()
    count, every = len(advice.trials), len(front)
    more = f" {len(shown)} of them are shown." if len(shown) < every else ""
    print_text(
        f"{count} settings were tried; no other beats {every} of them in hits, P(OOM), memory and writes.{more}"
    )
    for sentence in advice.space.left_out:
        print_text(sentence)
    if explain:
        say()
        _print_table([(trial, _note(advice, trial)) for trial in advice.trials])


def _note(advice: Any, trial: Any) -> str:
    notes = ["<- recommended"] if trial is advice.recommended else []
    if advice.now is not None and trial.policy == advice.now.policy:
        notes.append("as recorded")
    said = {"failed stores": "stores fail"}
    if advice.limits.assumed:
        said["--max-oom"] = "riskier than no pool"
    notes += [said.get(name, f"beyond {name}") for name in advice.limits.broken(trial)]
    return ", ".join(notes)


def _line(progress: Any) -> str:
    from ..units import format_share

    said = f"{progress.doing}: {progress.trials} settings tried"
    best = progress.best
    if best is not None:
        said += f"; best so far {best.label}: {format_share(best.hit_rate)} of hits"
        said += f", P(OOM) {format_share(best.oom_p)}"
    return said


@click.command("advise", context_settings=CONTEXT)
@click.argument("traces", nargs=-1, metavar="TRACE[:WEIGHT]...")
@click.option("--goal", type=click.Choice(["hits", "memory", "writes", "balanced"]), default="balanced",
              show_default=True, help="What to make best, within the limits.")  # fmt: skip
@click.option("--max-oom", type=Share(above=False), metavar="PCT",
              help="P(OOM) at most. Default: a point above that of swap without a pool.")  # fmt: skip
@click.option("--max-pool", type=Size(), help="What the settings may let the pool take at most.")
@click.option("--max-writes", type=Writes(), metavar="SIZE/day", help="Bytes written to disks in a day at most.")
@click.option("--max-cpu", type=Share(0, 1024), metavar="PCT", help="Share of one CPU for compression at most.")
@click.option("--mechanism", "mechanisms", type=Mechanisms(), metavar="LIST",
              help="Some of zswap,zram,none. Default: all that the recorded host could run.")  # fmt: skip
@click.option(
    "--kernel", metavar="VERSION", help="The kernel that will run, such as 6.12; as-recorded by default."
)
@click.option("--ram", type=Size(1 << 20), help="RAM of the host. Default: as recorded.")
@click.option("--storm-fraction", type=Share(), default=0.9, show_default=True,
              help="Share of RAM that a storm mlocks.")  # fmt: skip
@click.option("--storms", type=Count(1, 100_000), default=60, show_default=True,
              help="Storms that measure P(OOM); four times as many others confirm it.")  # fmt: skip
@click.option("--seed", type=Count(), default=1, show_default=True, help="Seed of the storms' moments.")
@disk_option
@click.option("--time", "seconds", type=Duration(0.1),
              help="How long to search and judge. Default: 30s; with --trials, until it is done.")  # fmt: skip
@click.option("--trials", type=Count(1, 100_000), help="Settings to try at most: the same answer anywhere.")
@click.option("--threads", type=Count(1, 1024), help="Replays at once. Default: all cores.")
@click.option("--allow-lossy", is_flag=True, help="Use a trace that is known to lack events.")
@click.option("--explain", is_flag=True, help="Print every setting that was tried.")
@click.option("--apply", "target", type=click.Path(path_type=Path), metavar="FILE|DIR",
              help="Write the settings as files to install; overwrites nothing, changes nothing.")  # fmt: skip
@fail_if_option
@json_option
def command(
    *,
    traces: tuple[str, ...],
    goal: str,
    max_oom: float | None,
    max_pool: int | None,
    max_writes: int | None,
    max_cpu: float | None,
    mechanisms: tuple[str, ...] | None,
    kernel: str | None,
    ram: int | None,
    storm_fraction: float,
    storms: int,
    seed: int,
    disk: str,
    seconds: float | None,
    trials: int | None,
    threads: int | None,
    allow_lossy: bool,
    explain: bool,
    target: Path | None,
    fail_if: tuple[str, ...],
    json_file: str | None,
) -> None:
    """Say what to set on the host of TRACE: zswap, zram or no pool, how large, and why.

    Settings are replayed and struck by storms, more of them where the front is: what no other beats in hits,
    P(OOM), memory and writes. One is recommended. Without TRACE a bundled one is used. Ctrl-C gives the
    answer so far.

    \b
    tmemlab advise /tmp/trace
    tmemlab advise /tmp/trace --max-oom 1% --max-pool 512M --max-writes 20G/day --goal hits
    tmemlab advise /tmp/web:3 /tmp/batch --mechanism zswap --kernel 6.12
    tmemlab advise /tmp/trace --apply settings/ --json advice.json
    """
    from ..datasets.share.bundled import default_trace, resolve
    from ..replay.advise.advise import SECONDS, Wanted, advise
    from ..replay.advise.cases import parse_weight
    from ..replay.advise.limits import Limits
    from ..replay.advise.settings import check_target, files_of, write_files
    from ..replay.scores.row import StormPlan

    thresholds = parse_thresholds(fail_if)
    if target is not None:
        check_target(target)
    named = [parse_weight(text) for text in traces] or [(str(default_trace()), 1.0)]
    if seconds is None and trials is None:
        seconds = SECONDS
    advice = advise(
        [(resolve(Path(path)), weight) for path, weight in named],
        Wanted(Limits(max_oom, max_pool, max_writes, max_cpu), goal, mechanisms,
               None if kernel == "as-recorded" else kernel),
        ram_bytes=ram, disk=disk, plan=StormPlan(storms, storm_fraction, seed), seconds=seconds, trials=trials,
        threads=threads, allow_lossy=allow_lossy,
        on_progress=lambda progress: say_over(_line(progress)) if on_terminal() else None,
    )  # fmt: skip
    if on_terminal():
        say_over()
    publish(advice.as_json(), json_file, lambda: _print(advice, explain))
    best = advice.recommended
    if best is None:
        raise ThresholdExceededError("nothing that was tried is within the limits: see above which costs what")
    if target is not None:
        files = files_of(best.policy, advice.compressor)
        for path in write_files(target, files):
            place = next((file.place for file in files if file.name == path.name), files[-1].place)
            say(f"wrote {path}, for {place}", err=json_file == "-")
    scores = advice.as_json()["recommended"]["scores"]
    for threshold in thresholds:
        check_thresholds([threshold], scores, best.label)
