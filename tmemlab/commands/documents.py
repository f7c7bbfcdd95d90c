"""Every JSON document that a command writes: schema, keys, and what each means; docs/json.md is made of it.

Sizes are bytes, rates shares of one, times in the unit that a name ends with; what is undefined is null.
"""

from dataclasses import dataclass

_MADE = {
    "path": "the trace that was written",
    "events": "its events",
    "pages": "its pages",
    "duration_s": "its length",
}


@dataclass(frozen=True)
class Document:
    """The top level of a document besides ``schema``."""

    command: str
    keys: dict[str, str]


DOCUMENTS = {
    "replay": Document(
        "tmemlab replay",
        {
            "trace": "what was replayed: path, events, stores, loads, pages, kernel, complete, and others",
            "config": "ram_bytes, pool_bytes, seed, storms, disk, stack, loop",
            "policies": "an object a policy: name, params, and the scores of docs/scores.md",
        },
    ),
    "size": Document(
        "tmemlab size",
        {
            "trace": "what was measured: path, kind, events, loads, duration_s, kernel, ram_bytes, and "
            "group_bytes, the limit of the memory cgroup that it was recorded in",
            "config": "ram_bytes, hits, storm_fraction, window_s, storms, seed, disk",
            "windows": "t_s, loads, need_bytes (the peak), room_bytes (the least; 0: no pool is small "
            "enough; null: not known), and what must be given back: release_bytes within "
            "release_s",
            "summary": "hit_rate and need_bytes (mean, max) of need; room_bytes (min, p50); fixed_bytes, "
            "the smallest fixed LRU pool with the hits; conflict_share and lost_share, of the "
            "time in which no size is right, and in which no pool is small enough; "
            "survivable_fraction, of RAM without a pool; release_bytes and "
            "release_bytes_per_s, the most of all windows",
            "fixed": "smallest (with the hits) and best (always survives): pool_bytes, hit_rate, oom_p "
            "of each",
            "policies": "name, params, hit_rate, oom_p, pool_bytes, smallest_bytes (its limit with the "
            "hits; null: none), and regret: outside_share; over_share, over_bytes_mean (while "
            "it is over), over_bytes_max; the same of under",
            "unknown": "what cannot be known from this trace, a sentence each",
        },
    ),
    "advise": Document(
        "tmemlab advise",
        {
            "traces": "what it is advice for: path, weight, events, loads, duration_s, ram_bytes, kernel of each",
            "config": "goal, the limits (max_oom, max_pool_bytes, max_writes_bytes_per_day, max_cpu), storms, "
            "storm_fraction, seed, disk, mechanisms",
            "now": "policy, params and scores of how the hosts ran; null: not known. scores: hit_rate, p_oom (of "
            "the worst trace; null: not known), pool_bytes_mean, written_bytes_per_day, cpu_share, each mean, low "
            "and high over traces and other storms, of p_oom with its 95 % interval; survives, longest_stall_s, "
            "failed_stores",
            "recommended": "the same of what to set, settings (file and value each) and why, in sentences; null: "
            "nothing that was tried is within the limits",
            "reasons": "need_bytes (mean, max) for the share hits, room_bytes_min, conflict_share and lost_share "
            "of each trace",
            "front": "the same numbers of everything that no other trial beats",
            "trials": "how many settings were tried",
            "stopped": "why the search ended before it was done: time, trials, interrupted; null: it was done",
            "in_the_way": "where nothing is recommended, a sentence a limit: what it costs",
            "confidence": "other_seed (seed, storms, p_oom), refuted (what other storms broke a limit with), "
            "halves (the advice of each, judged on the other), advice_changes, validated (measured and "
            "predicted hit rate), unknown",
            "left_out": "what was not offered, a sentence each",
        },
    ),
    "curve": Document(
        "tmemlab curve",
        {
            "trace": "what was measured",
            "config": "unit and sample",
            "points": "pool_bytes, hit_rate and its standard error at each size",
        },
    ),
    "validate": Document(
        "tmemlab validate",
        {
            "trace": "the trace's path",
            "policy": "name and params of the policy that stands for the host's settings",
            "measured": "what the kernel did: hit_rate, loads_pool, loads_disk, written_back and others",
            "predicted": "the same by the replay",
            "error": "predicted less measured",
            "agreement": "share of events put where the kernel put them",
            "confusion": "loads by the kernel's place and the replay's",
            "stores_confusion": "stores by the kernel's place and the replay's",
            "pool_error": "mean absolute error of the pool's size over time, of its mean",
            "pool_rms": "its root mean square error, of its mean",
            "worker_runs": "runs of zswap's worker that were taken from the recording",
        },
    ),
    "policies": Document("tmemlab policies list", {"policies": "name, about, default of each"}),
    "policy": Document(
        "tmemlab policies show NAME",
        {
            "name": "family.name",
            "kernels": "which kernels run it; empty: none",
            "rules": "what it does",
            "params": "name, default, unit, low, high, choices, kernel (its name there), about",
            "sources": "kernel version and function, or paper",
        },
    ),
    "family": Document(
        "tmemlab policies show FAMILY", {"name": "the family", "versions": "name, kernels, about of each"}
    ),
    "new": Document("tmemlab policies new", {"path": "the file that was written", "name": "the policy in it"}),
    "conformance": Document(
        "tmemlab policies check",
        {
            "ok": "no rule is broken",
            "complete": "every rule was exercised by all code",
            "policies": "name, ok, complete, replays, and rules: rule, about, verdict, details",
        },
    ),
    "rank": Document(
        "tmemlab policies rank",
        {
            "traces": "name, path, loads of each",
            "cases": "trace, ram_bytes, disk of each, and room_for, the share of RAM that storms lock for which "
            "regret's room is (null: not known)",
            "config": "hits (that need is for), storms (a replay), storm_fractions, seed, and resamples of the "
            "bootstrap",
            "criteria": "what each number means",
            "policies": "the best first: name, label, params; rank, the criteria and pool_bytes, each with mean, "
            "low and high over traces; cases, the numbers in each case",
        },
    ),
    "doctor": Document(
        "tmemlab doctor",
        {
            "can_record": "whether this host can record",
            "exit_code": "0, 3 or 4",
            "verdict": "the same in a sentence",
            "probe_set": "the one that recording would use",
            "findings": "name, ok, weight, detail, fix of each",
        },
    ),
    "cache": Document(
        "tmemlab cache info",
        {
            "folder": "where; null where there is none",
            "compiled_bytes": "compiled code",
            "columns_bytes": "columns of traces",
            "columns_limit_bytes": "the most that these may take",
            "traces": "how many have columns there",
        },
    ),
    "cleared": Document("tmemlab cache clear", {"folder": "where", "removed_bytes": "what went"}),
    "collect": Document(
        "tmemlab collect",
        {
            "path": "the trace",
            "duration_s": "its length",
            "probe_set": "what recorded",
            "events": "stores, loads and invalidates together",
            "stores": "swap-outs",
            "loads": "swap-ins",
            "invalidates": "pages or slots that went away",
            "dropped": "events known to be missing",
            "kernel": "how the kernel's counters moved, by vmstat name",
            "recorded": "the same from the records",
            "complete": "every store and load that the kernel counted is there",
            "bytes_per_event": "of the events files",
            "clen": "how compressed lengths were obtained",
            "identity": "events whose page is known by its slot alone",
            "recorder": "cpu_s, contents_cpu_s, seconds",
            "command_exit": "COMMAND's exit code as a shell has it; null without one",
            "command": "exit_code, signal, killed_by (memory cgroup, signal, recorder), oom_kills",
        },
    ),
    "collect-window": Document(
        "tmemlab collect",
        {
            "path": "OUT of a flight recorder, --keep",
            "seconds": "how long it recorded",
            "traces": "the traces that it made there",
            "failed": "windows of which no trace could be made",
            "without_room": "how often something happened and --max-disk left no room",
            "dropped": "events known to be missing",
        },
    ),
    "info": Document(
        "tmemlab datasets info",
        {
            "path": "the trace",
            "kind": "swap or access",
            "created": "when it was recorded",
            "kernel": "release",
            "machine": "architecture",
            "cpus": "how many",
            "ram_bytes": "RAM of the host",
            "duration_s": "length",
            "events": "rows",
            "dropped": "events known to be missing",
            "stores": "swap-outs",
            "loads": "swap-ins, or touches",
            "invalidates": "pages or slots that went away",
            "where": "events by op and place",
            "stores_per_s": "mean rate",
            "loads_per_s": "mean rate",
            "pages": "different pages",
            "samples": "rows of the samples table",
            "pressure": "rows of the pressure table",
            "bytes": "size on disk",
            "bytes_per_event": "of the events files",
            "complete": "whether the certificate closes",
            "note": "what it says",
            "window": "of a flight recorder: keep_s, after_s, until, trigger, triggered_ns; null else",
            "clen": "method, algorithm, known, mean_bytes",
            "tasks": "name and events of the busiest",
            "cgroups": "name and events of the busiest",
            "swap": "device, type (zram, partition, file), size_bytes",
            "probe_set": "what recorded",
            "anonymised": "whether names were taken out",
            "license": "of the trace",
            "provenance": "where it comes from",
        },
    ),
    "verify": Document(
        "tmemlab datasets verify",
        {"path": "the trace", "ok": "whether it is sound", "problems": "a sentence each"},
    ),
    "list": Document("tmemlab datasets list", {"traces": "name, path and the catalogue's entry of each"}),
    "stats": Document(
        "tmemlab datasets stats",
        {
            "path": "the trace",
            "events": "rows",
            "pages": "different pages",
            "interval_s": "what rates are taken over",
            "rates": "mean, p50, p99, max of each kind of event",
            "stored_pages": "pages that were stored",
            "stores_per_page": "stores of each of them",
            "never_loaded_share": "of the stored pages",
            "refault_share": "stores that are loaded again",
            "zero_share": "stores of pages of zero bytes",
            "readahead_share": "loads that nobody had asked for",
            "clen": "mean, p50, p99 of compressed lengths",
            "away_s": "how long pages stay away",
        },
    ),
    "diff": Document(
        "tmemlab datasets diff",
        {
            "a": "the first trace",
            "b": "the second",
            "interval_s": "what rates are taken over",
            "seed": "of the bootstrap",
            "rows": "name, a, b, difference, ci95, significant",
        },
    ),
    "card": Document(
        "tmemlab datasets card",
        {
            "name": "what the trace is called",
            "url": "where it will be found",
            "card": "the Markdown text; null with --croissant",
            "croissant": "the same as Croissant JSON-LD",
        },
    ),
    "slice": Document("tmemlab datasets slice", _MADE),
    "merge": Document("tmemlab datasets merge", _MADE),
    "anonymize": Document("tmemlab datasets anonymize", _MADE),
    "sample": Document("tmemlab datasets sample", _MADE),
    "synth": Document("tmemlab datasets synth", _MADE),
    "unpack": Document("tmemlab datasets unpack", _MADE),
    "pull": Document("tmemlab datasets pull", _MADE),
    "pack": Document(
        "tmemlab datasets pack",
        {"path": "the pack", "bytes": "its size", "sha256": "of it", "anonymised": "whether names were taken out"},
    ),
    "export": Document(
        "tmemlab datasets export",
        {"path": "the file", "format": "of it", "records": "in it", "bytes": "its size"},
    ),
    "import": Document(
        "tmemlab datasets import",
        {
            "path": "the trace that was written",
            "format": "what it was converted from",
            "kind": "swap or access",
            "events": "its events",
            "pages": "its pages",
        },
    ),
    "push": Document("tmemlab datasets push", {"url": "where it went", "sent_bytes": "what was not there yet"}),
    "recover": Document(
        "tmemlab datasets recover",
        {
            "path": "the trace that was made",
            "events": "its events",
            "complete": "whether the certificate closes",
            "lost": "what is known to be missing, in words",
        },
    ),
}  # fmt: skip
"""By the name in ``tmemlab.NAME/1``."""
