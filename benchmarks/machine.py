"""What every benchmark prints first: machine, versions, command."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def print_machine(argv: Sequence[str], *packages: str) -> None:
    """CPU, kernel, versions of tmemlab, its main libraries and ``packages``, and the command as it was given."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "?")
    found = []
    for package in ("tmemlab", "numba", "numpy", "pyarrow", *packages):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} not installed")
    print(f"machine   {model}, {os.cpu_count()} cores, Linux {platform.release()}")
    print(f"versions  {', '.join(found)}")
    print(f"command   python {' '.join(argv)}")
