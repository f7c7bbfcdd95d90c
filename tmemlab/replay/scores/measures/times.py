"""Time: of a load, of the CPU, of the replay itself."""

from ....world.latency import latency_percentile
from ..declare import measure

measure("load_latency_us.p50", "us", "Half of the loads take no longer.",
        lambda o: latency_percentile(o.run.histogram, 0.5))  # fmt: skip
measure(
    "load_latency_us.p99", "us", "99 of 100 loads take no longer, by the host model.",
    lambda o: latency_percentile(o.run.histogram, 0.99), column="load p99", place=80,
)  # fmt: skip
measure("cpu_s.compress", "s", "CPU time compressing.",
        lambda o: int(o.h.compressed) * o.run.host.costs.compress / 1e9)  # fmt: skip
measure("cpu_s.decompress", "s", "CPU time decompressing.",
        lambda o: int(o.h.decompressed) * o.run.host.costs.decompress / 1e9)  # fmt: skip
measure("events_per_s", "number", "Speed of the replay, its storms left out.",
        lambda o: o.run.columns.events / max(o.elapsed_s, 1e-9))  # fmt: skip
