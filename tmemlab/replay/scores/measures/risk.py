"""OOM risk, by storms."""

from typing import Any

from ..declare import measure


def _probability(row: dict[str, Any]) -> str:
    oom = row["oom"]
    if oom["p"] is None or oom["ci95"] is None:
        return "-"
    low, high = oom["ci95"]
    return f"{100 * oom['p']:.0f}% [{100 * low:.0f}, {100 * high:.0f}]"


measure("oom.fraction", "share", "Share of RAM that a storm mlocks.", lambda o: o.oom.fraction)
measure(
    "oom.p", "share", "P(OOM): storms that end in a kill.", lambda o: o.oom.p,
    column="P(OOM)", place=110, cell=_probability,
)  # fmt: skip
measure("oom.ci95", "list", "Its 95 % interval (Wilson).", lambda o: list(o.oom.ci95) if o.oom.ci95 else None)
measure(
    "oom.max_survivable", "share", "The largest share of RAM that can be mlocked with P(OOM) < 1 %.",
    lambda o: o.oom.max_survivable, column="survives", place=90,
)  # fmt: skip
measure(
    "oom.longest_stall_s", "s", "The longest that a storm waited for one batch of pages, of those that were run.",
    lambda o: o.oom.longest_stall_s, column="stall", place=120,
)  # fmt: skip
measure(
    "oom.total_stall_s",
    "s",
    "The most that a storm waited in all, of those that were run.",
    lambda o: o.oom.total_stall_s,
)
measure("oom.storms", "count", "Storms that were asked for.", lambda o: o.oom.storms)
measure(
    "oom.simulated", "count",
    "Storms that were run; how the others end follows from these. Causes of the others are those of the "
    "nearest that was run.",
    lambda o: o.oom.simulated,
)  # fmt: skip
measure(
    "oom.frozen", "share", "Storms that were not killed but stalled for a minute or more.", lambda o: o.oom.frozen
)
measure("oom.causes", "map", "Storms killed or frozen, by cause.", lambda o: o.oom.causes)
measure("oom.curve", "list", "P(OOM) by share of RAM, in steps of 5 %.", lambda o: [list(p) for p in o.oom.curve])
