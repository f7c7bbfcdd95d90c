"""``tmemlab datasets info``."""

from pathlib import Path
from typing import Any

from ..common import json_option, publish
from ._shared import TRACE, dataset_command, open_trace


@dataset_command("info")
@TRACE
@json_option
def command(trace: Path, json_file: str | None) -> None:
    """Show what TRACE holds and how completely it was recorded."""
    from ...datasets.describe.info import info

    found = info(open_trace(trace))
    publish(found, json_file, lambda: _print(found))


def _print(found: dict[str, Any]) -> None:
    from ...tables import Column, console, print_facts, print_table
    from ...units import format_count

    print_facts(_facts(found))
    # only the places that something went to or came from: the rest would push the table off the screen
    places = [place for place in found["where"]["store"] if any(row[place] for row in found["where"].values())]
    rows = []
    for op, name in (("store", "stores"), ("load", "loads"), ("invalidate", "invalidates")):
        counts = [found["where"][op][place] for place in places]
        rows.append([name, format_count(found[name]), *(format_count(n) if n else "-" for n in counts)])
    console().print()
    print_table(["", *(Column(title, right=True) for title in ("all", *places))], rows)
    for title in ("tasks", "cgroups"):
        if found[title]:
            console().print()
            top = [(row["name"], format_count(row["events"])) for row in found[title]]
            print_table([title, Column("events", right=True)], top)


def _facts(found: dict[str, Any]) -> list[tuple[str, str]]:
    from ...units import PAGE_SIZE, format_bytes, format_count, format_duration, format_share

    clen, rates = found["clen"], (found["stores_per_s"], found["loads_per_s"])
    per_event = found["bytes_per_event"]
    note = f": {found['note']}" if found["note"] else ""
    mean = clen["mean_bytes"]
    return [
        ("trace", found["path"]),
        ("kind", found["kind"] + (", anonymised" if found["anonymised"] else "")),
        ("recorded", f"{found['created']}, probe set {found['probe_set']}"),
        ("host", f"Linux {found['kernel']} {found['machine']}, {found['cpus']} CPUs, "
            f"{format_bytes(found['ram_bytes'])} RAM"),
        ("swap", "; ".join(
            f"{area['device']} ({area['type']}, {format_bytes(area['size_bytes'])})" for area in found["swap"]
        ) or "none"),
        ("duration", format_duration(found["duration_s"])),
        ("events", f"{format_count(found['events'])}, {format_count(found['dropped'])} dropped"),
        ("rates", "-" if None in rates else f"{rates[0]:,.0f} stores/s, {rates[1]:,.0f} loads/s"),
        ("pages", f"{format_count(found['pages'])} ({format_bytes(found['pages'] * PAGE_SIZE)})"),
        ("size", format_bytes(found["bytes"])
            + (f", {per_event:.2f} bytes an event" if per_event is not None else "")),
        ("complete", ("yes" if found["complete"] else "no") + note),
        *([("window", _window(found["window"]))] if found["window"] else []),
        ("lengths", f"{clen['method']} {clen['algorithm']}".strip()
            + f", known for {format_share(clen['known'])} of stores and loads"
            + (f", mean {mean:.0f} bytes" if mean is not None else "")),
        ("license", found["license"] or "none given"),
    ]  # fmt: skip


def _window(window: dict[str, Any]) -> str:
    """What a flight recorder kept, and why."""
    from ...units import format_duration

    at = window.get("triggered_ns")
    when = f", {format_duration(at / 1e9)} after its beginning" if isinstance(at, int) else ""
    return f"of a flight recorder: {window.get('trigger')}{when}"
