"""tmemlab collect."""

import os
import sys
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from ..errors import InvalidInputError
from ..printing import say, say_over
from ..units import format_bytes, format_count, format_duration, format_share
from .common import json_option, on_terminal, publish
from .groups import CONTEXT
from .numbers import Duration, Number, PowerOfTwo, Share, Size


@click.command("collect", context_settings=CONTEXT)
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option("--duration", type=Duration(above=True), help="Stop after this long, such as 60s or 10m.")
@click.option("--cgroup", metavar="PATH", help="Record only pages of this memory cgroup and those below it.")
@click.option("--comm", metavar="NAME", help="Record only pages of processes that ps -o comm calls so.")
@click.option("--sample", type=Share(2**-20, above=False),
              help="Record this share of all pages, such as 1/64: a scale model of the host.")  # fmt: skip
@click.option("--memory-limit", type=Size(1 << 16), help="Memory that COMMAND may use.")
@click.option("--sample-rate", type=Number(0.1, 100), default=10.0, show_default=True,
              help="Samples of the host's memory a second.")  # fmt: skip
@click.option("--content-cpu", type=Share(0, 0.9, above=False), default=0.05, show_default=True,
              help="Share of one CPU for learning how well pages compress; 0 for none.")  # fmt: skip
@click.option("--ring", type=PowerOfTwo(1 << 16, 1 << 30), default="16M", show_default=True,
              help="Kernel buffer for events on their way.")  # fmt: skip
@click.option("--max-cpu", type=Share(0.01, above=False),
              help="Share of one CPU to take at most; drops, counted, where that is too little.")  # fmt: skip
@click.option("--max-size", type=Size(1 << 16), help="Stop when the recording takes so much of the disk.")
@click.option("--keep", type=Duration(above=True),
              help="Be a flight recorder: keep only the last so much, such as 10m, in OUT.")  # fmt: skip
@click.option("--until", default="oom,signal", show_default=True, metavar="EVENT",
              help="With --keep: what makes a trace: oom, psi:some>40%/10s, signal (USR1), never.")  # fmt: skip
@click.option("--after", type=Duration(), default="30s", show_default=True,
              help="With --keep: go on for so long once it happens.")  # fmt: skip
@click.option("--max-disk", type=Size(7 << 20), default="2G", show_default=True,
              help="With --keep: what OUT may take in all, traces included.")  # fmt: skip
@click.option("--own-cgroup", is_flag=True,
              help="Record from a memory cgroup of its own: nobody else's limit ends it.")  # fmt: skip
@click.option("--counters-only", is_flag=True, help="Sample what anyone may read: no events, no root needed.")
@click.option("--probe-set", metavar="NAME", help="Probe set to use. Default: the best that attaches here.")
@json_option
def command(
    *,
    out: Path,
    command: tuple[str, ...],
    duration: float | None,
    cgroup: str | None,
    comm: str | None,
    sample: float | None,
    memory_limit: int | None,
    sample_rate: float,
    content_cpu: float,
    ring: int,
    max_cpu: float | None,
    max_size: int | None,
    keep: float | None,
    until: str,
    after: float,
    max_disk: int,
    own_cgroup: bool,
    counters_only: bool,
    probe_set: str | None,
    json_file: str | None,
) -> int:
    """Record this host's swap traffic into the trace OUT until the time is over, COMMAND ends, or Ctrl-C.

    Needs root, and gives its privileges up once it records. COMMAND runs in a memory cgroup of its own and is
    ended when the recording is; where it ends first, its exit code is the answer, as with env(1): 126 or 127 if it
    cannot be run, 128 and the signal if it was killed. Page contents are never stored.

    \b
    tmemlab collect /tmp/trace --duration 60s
    tmemlab collect /tmp/trace --memory-limit 300M -- make -j4
    tmemlab collect /var/lib/tmemlab --keep 10m --until 'oom,psi:some>40%/10s'
    """
    # A thread keeps the privileges that it has when it starts, and OpenBLAS starts one a CPU when it is loaded.
    asked = os.environ.get("OPENBLAS_NUM_THREADS")
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    from ..collect.recording.options import Options
    from ..collect.recording.run import collect

    del os.environ["OPENBLAS_NUM_THREADS"]
    if asked is not None:
        os.environ["OPENBLAS_NUM_THREADS"] = asked  # for the command

    options = Options(
        duration=duration, cgroup=cgroup, command_name=comm, sample_pages=sample, sample_hz=sample_rate,
        ring_bytes=ring, content_share=content_cpu,
        probe_set=probe_set, max_cpu=max_cpu, max_bytes=max_size,
    )  # fmt: skip
    if keep is not None:
        if command or memory_limit is not None or counters_only:
            what = "COMMAND" if command else "--memory-limit" if memory_limit is not None else "--counters-only"
            raise InvalidInputError(f"--keep watches the whole host or a --cgroup: leave out {what}")
        return _flight(out, options, (keep, until, after, max_disk), own_cgroup, json_file)
    source = click.get_current_context().get_parameter_source
    for name in ("until", "after", "max_disk"):
        if source(name) is ParameterSource.COMMANDLINE:
            raise InvalidInputError(f"--{name.replace('_', '-')} belongs to a flight recorder: add --keep 10m")
    terminal, endless = on_terminal(), duration is None and not command
    outcome = collect(
        out,
        options,
        list(command) or None,
        memory_limit,
        watch=_Meter() if terminal else None,
        note=_note if terminal else lambda _: None,
        ready=lambda: say("recording until Ctrl-C", err=True) if endless else None,
        counters_only=counters_only,
        drop_privileges=True,
        own_cgroup=own_cgroup,
        # stdout is for our JSON document alone, where one was asked for there
        command_stdout=sys.stderr.fileno() if json_file == "-" else None,
    )
    if terminal:
        say_over()
    publish(_document(outcome), json_file, lambda: _print(outcome))
    if not outcome.manifest.certificate.complete:
        say(f"tmemlab: the trace is not complete: {outcome.manifest.certificate.note}", err=True)
    if outcome.command is not None:
        limit = None if memory_limit is None else format_bytes(memory_limit)
        sentence = outcome.command.sentence(command[0], limit)
        if sentence:
            say(f"tmemlab: {sentence}", err=True)
    return int(outcome.exit_code)


def _flight(
    out: Path, options: Any, kept: tuple[float, str, float, int], own_cgroup: bool, json_file: str | None
) -> int:
    from ..collect.recording.flight import document, watch_over
    from ..collect.recording.trigger import Trigger
    from ..collect.recording.window import Keep

    if options.max_bytes is not None:
        raise InvalidInputError("--max-size ends a recording, and --keep goes on: give --max-disk instead")
    seconds, until, after, max_disk = kept
    terminal = on_terminal()

    def note(what: str) -> None:
        say(f"\n{what}" if terminal else f"tmemlab: {what}", err=True)

    outcome = watch_over(
        out, options, Keep(seconds, after, Trigger.parse(until), max_disk), watch=_Meter() if terminal else None,
        say=note, ready=lambda: say(f"keeping the last {format_duration(seconds)} until Ctrl-C", err=True),
        own_cgroup=own_cgroup,
    )  # fmt: skip
    if terminal:
        say_over()

    def show() -> None:
        many = "1 trace" if len(outcome.traces) == 1 else f"{len(outcome.traces)} traces"
        say(f"{out}: {many} in {format_duration(outcome.seconds)}")

    publish(document(outcome, out), json_file, show)
    return 1 if outcome.failed else 0


class _Meter:
    """The progress line: rates since the last call, drops, pool and pressure."""

    def __init__(self) -> None:
        self._swapped, self._seconds, self._stalled = 0, 0.0, 0

    def __call__(self, progress: Any) -> None:
        elapsed = max(progress.seconds - self._seconds, 1e-9)
        rate = (progress.swapped - self._swapped) / elapsed
        sample = progress.sample
        stalled = sample.get("psi_some_us") or 0
        # before the first line there is no earlier reading to compare with
        share = (stalled - self._stalled) / 1e6 / elapsed if self._stalled else 0.0
        self._swapped, self._seconds, self._stalled = progress.swapped, progress.seconds, stalled
        line = (
            f"{format_duration(progress.seconds):>9}  {format_count(rate):>9} events/s  "
            f"{format_count(progress.swapped)} in all  dropped {format_count(progress.dropped)}  "
            f"pool {format_bytes(sample.get('pool_bytes') or 0)}  "
            f"stalled {format_share(min(share, 1.0))}"
        )
        say_over(line)


def _note(what: str) -> None:
    say_over(f"{what} ...")


def _document(outcome: Any) -> dict[str, Any]:
    manifest = outcome.manifest
    return {
        "schema": "tmemlab.collect/1",
        "path": str(outcome.path),
        "duration_s": manifest.duration_ns / 1e9,
        "probe_set": manifest.probe_set.name,
        "events": manifest.events.recorded,
        "stores": manifest.events.stores,
        "loads": manifest.events.loads,
        "invalidates": manifest.events.invalidates,
        "dropped": manifest.events.dropped,
        "kernel": manifest.kernel_counters,
        "recorded": manifest.recorded_counters,
        "complete": manifest.certificate.complete,
        "bytes_per_event": outcome.bytes_per_event,
        "clen": {"method": manifest.clen.method, "algorithm": manifest.clen.algorithm, **manifest.clen.extra},
        "identity": manifest.extra["identity"],
        "recorder": {
            "cpu_s": outcome.recorder_cpu_s,
            "contents_cpu_s": outcome.contents_cpu_s,
            "seconds": outcome.recorder_seconds,
        },
        "command_exit": outcome.command.exit_code if outcome.command else None,
        "command": outcome.command.as_json() if outcome.command else None,
    }


def _print(outcome: Any) -> None:
    manifest = outcome.manifest
    events = manifest.events
    per_event = outcome.bytes_per_event
    say(
        f"{outcome.path}: {format_count(events.stores)} stores, {format_count(events.loads)} loads, "
        f"{format_count(events.invalidates)} invalidates in {format_duration(manifest.duration_ns / 1e9)}"
        + (f", {per_event:.1f} bytes an event" if per_event else "")
    )
    for name, part in (("stores", manifest.certificate.stores), ("loads", manifest.certificate.loads)):
        kernel = "unknown" if part.kernel is None else format_count(part.kernel)
        say(
            f"  {name:6}  recorded {format_count(part.recorded):>11}  dropped {format_count(part.dropped):>7}  "
            f"counted by the kernel {kernel:>11}"
        )
