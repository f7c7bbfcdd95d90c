"""tmemlab validate."""

from pathlib import Path
from typing import Any

import click

from ..printing import say
from .common import (
    TracePath,
    check_thresholds,
    fail_if_option,
    json_option,
    parse_thresholds,
    publish,
    status,
    tell_versions,
)
from .groups import CONTEXT


def _print(result: Any) -> None:
    from ..tables import Column, print_table
    from ..units import format_bytes, format_count, format_share

    def text(key: str, value: float | None) -> str:
        if value is None:
            return "-"
        if key == "hit_rate":
            return format_share(value)
        return format_bytes(value) if "bytes" in key else format_count(value)

    settings = ", ".join(f"{key}={value}" for key, value in vars(result.policy).items())
    say(f"{result.trace.path} against {result.policy.name} ({settings})\n")
    rows = []
    for key, truth in result.measured.items():
        error = result.error[key]
        share = "-" if error is None or not truth else f"{100 * error / truth:+.1f}%"
        if key == "hit_rate":
            share = "-" if error is None else f"{100 * error:+.2f} points"
        sign = "+" if error is not None and error > 0 else ""
        predicted = text(key, result.predicted[key])
        rows.append((key.replace("_", " "), predicted, text(key, truth), sign + text(key, error), share))
    headings = [Column(title, right=True) for title in ("predicted", "kernel", "error", "of kernel's")]
    print_table(["", *headings], rows)
    worker = "after the times among the settings"
    if result.worker_runs:
        worker = f"in the {format_count(result.worker_runs)} runs that the kernel gave it"
    if result.policy.follows_runs:
        say(f"\nzswap's worker ran {worker}")
    say(f"\nevents put where the kernel put them: {format_share(result.agreement)}")
    if result.pool_error is not None:
        mean, rms = format_share(result.pool_error), format_share(result.pool_rms)
        say(f"pool over time, of its mean: mean absolute error {mean}, root mean square {rms}")
    for kind, confusion in (("loads", result.confusion), ("stores", result.stores_confusion)):
        say(f"{kind}, kernel's place -> replay's: " + "; ".join(
            f"{kernel} -> " + ", ".join(f"{place} {format_count(n)}" for place, n in row.items() if n)
            for kernel, row in confusion.items() if any(row.values())
        ))  # fmt: skip


@click.command("validate", context_settings=CONTEXT)
@click.argument("trace", type=TracePath())
@click.option("-p", "--policy", metavar="NAME[:key=value,...]",
              help="Judge this policy instead of the recorded settings.")  # fmt: skip
@click.option("--worker", type=click.Choice(["recorded", "times"]), default="recorded", show_default=True,
              help="When zswap's worker runs: when it ran on the recorded host, where the trace has that and no "
              "policy is named; or after the policy's own times, as in 'tmemlab replay'.")  # fmt: skip
@fail_if_option
@json_option
def command(trace: Path, policy: str | None, worker: str, fail_if: tuple[str, ...], json_file: str | None) -> None:
    """Replay TRACE under the settings that its host had, and compare with what the kernel did.

    \b
    tmemlab validate /tmp/trace
    tmemlab validate redis-zswap
    tmemlab validate /tmp/trace --worker times
    tmemlab validate /tmp/trace --json -
    """
    from ..datasets.trace.manifest import Manifest
    from ..policies.catalogue import parse_policy
    from ..replay.inputs.recorded_settings import guesses_zram
    from ..replay.validate import validate

    thresholds = parse_thresholds(fail_if)
    manifest = Manifest.read(trace)
    kernel = manifest.kernel.release or None
    if policy:
        tell_versions([policy], kernel)
    with status("replaying under the recorded settings (the first run compiles)"):
        result = validate(trace, parse_policy(policy, kernel) if policy else None, worker == "recorded")
    publish(result.as_json(), json_file, lambda: _print(result))
    if guesses_zram(manifest):
        say("which swap areas are zram was taken out of this trace: they are told by their sizes", err=True)
    check_thresholds(thresholds, result.as_json(), result.policy.name)
