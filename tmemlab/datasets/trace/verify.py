"""Does a trace hold what it claims? Every checksum, every rule of the format, in one bounded pass."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ...errors import TraceError
from .files import CheckedFile, TraceFile
from .manifest import Manifest, Reconciliation
from .read import Trace
from .rules import EventRules
from .schema import EVENTS, TABLES, PageKind, Pressure


def verify(path: str | Path, progress: Callable[[int, int], None] = lambda _done, _total: None) -> list[str]:
    """The problems of the trace at ``path``, one sentence each; an empty list means that it is sound.

    Never raises for a damaged trace. ``progress`` is called with the events checked and those there are. Memory is
    bounded by one byte a page and a few row groups.
    """
    path = Path(path)
    try:
        manifest = Manifest.read(path)
    except TraceError as error:
        return [str(error)]
    problems = [*_file_problems(path, manifest), *_stray_files(path, manifest)]
    problems += certificate_problems(manifest)
    if not problems:
        try:
            trace = Trace.open(path)
            trace.progress = progress
            for file in trace.files:
                file.trusts_footer = False  # every byte is looked at
            problems += _event_problems(trace)
            problems += [problem for check in (_pages, _pressure, _samples, _groups) for problem in check(trace)]
        except TraceError as error:
            problems.append(str(error))
    return problems


def certificate_problems(manifest: Manifest) -> list[str]:
    """Where the completeness certificate contradicts the events or itself."""
    certificate, events = manifest.certificate, manifest.events
    problems: list[str] = []
    parts: tuple[tuple[str, Reconciliation, int], ...] = (
        ("stores", certificate.stores, events.stores),
        ("loads", certificate.loads, events.loads),
    )
    for name, part, rows in parts:
        if part.recorded != rows:
            problems.append(f"the certificate counts {part.recorded} {name} recorded and the trace has {rows}")
        if certificate.complete and not part.exact:
            problems.append(
                f"the certificate says complete, but of {part.kernel} {name} that the kernel counted "
                f"{part.recorded} are recorded and {part.dropped} dropped"
            )
    if certificate.complete and certificate.gaps:
        problems.append(f"the certificate says complete and lists {len(certificate.gaps)} gaps")
    if certificate.stores.dropped + certificate.loads.dropped > events.dropped:
        problems.append("the certificate has more events dropped than the manifest's events.dropped")
    return problems


def _file_problems(path: Path, manifest: Manifest) -> Iterator[str]:
    for name, entry in manifest.files.items():
        table = name.removesuffix(".parquet")
        schema = EVENTS if name.startswith("events-") else TABLES.get(table)
        try:
            # of a later version's additional file this one can check nothing but the bytes
            file = CheckedFile(path / name, entry) if schema is None else TraceFile(path / name, entry, schema)
            file.check_content()
        except TraceError as error:
            yield str(error)


def _stray_files(path: Path, manifest: Manifest) -> Iterator[str]:
    for file in sorted(path.glob("*.parquet")):
        if file.name not in manifest.files:
            yield f"{file} is not listed in the manifest: it is no part of this trace; move it elsewhere"


def _event_problems(trace: Trace) -> list[str]:
    manifest = trace.manifest
    rules = EventRules(
        duration_ns=manifest.duration_ns,
        pages=trace.pages,
        cgroups=trace.rows("cgroups"),
        tasks=trace.rows("tasks"),
        access_trace=manifest.kind == "access",
        window="window" in manifest.extra and "derived" not in manifest.provenance,
    )
    for batch in trace.batches(checked=False):
        rules.feed(batch)
    problems = rules.problems()
    counts = (manifest.events.stores, manifest.events.loads, manifest.events.invalidates)
    if tuple(rules.ops.tolist()) != counts:
        found = " + ".join(str(n) for n in rules.ops)
        problems.append(
            f"the manifest counts {counts[0]} + {counts[1]} + {counts[2]} events by op, the files {found}"
        )
    if rules.pages_seen != trace.pages and not problems:
        problems.append(f"pages has {trace.pages} rows, but {rules.pages_seen} page ids appear in events")
    return problems


def _pages(trace: Trace) -> Iterator[str]:
    for batch in trace.table_batches("pages", "kind"):
        if int(batch["kind"].max(initial=0)) > max(PageKind):
            yield "pages.kind has a value that is not a code of the schema"
            return


def _pressure(trace: Trace) -> Iterator[str]:
    last = 0
    limits = {"kind": max(Pressure) + 1, "cgroup": trace.rows("cgroups"), "task": trace.rows("tasks")}
    found: set[str] = set()
    for batch in trace.table_batches("pressure", "t", *limits):
        found |= {f"pressure.t {problem}" for problem in _time_problems(batch["t"], last, trace)}
        found |= {f"pressure.{n} names no row" for n, limit in limits.items() if int(batch[n].max()) >= limit}
        last = int(batch["t"][-1])
    yield from sorted(found)


def _samples(trace: Trace) -> Iterator[str]:
    last = 0
    found: set[str] = set()
    for batch in trace.table_batches("samples", "t"):
        found |= {f"samples.t {problem}" for problem in _time_problems(batch["t"], last, trace)}
        last = int(batch["t"][-1])
    yield from sorted(found)


def _groups(trace: Trace) -> Iterator[str]:
    cgroups = trace.column("tasks", "cgroup")
    if int(cgroups.max(initial=0)) >= max(1, trace.rows("cgroups")):
        yield "tasks.cgroup names no row of cgroups"


def _time_problems(t: np.ndarray, last: int, trace: Trace) -> Iterator[str]:
    if int(t[0]) < last or bool((t[1:] < t[:-1]).any()):
        yield "goes back in time"
    if int(t.min()) < 0 or int(t.max()) > trace.manifest.duration_ns:
        yield "lies outside the trace's duration"
