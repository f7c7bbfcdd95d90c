"""A comparison for people: a table on the terminal, and a page with charts in one file."""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import numpy as np

from ..errors import TmemlabError
from ..printing import safe
from ..tables import Column, console, print_table
from ..units import PAGE_SIZE, format_bytes, format_count, format_duration, format_share
from .compare import Comparison
from .inputs.lossy import Lost
from .scores.declare import columns
from .scores.row import Score


def table(scores: Sequence[Score]) -> tuple[list[str], list[list[str]]]:
    """The headings of the table and its rows: a policy, then every score that has a column here."""
    documents = [row.as_json() for row in scores]
    shown = columns(documents)
    rows = [
        [row.label, *(column.text(document) for column in shown)]
        for row, document in zip(scores, documents, strict=True)
    ]
    return ["policy", *(column.column for column in shown)], rows


def heading(result: Comparison) -> list[str]:
    """What was replayed, on what."""
    read, manifest = result.columns, result.trace.manifest
    where = manifest.provenance.get("workload") or result.trace.path.name
    lines = [
        f"{where}: {format_count(read.stores)} stores, {format_count(read.loads)} loads of "
        f"{format_count(read.pages)} pages in {format_duration(manifest.duration_ns / 1e9)}, "
        f"Linux {manifest.kernel.release}",
        f"host: {format_bytes(result.host.ram * PAGE_SIZE)} RAM"
        + (
            f" (recorded on {format_bytes(manifest.ram_bytes)})"
            if result.host.ram != result.host.recorded_ram
            else ""
        )
        + f", swap on {result.host.disk.name}; compressed lengths: {read.clen_source}",
    ]
    if result.group_bytes is not None:
        lines.append(f"in a memory cgroup of {format_bytes(result.group_bytes)}, which bounds the resident set")
    if not manifest.certificate.complete:
        lines.append(f"incomplete trace: {manifest.events.dropped} events are known to be missing")
        lost = Lost.of(manifest.certificate)
        for row in result.scores if lost.stores or lost.loads else []:
            between = lost.interval(row.hits, sum(row.loads.values()))
            if between is not None:
                lines.append(
                    f"  {row.label}: hit rate between {format_share(between[0])} and {format_share(between[1])}"
                )
    return lines


def footing(result: Comparison) -> str:
    """What the OOM columns mean, for this run."""
    plan = result.plan
    if not any(row.oom.storms for row in result.scores):
        return "no storms were run"
    run = max(row.oom.simulated for row in result.scores)
    ran = "all run" if run == plan.storms else f"up to {run} of them run, the others told by these"
    return (
        "survives: the largest share of RAM that a program can mlock at full speed with P(OOM) < 1%. P(OOM), "
        "with its 95% interval, and stall, the longest wait for memory, are for a program that mlocks "
        f"{plan.fraction:.0%} ({plan.storms} storms, {ran}, seed {plan.seed}). Compare policies by survives, "
        f"which changes gradually: P(OOM) jumps where survives falls below {plan.fraction:.0%}."
    )


Lines = tuple[str, list[Column | str], list[list[str]], str]
"""A table: its title, its headings, its rows, and a sentence that follows."""


def _headings(first: str, *rest: str) -> list[Column | str]:
    return [first, *(Column(title, right=True) for title in rest)]


def _stores(result: Comparison) -> Iterator[Lines]:
    """What the stores of a stack did."""
    rows = []
    for row in result.scores:
        for level in row.levels:
            limit = f" {format_bytes(level['capacity_bytes'])}" if level["capacity_bytes"] else ""
            rows.append(
                [
                    row.label, level["kind"] + limit, format_count(level["entered_pages"]),
                    format_bytes(level["held_bytes"]), format_bytes(level["peak_bytes"]),
                    format_count(level["loads"]), format_bytes(level["written_bytes"]),
                    format_bytes(level["read_bytes"]),
                ]
            )  # fmt: skip
    if rows:
        headings = _headings("policy", "store", "entered", "held", "peak", "loads", "written", "read")
        yield "backing stores besides the pool", headings, rows, ""


def _resident_sets(result: Comparison) -> Iterator[Lines]:
    """What the resident set of a closed loop did."""
    counted = ("hits", "first_touches", "faults", "refaults", "readahead", "readahead_hits", "starved")
    rows = [
        [
            row.label, *(format_count(row.resident[name]) if name in row.resident else "-" for name in counted),
            format_duration(row.resident["stalled_s"]) if "stalled_s" in row.resident else "-",
        ]
        for row in result.scores
        if row.resident
    ]  # fmt: skip
    if rows:
        headings = _headings("policy", *(name.replace("_", " ") for name in counted), "stalled")
        yield "resident set in front of the pool", headings, rows, ""


def _calls(result: Comparison) -> Iterator[Lines]:
    """What the calls cost, a table a policy."""
    for row in result.scores:
        if not row.calls:
            continue
        rows = []
        for line in row.calls["batches"]:
            p99, cycles = line["store_delay_us"]["p99"], line["cycles_per_page"]
            rows.append(
                [
                    str(line["batch"]), format_count(line["calls"]), "-" if cycles is None else f"{cycles:.0f}",
                    format_duration(line["cpu_s"]), "-" if p99 is None else format_duration(p99 / 1e6),
                    format_duration(line["load_added_us"] / 1e6),
                ]
            )  # fmt: skip
        profile = row.calls["profile"]
        title = f"{row.label}: calls, {profile['name']} at {profile['call_cycles']} cycles each"
        headings = _headings("pages a call", "calls", "cycles a page", "CPU", "store waits p99", "load waits")
        yield title, headings, rows, row.calls["verdict"]["sentence"]


def print_comparison(result: Comparison) -> None:
    """The tables, to stdout; unfolded for a pipe, fitted to a terminal."""
    out = console()
    for line in heading(result):
        out.print(safe(line), markup=False)
    out.print()
    dim = {number for number, row in enumerate(result.scores) if row.name.startswith("bounds.")}
    titles, cells = table(result.scores)
    print_table(_headings(*titles), cells, dim=dim)
    out.print()
    for note in result.notes:
        out.print(safe(note), markup=False)
    out.print(footing(result), markup=False)
    for title, headings, rows, below in (*_stores(result), *_resident_sets(result), *_calls(result)):
        out.print()
        out.print(safe(title), markup=False)
        print_table(headings, rows)
        if below:
            out.print(safe(below), markup=False)


def _polyline(xs: np.ndarray, ys: np.ndarray, top: float, colour: str, title: str) -> str:
    width, height = 640, 200
    if not len(xs) or xs[-1] <= xs[0]:
        return ""
    at = np.stack([xs / xs[-1] * width, height - ys / max(top, 1) * height], axis=1)
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
    style = f'fill="none" stroke="{colour}" stroke-width="1.5"'
    return f'<polyline {style} points="{points}"><title>{title}</title></polyline>'


_COLOURS = ("#888", "#bbb", "#444", "#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b")


def _html(text: str) -> str:
    return escape(safe(text))


def write_html(result: Comparison, target: Path) -> None:
    """The table, the pools over time and P(OOM) over the storm's size, as one page without scripts."""
    titles, cells = table(result.scores)
    rows = "".join("<tr>" + "".join(f"<td>{_html(cell)}</td>" for cell in row) + "</tr>" for row in cells)
    times = result.host.balance[:, 0].astype(float)
    peak = max((row.series[:, 2].max() for row in result.scores), default=1)
    legend, pools, risks = [], [], []
    for number, row in enumerate(result.scores):
        colour, name = _COLOURS[number % len(_COLOURS)], _html(row.label)
        legend.append(f'<span style="color:{colour}">&#9632;</span> {name}')
        seen = row.series[:, 2] >= 0
        pools.append(_polyline(times[seen], row.series[seen, 2].astype(float), float(peak), colour, name))
        if row.oom.curve:
            curve = np.array(row.oom.curve)
            risks.append(_polyline(curve[:, 0], curve[:, 1], 1.0, colour, name))

    def chart(lines: list[str], caption: str) -> str:
        body = "".join(lines)
        return (
            f'<figure><svg viewBox="-2 -4 644 208" width="640" role="img">'
            f'<rect width="640" height="200" fill="none" stroke="#ccc"/>{body}</svg>'
            f"<figcaption>{caption}</figcaption></figure>"
        )

    top = format_bytes(int(peak) * PAGE_SIZE)
    page = f"""<!doctype html>
<meta charset="utf-8"><title>tmemlab replay</title>
<style>body{{font:15px system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem}}
table{{border-collapse:collapse;font-variant-numeric:tabular-nums}}td,th{{padding:.3rem .6rem;text-align:right;
border-bottom:1px solid #ddd}}td:first-child,th:first-child{{text-align:left}}figure{{margin:1.5rem 0}}
svg{{max-width:100%}}</style>
<h1>tmemlab replay</h1>
{"".join(f"<p>{_html(line)}</p>" for line in heading(result))}
<table><thead><tr>{"".join(f"<th>{title}</th>" for title in titles)}</tr></thead><tbody>{rows}</tbody></table>
{"".join(f"<p>{_html(line)}</p>" for line in [*result.notes, footing(result)])}
<p>{" &nbsp; ".join(legend)}</p>
{chart(pools, f"Pool over time; top: {top}, right: {format_duration(float(times[-1]) / 1e9)}")}
{chart(risks, "P(OOM) over the share of RAM that is mlocked, 5% to 100%") if any(risks) else ""}
"""
    try:
        target.write_text(page)
    except OSError as error:
        raise TmemlabError(f"cannot write {target}: {error.strerror}") from None
