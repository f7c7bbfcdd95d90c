"""A comparison for people: a table on the terminal, and a page with charts in one file."""

from html import escape
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from ..errors import TmemlabError
from ..units import PAGE_SIZE, format_bytes, format_count, format_duration, format_share
from .compare import Comparison
from .inputs.lossy import Lost
from .scores.score import Score

COLUMNS = (
    "policy", "hit rate", "from disk", "rejected", "written back", "pool mean", "pool peak", "RAM saved",
    "load p99", "P(OOM)", "survives", "stall",
)  # fmt: skip


def label(row: Score) -> str:
    """The policy with the parameters that are not its defaults."""
    from ..policies.registry import find_policy

    known = find_policy(row.name).params() if "." in row.name else []
    changed = [
        f"{p.name}={row.params[p.name]:g}"
        if isinstance(row.params[p.name], float)
        else f"{p.name}={row.params[p.name]}"
        for p in known
        if row.params.get(p.name) != p.default
    ]
    return row.name + (":" + ",".join(changed) if changed else "")


def cells(row: Score) -> list[str]:
    """One row of the table, in the order of COLUMNS."""
    oom = row.oom
    risk = "-"
    if oom.p is not None and oom.ci95 is not None:
        risk = f"{100 * oom.p:.0f}% [{100 * oom.ci95[0]:.0f}, {100 * oom.ci95[1]:.0f}]"
    p99 = row.load_latency_us["p99"]
    return [
        label(row),
        format_share(row.hit_rate),
        format_count(row.loads["disk"]),
        format_count(row.stores["rejected"] + row.stores["refused"]),
        format_count(row.writeback["pages"]),
        format_bytes(row.pool_bytes["mean"]),
        format_bytes(row.pool_bytes["peak"]),
        format_bytes(row.ram_saved_bytes["mean"]),
        "-" if p99 is None else format_duration(p99 / 1e6),
        risk,
        "-" if oom.max_survivable is None else format_share(oom.max_survivable),
        "-" if oom.longest_stall_s is None else format_duration(oom.longest_stall_s),
    ]


def heading(result: Comparison) -> list[str]:
    """What was replayed, on what."""
    columns, manifest = result.columns, result.trace.manifest
    where = manifest.provenance.get("workload") or result.trace.path.name
    lines = [
        f"{where}: {format_count(columns.stores)} stores, {format_count(columns.loads)} loads of "
        f"{format_count(columns.pages)} pages in {format_duration(manifest.duration_ns / 1e9)}, "
        f"Linux {manifest.kernel.release}",
        f"host: {format_bytes(result.host.ram * PAGE_SIZE)} RAM"
        + (
            f" (recorded on {format_bytes(manifest.ram_bytes)})"
            if result.host.ram != result.host.recorded_ram
            else ""
        )
        + f", swap on {result.host.disk.name}; compressed lengths: {columns.clen_source}",
    ]
    if not manifest.certificate.complete:
        lines.append(f"incomplete trace: {manifest.events.dropped} events are known to be missing")
        lost = Lost.of(manifest.certificate)
        for row in result.scores if lost.stores or lost.loads else []:
            between = lost.interval(row.hits, sum(row.loads.values()))
            if between is not None:
                lines.append(
                    f"  {label(row)}: hit rate between {format_share(between[0])} and {format_share(between[1])}"
                )
    return lines


def footing(result: Comparison) -> str:
    """What the OOM columns mean, for this run."""
    plan = result.plan
    if not plan.storms or result.columns.kind == "access":
        return "no storms were run"
    return (
        f"P(OOM), its 95% interval and the longest stall: {plan.storms} storms that mlock {plan.fraction:.0%} "
        f"of RAM at full speed (seed {plan.seed}); survives: the largest share with P(OOM) < 1%"
    )


def _plain_table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for number, title in enumerate(titles):
        table.add_column(title, justify="left" if number == 0 else "right", overflow="fold")
    return table


def extra_tables(result: Comparison) -> list[tuple[str, Table]]:
    """What a stack's stores, a resident set and the calls did, where there were any."""
    tables = []
    if any(row.levels for row in result.scores):
        stores = _plain_table("policy", "store", "entered", "held", "peak", "loads", "written", "read")
        for row in result.scores:
            for level in row.levels:
                limit = f" {format_bytes(level['capacity_bytes'])}" if level["capacity_bytes"] else ""
                stores.add_row(
                    label(row), level["kind"] + limit, format_count(level["entered_pages"]),
                    format_bytes(level["held_bytes"]), format_bytes(level["peak_bytes"]),
                    format_count(level["loads"]), format_bytes(level["written_bytes"]),
                    format_bytes(level["read_bytes"]),
                )  # fmt: skip
        tables.append(("backing stores besides the pool", stores))
    if any(row.resident for row in result.scores):
        titles = ("hits", "first_touches", "faults", "refaults", "readahead", "readahead_hits", "starved")
        near = _plain_table("policy", *(title.replace("_", " ") for title in titles), "stalled")
        for row in result.scores:
            if row.resident:
                counts = [format_count(row.resident[title]) for title in titles]
                near.add_row(label(row), *counts, format_duration(row.resident["stalled_s"]))
        tables.append(("resident set in front of the pool", near))
    for row in result.scores:
        if row.calls:
            calls = _plain_table("pages a call", "calls", "cycles a page", "CPU", "store waits p99", "load waits")
            for line in row.calls["batches"]:
                p99, cycles = line["store_delay_us"]["p99"], line["cycles_per_page"]
                calls.add_row(
                    str(line["batch"]), format_count(line["calls"]), "-" if cycles is None else f"{cycles:.0f}",
                    format_duration(line["cpu_s"]), "-" if p99 is None else format_duration(p99 / 1e6),
                    format_duration(line["load_added_us"] / 1e6),
                )  # fmt: skip
            profile = row.calls["profile"]
            tables.append(
                (f"{label(row)}: calls, {profile['name']} at {profile['call_cycles']} cycles each", calls)
            )
    return tables


def print_comparison(result: Comparison) -> None:
    """The table, to stdout; wide enough for a pipe, fitted to a terminal."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=200)
    for line in heading(result):
        console.print(line, markup=False)
    table = _plain_table(*COLUMNS)
    for row in result.scores:
        table.add_row(*cells(row), style="dim" if row.name.startswith("bounds.") else None)
    console.print()
    console.print(table)
    console.print()
    for title, extra in extra_tables(result):
        console.print(title, markup=False)
        console.print(extra)
        console.print()
    console.print(footing(result), markup=False)


def _polyline(xs: np.ndarray, ys: np.ndarray, top: float, colour: str, title: str) -> str:
    width, height = 640, 200
    if not len(xs) or xs[-1] <= xs[0]:
        return ""
    at = np.stack([xs / xs[-1] * width, height - ys / max(top, 1) * height], axis=1)
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
    style = f'fill="none" stroke="{colour}" stroke-width="1.5"'
    return f'<polyline {style} points="{points}"><title>{title}</title></polyline>'


_COLOURS = ("#888", "#bbb", "#444", "#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b")


def write_html(result: Comparison, target: Path) -> None:
    """The table, the pools over time and P(OOM) over the storm's size, as one page without scripts."""
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells(row)) + "</tr>" for row in result.scores
    )
    times = result.host.balance[:, 0].astype(float)
    peak = max((row.series[:, 2].max() for row in result.scores), default=1)
    legend, pools, risks = [], [], []
    for number, row in enumerate(result.scores):
        colour, name = _COLOURS[number % len(_COLOURS)], escape(label(row))
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
{"".join(f"<p>{escape(line)}</p>" for line in heading(result))}
<table><thead><tr>{"".join(f"<th>{title}</th>" for title in COLUMNS)}</tr></thead><tbody>{rows}</tbody></table>
<p>{escape(footing(result))}</p>
<p>{" &nbsp; ".join(legend)}</p>
{chart(pools, f"Pool over time; top: {top}, right: {format_duration(float(times[-1]) / 1e9)}")}
{chart(risks, "P(OOM) over the share of RAM that is mlocked, 5% to 100%") if any(risks) else ""}
"""
    try:
        target.write_text(page)
    except OSError as error:
        raise TmemlabError(f"cannot write {target}: {error.strerror}") from None
