"""The tables that ``tmemlab datasets`` prints for people."""

import re
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ...units import PAGE_SIZE, format_bytes, format_count, format_duration, format_share


def _text(value: Any) -> str:
    """Text from a trace, safe on a terminal: control characters become what they are called."""
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(value))
    return escape(shown)


def print_info(found: dict[str, Any]) -> None:
    """Print the summary that :func:`tmemlab.datasets.describe.info.info` made."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold")
    facts.add_column(overflow="fold")
    for name, value in _facts(found):
        facts.add_row(name, value)
    events = Table(box=None, padding=(0, 2), header_style="bold")
    events.add_column("")
    # only the places that something went to or came from: the rest would push the table off the screen
    places = [place for place in found["where"]["store"] if any(row[place] for row in found["where"].values())]
    for heading in ("all", *places):
        events.add_column(heading, justify="right")
    for op, all_of_them in (("store", "stores"), ("load", "loads"), ("invalidate", "invalidates")):
        counts = [found["where"][op][place] for place in places]
        events.add_row(
            all_of_them, format_count(found[all_of_them]), *(format_count(n) if n else "-" for n in counts)
        )
    console = _console()
    console.print(facts)
    console.print()
    console.print(events)
    for title in ("tasks", "cgroups"):
        if found[title]:
            top = Table(box=None, padding=(0, 2), header_style="bold")
            top.add_column(title, overflow="fold")
            top.add_column("events", justify="right")
            for row in found[title]:
                top.add_row(_text(row["name"]), format_count(row["events"]))
            console.print()
            console.print(top)


def _console() -> Console:
    """A console that wraps only for a terminal: a file or a pipe gets whole lines."""
    console = Console()
    return console if console.is_terminal else Console(width=200)


def print_list(traces: list[dict[str, Any]]) -> None:
    """Print one line a trace."""
    table = Table(box=None, padding=(0, 2), header_style="bold")
    for heading in ("name", "events", "pages", "duration", "size", "kernel", "workload"):
        table.add_column(heading, justify="right" if heading in ("events", "pages", "size") else "left")
    for trace in traces:
        table.add_row(
            _text(trace["name"]),
            format_count(trace["events"]),
            format_count(trace["pages"]),
            format_duration(trace["duration_ns"] / 1e9),
            format_bytes(trace["bytes"]),
            _text(trace["kernel"]),
            _text(_first_clause(trace["workload"] or trace["how"])),
        )
    _console().print(table)


def _first_clause(text: str) -> str:
    return re.split(r"[;,.:] ", text, maxsplit=1)[0][:80] or "-"


def print_stats(found: dict[str, Any]) -> None:
    """Print what :func:`tmemlab.datasets.describe.statistics.stats` found."""
    rates = Table(box=None, padding=(0, 2), header_style="bold")
    rates.add_column(f"per {format_duration(found['interval_s'])}")
    for heading in ("mean", "p50", "p99", "max"):
        rates.add_column(heading, justify="right")
    for name, spread in found["rates"].items():
        rates.add_row(name, *(_number(value) for value in spread.values()))
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold")
    facts.add_column()
    for label, key in (("pages stored", "stored_pages"), ("stores a page", "stores_per_page")):
        facts.add_row(label, _number(found[key]))
    for label, key in (
        ("pages never loaded", "never_loaded_share"),
        ("stores that come back", "refault_share"),
        ("stores of zeros", "zero_share"),
        ("loads by readahead", "readahead_share"),
    ):
        facts.add_row(label, format_share(found[key]))
    clen, away = found["clen"], found["away_s"]
    facts.add_row("compressed length", ", ".join(f"{k} {_number(v)}" for k, v in clen.items()))
    spans = (f"{k} {'-' if v is None else format_duration(v)}" for k, v in away.items())
    facts.add_row("time away", ", ".join(spans) + " (to a power of two)")
    console = _console()
    console.print(rates)
    console.print()
    console.print(facts)


def print_diff(found: dict[str, Any]) -> None:
    """Print what :func:`tmemlab.datasets.describe.diff.diff` found."""
    table = Table(box=None, padding=(0, 2), header_style="bold")
    table.add_column("")
    for heading in ("a", "b", "b - a", "95 % interval"):
        table.add_column(heading, justify="right")
    table.add_column("more than chance")
    verdicts = {True: "yes", False: "no", None: "cannot say"}
    for row in found["rows"]:
        interval = "-" if row["ci95"] is None else " to ".join(_number(value) for value in row["ci95"])
        values = (_number(row[key]) for key in ("a", "b", "difference"))
        table.add_row(row["name"], *values, interval, verdicts[row["significant"]])
    console = _console()
    console.print(f"a  {_text(found['a'])}\nb  {_text(found['b'])}\n")
    console.print(table)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _facts(found: dict[str, Any]) -> list[tuple[str, str]]:
    clen, rates = found["clen"], (found["stores_per_s"], found["loads_per_s"])
    per_event = found["bytes_per_event"]
    note = f": {found['note']}" if found["note"] else ""
    mean = clen["mean_bytes"]
    return [
        ("trace", _text(found["path"])),
        ("kind", _text(found["kind"]) + (", anonymised" if found["anonymised"] else "")),
        ("recorded", _text(f"{found['created']}, probe set {found['probe_set']}")),
        ("host", _text(f"Linux {found['kernel']} {found['machine']}, {found['cpus']} CPUs, ")
            + f"{format_bytes(found['ram_bytes'])} RAM"),
        ("swap", _text("; ".join(
            f"{area['device']} ({area['type']}, {format_bytes(area['size_bytes'])})" for area in found["swap"]
        ) or "none")),
        ("duration", format_duration(found["duration_s"])),
        ("events", f"{format_count(found['events'])}, {format_count(found['dropped'])} dropped"),
        ("rates", "-" if None in rates else f"{rates[0]:,.0f} stores/s, {rates[1]:,.0f} loads/s"),
        ("pages", f"{format_count(found['pages'])} ({format_bytes(found['pages'] * PAGE_SIZE)})"),
        ("size", format_bytes(found["bytes"])
            + (f", {per_event:.2f} bytes an event" if per_event is not None else "")),
        ("complete", _text(("yes" if found["complete"] else "no") + note)),
        ("lengths", _text(f"{clen['method']} {clen['algorithm']}".strip())
            + f", known for {format_share(clen['known'])} of stores and loads"
            + (f", mean {mean:.0f} bytes" if mean is not None else "")),
        ("license", _text(found["license"] or "none given")),
    ]  # fmt: skip
