"""Whether a change moved a number: the JSON of everything measured, before and after.

Write the numbers of one checkout, then compare another checkout with them:

    python tools/same_numbers.py write BEFORE --tmemlab OLD/.venv/bin/tmemlab
    python tools/same_numbers.py compare BEFORE --tmemlab .venv/bin/tmemlab

What is run: the default replay, every policy on every bundled trace with 20 storms, ``curve``, ``validate``, and
``datasets info`` and ``stats``. What says how fast it went is left out, and so are the paths of the two checkouts.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

TRACES = ("redis-frontswap", "redis-zswap", "sqlite-limit", "sqlite-shrinker")
SPEED = {"events_per_s", "elapsed_s", "path"}
"""Keys that differ from run to run, or from checkout to checkout."""


def commands(policies: list[str]) -> dict[str, list[str]]:
    """Each document's name, and the command that prints it."""
    chosen = [word for name in policies for word in ("-p", name)]
    every = {"replay-default": ["replay", "--ram", "12G"]}
    for trace in TRACES:
        every[f"replay-{trace}"] = ["replay", trace, "--storms", "20", *chosen]
        every[f"curve-{trace}"] = ["curve", trace]
        every[f"validate-{trace}"] = ["validate", trace]
        every[f"info-{trace}"] = ["datasets", "info", trace]
        every[f"stats-{trace}"] = ["datasets", "stats", trace]
    return every


def without_speed(document: Any) -> Any:
    """The document without what may differ."""
    if isinstance(document, dict):
        kept = {key: without_speed(value) for key, value in document.items() if key not in SPEED}
        if isinstance(kept.get("trace"), str):  # a path of this checkout
            kept["trace"] = Path(kept["trace"]).name
        return kept
    return [without_speed(value) for value in document] if isinstance(document, list) else document


def output(tmemlab: str, arguments: list[str]) -> Any:
    """What one command prints as JSON."""
    with tempfile.TemporaryFile() as out:
        forms = (["--json", "-"], ["--json"])  # before the options had one form, some commands took no file
        for form in forms:
            out.seek(0)
            out.truncate()
            done = subprocess.run([tmemlab, *arguments, *form], stdout=out, stderr=subprocess.PIPE, text=True)
            if done.returncode == 0:
                out.seek(0)
                return without_speed(json.loads(out.read()))
    sys.exit(f"{' '.join(arguments)}: {done.stderr.strip()}")


def differences(before: Any, after: Any, where: str = "") -> list[str]:
    """Every place in which two documents differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted(before.keys() | after.keys())
        return [line for k in keys for line in differences(before.get(k), after.get(k), f"{where}.{k}")]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        return [line for i, (b, a) in pairs for line in differences(b, a, f"{where}[{i}]")]
    return [] if before == after else [f"{where}: {str(before)[:60]} -> {str(after)[:60]}"]


def main() -> None:
    """Write the numbers or compare with them; exit 1 where any moved."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("write", "compare"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tmemlab", default=".venv/bin/tmemlab", help="the program to run")
    parser.add_argument("--only", default="", help="documents whose name holds this")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    listed = output(arguments.tmemlab, ["policies", "list"])
    names = [policy["name"] for policy in listed["policies"]]
    moved = 0
    for name, command in commands(names).items():
        if arguments.only not in name:
            continue
        file = arguments.folder / f"{name}.json"
        document = output(arguments.tmemlab, command)
        if arguments.what == "write":
            file.write_text(json.dumps(document, indent=1))
            print(f"{name}: written")
            continue
        lines = differences(json.loads(file.read_text()), document)
        moved += bool(lines)
        print(f"{name}: {'the same' if not lines else f'{len(lines)} differences'}")
        print("".join(f"    {line}\n" for line in lines[:20]), end="", flush=True)
    sys.exit(1 if moved else 0)


if __name__ == "__main__":
    main()
