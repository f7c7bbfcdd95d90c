"""What the tests compare with: /proc/vmstat, read by nothing of the package."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

NAMES = ("pswpin", "pswpout", "zswpin", "zswpout", "zswpwb", "swpin_zero", "swpout_zero")
TMEMLAB = [sys.executable, "-c", "from tmemlab.cli import main; main()"]


def vmstat() -> dict[str, int]:
    rows = dict(line.split() for line in Path("/proc/vmstat").read_text().splitlines())
    return {name: int(rows[name]) for name in NAMES if name in rows}


def difference(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {name: after[name] - before[name] for name in before}


def collect(out: Path, *arguments: str | Path, check: bool = True) -> tuple[dict[str, Any], dict[str, int]]:
    """The JSON document of a recording, and how vmstat moved while it ran."""
    before = vmstat()
    document = out.with_suffix(".json")
    run = subprocess.run(
        [*TMEMLAB, "collect", out, "--json", document, *arguments], capture_output=True, text=True, timeout=600
    )
    after = vmstat()
    assert not check or run.returncode == 0, run.stderr
    return json.loads(document.read_text()), difference(before, after)


def stores_in(counts: dict[str, int]) -> int:
    return counts["zswpout"] + counts["pswpout"] + counts["swpout_zero"] - counts["zswpwb"]


def loads_in(counts: dict[str, int]) -> int:
    return counts["zswpin"] + counts["pswpin"] + counts["swpin_zero"]
