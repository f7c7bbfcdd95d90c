"""What only some replays have."""

from ..declare import measure

measure(
    "resident", "map", "What the resident set of a closed loop did; null for an open one.", lambda o: o.resident
)
measure("calls", "map", "Calls into the pool's owner by batch size, with --calls.", lambda o: o.calls)
