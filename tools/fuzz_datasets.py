"""Throw damaged traces, archives, foreign files and policies at every reader until the time is up.

    .venv/bin/python tools/fuzz_datasets.py [--seconds 60] [--seed N] [--target NAME] [--keep-seeds]

Guided by coverage: an input that reaches a line of tmemlab which none reached before is a seed from then on, and
is kept in tests/datasets/seeds/ with --keep-seeds, where every later run begins. The lines are Python's own, by
sys.settrace; what Arrow does inside is not seen.

Every input is either read whole and sound or refused in one sentence (TmemlabError). Anything else, and any hang
or memory blow-up, is a finding: the input is kept in tests/datasets/corpus/ and tests/datasets/test_corpus.py
replays it from then on. Inputs run in child processes of limited memory, so that a crash in native code is a
finding as well.
"""

import argparse
import hashlib
import json
import os
import pickle
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import pyarrow.parquet as pq  # noqa: E402

from tests.factory import make_trace  # noqa: E402
from tmemlab.datasets.formats.registry import formats, import_trace  # noqa: E402
from tmemlab.datasets.share.pack import pack, unpack  # noqa: E402
from tmemlab.datasets.trace.read import Trace  # noqa: E402
from tmemlab.datasets.trace.verify import verify  # noqa: E402
from tmemlab.errors import TmemlabError  # noqa: E402
from tmemlab.policies.catalogue import parse_policies  # noqa: E402

CORPUS = ROOT / "tests/datasets/corpus"
SEEDS = ROOT / "tests/datasets/seeds"
LARGEST_SEED = 4096
MEMORY = 6 << 30
PATIENCE_S = 60
BATCH = 100


def read_everything(path: Path) -> None:
    """Open, read and verify the trace at ``path``."""
    verify(path)
    trace = Trace.open(path)
    events = trace.events()
    assert all(len(column) == len(trace) for column in events.values())
    assert sum(len(batch["t"]) for batch in trace.batches("t", size=1000)) == len(trace)
    for name in ("pages", "pressure", "samples", "cgroups", "tasks"):
        assert trace.table(name).num_rows == trace.rows(name)


def forge(trace: Path, name: str, data: bytes) -> None:
    """Put ``data`` in place of a file and make every checksum admit it."""
    (trace / name).write_bytes(data)
    plain = json.loads((trace / "manifest.json").read_text())
    plain.pop("sha256")
    plain["files"][name] |= {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    plain["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    (trace / "manifest.json").write_text(json.dumps(plain))


def mutate(data: bytes, rng: random.Random, other: bytes) -> bytes:
    """``data`` with a few of the usual accidents."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        if not changed:
            return bytes(rng.randbytes(rng.randrange(64)))
        at = (
            min(rng.randrange(len(changed)), rng.randrange(len(changed)))
            if rng.random() < 0.3
            else rng.randrange(len(changed))
        )
        if rng.random() < 0.3:  # ends are where footers are
            at = len(changed) - 1 - min(at, len(changed) // 8)
        kind = rng.randrange(7)
        if kind == 0:
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            changed[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif kind == 2:
            del changed[at : at + rng.randrange(1, 64)]
        elif kind == 3:
            changed[at:at] = rng.randbytes(rng.randrange(1, 16))
        elif kind == 4:
            changed[at : at + 8] = rng.choice((2**63 - 1, 2**64 - 1, 2**31, 0, 2**32)).to_bytes(8, "little")
        elif kind == 5:
            length = rng.randrange(1, 256)
            start = rng.randrange(max(1, len(other)))
            changed[at : at + length] = other[start : start + length]
        else:
            del changed[at:]
    return bytes(changed)


Target = tuple[list[bytes], Callable[[bytes, Path], None]]


def targets(place: Path, kept: bool = True) -> dict[str, Target]:
    """Seeds and the function that takes one input, by name; kept: with the seeds of earlier runs, damaged ones."""
    events = [(i * 1000, "store" if i % 3 else "load", i // 2, 100 + i) for i in range(400)]
    pressure = [(i, i % 5, 0, 0, None) for i in range(50)]
    good = make_trace(place / "good", events, pressure=pressure)
    found: dict[str, Target] = {}
    for name in ["events-00000.parquet", "samples.parquet", "tasks.parquet", "pressure.parquet"]:
        plain = place / f"plain-{name}"
        pq.write_table(pq.read_table(good / name), plain, compression="zstd", data_page_version="2.0")
        seeds = [(good / name).read_bytes(), plain.read_bytes()]

        def through_a_trace(data: bytes, scratch: Path, name: str = name) -> None:
            shutil.copytree(good, scratch / "t")
            forge(scratch / "t", name, data)
            read_everything(scratch / "t")

        found[name] = (seeds, through_a_trace)

    def manifest(data: bytes, scratch: Path) -> None:
        shutil.copytree(good, scratch / "t")
        (scratch / "t/manifest.json").write_bytes(data)
        read_everything(scratch / "t")

    def archive(data: bytes, scratch: Path) -> None:
        (scratch / "x").write_bytes(data)
        unpack(scratch / "x", scratch / "t")
        read_everything(scratch / "t")

    found["manifest"] = ([(good / "manifest.json").read_bytes()], manifest)
    pack(Trace.open(good), place / "packed")
    found["unpack"] = ([(place / "packed").read_bytes()], archive)
    golden = {path.stem: path.read_bytes() for path in (ROOT / "tests/datasets/golden").iterdir()}
    own = {
        "libcachesim": [b"".join(i.to_bytes(4, "little") + bytes(20) for i in range(40))],
        "csv": [b"t,page,op,clen\n1,5,store,7\n2,0x5,load,\n3,5,invalidate,0\n"],
        "parquet": [(good / "events-00000.parquet").read_bytes()],
        "swapreplay": [b"800 1 1200\n808 1 0\n800 0 0\n"],
    }
    prefixes = {"perf": ("perf", "trace-cmd")}
    for name in (name for name, form in formats().items() if form.importer):
        first = prefixes.get(name, name)
        seeds = own.get(name) or [data for stem, data in golden.items() if stem.startswith(first)]

        def importer(data: bytes, scratch: Path, name: str = name) -> None:
            (scratch / "x").write_bytes(data)
            import_trace(scratch / "x", scratch / "t", name)
            assert verify(scratch / "t") == []

        found[f"import-{name}"] = (seeds, importer)

    def policy(data: bytes, _: Path) -> None:
        text = data.decode("utf-8", "surrogateescape")
        if ".py" not in text:  # such a file would be run
            for chosen in parse_policies(text):
                chosen.layout()

    texts = [b"zswap.v6_18:max_pool_percent=2,shrinker=on", b"order.lru:max_pool_pages=100", b"zram:fallback=none"]
    found["policy"] = (texts, policy)
    for path in sorted(SEEDS.glob("*-*")) if kept else []:
        name = path.name.rpartition("-")[0]
        if name in found:
            found[name][0].append(path.read_bytes())
    return found


Lines = set[tuple[str, int]]
PACKAGE = str(ROOT / "tmemlab")


def reached_by(run: Callable[[], object]) -> Lines:
    """The lines of the package that a call goes through; what it raises is raised."""
    lines: Lines = set()

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        lines.add((frame.f_code.co_filename, frame.f_lineno))
        return trace

    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(None)
        REACHED.update(lines)
    return lines


REACHED: Lines = set()
"""Of the last input, also where it was refused."""


def batch(target: Target, seed: int, place: Path, current: Path, known: Lines) -> None:
    """One child's worth of inputs; the one under way is in ``current``, what reaches new lines in place/new."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    rng = random.Random(seed)
    seeds, run = target
    for number in range(BATCH):
        data = mutate(rng.choice(seeds), rng, rng.choice(seeds))
        current.write_bytes(data)
        REACHED.clear()
        with tempfile.TemporaryDirectory(dir=place) as scratch:
            try:
                reached_by(lambda: run(data, Path(scratch)))  # noqa: B023
            except TmemlabError as error:
                assert "\n" not in str(error), str(error)
        fresh = REACHED - known
        if fresh:
            known |= fresh
            (place / "new").mkdir(exist_ok=True)
            (place / "new" / f"{number}").write_bytes(pickle.dumps((data, fresh)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--target", action="append")
    parser.add_argument("--keep-seeds", action="store_true")
    options = parser.parse_args()
    findings = inputs = found = 0
    lines: dict[str, Lines] = {}
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        known = targets(place)
        chosen = {n: t for n, t in known.items() if not options.target or n in options.target}
        if not chosen:
            sys.exit(f"there is no such target: use {', '.join(known)}")
        end, seed = time.monotonic() + options.seconds, options.seed
        while time.monotonic() < end:
            for target_name, target in chosen.items():
                seed += 1
                problem = one_child(target, seed, place, lines.setdefault(target_name, set()))
                inputs += BATCH
                for data in learnt(place, lines[target_name]):
                    target[0].append(data)
                    found += 1
                    if options.keep_seeds and len(data) <= LARGEST_SEED:
                        keep(target_name, data, SEEDS)
                if problem:
                    findings += 1
                    kept = keep(target_name, (place / "current").read_bytes(), CORPUS)
                    print(f"{target_name}: {problem}; kept as {kept.relative_to(ROOT)}")
    reached = sum(map(len, lines.values()))
    print(f"{inputs} inputs, {found} reached new lines, {reached} lines in all, {findings} findings")
    print(f"the first seed was {options.seed}")
    sys.exit(1 if findings else 0)


def learnt(place: Path, lines: Lines) -> list[bytes]:
    """The inputs that reached new lines, which are added to ``lines``."""
    inputs = []
    for path in sorted(place.glob("new/*"), key=lambda path: int(path.name)):
        data, fresh = pickle.loads(path.read_bytes())
        lines |= fresh
        inputs.append(data)
        path.unlink()
    return inputs


def one_child(target: Target, seed: int, place: Path, lines: Lines) -> str:
    """What was wrong with a batch, or nothing."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        signal.setitimer(signal.ITIMER_PROF, PATIENCE_S)  # of CPU time: the machine may be busy with others
        signal.alarm(10 * PATIENCE_S)
        try:
            batch(target, seed, place, place / "current", lines)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code in (-signal.SIGPROF, -signal.SIGALRM):
        return f"a batch took more than {PATIENCE_S} s of CPU time, or ten times as long"
    return "" if code == 0 else f"killed by signal {-code}" if code < 0 else "an exception that is not ours"


def keep(target: str, data: bytes, folder: Path) -> Path:
    """Keep an input."""
    folder.mkdir(exist_ok=True)
    kept = folder / f"{target}-{hashlib.sha256(data).hexdigest()[:12]}"
    kept.write_bytes(data)
    return kept


if __name__ == "__main__":
    main()
