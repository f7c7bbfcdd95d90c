"""The machine, set up for an experiment and put back: a swap file, zswap's parameters, one experiment at a time.

    with swap_and_zswap({"max_pool_percent": "1"}, swap_bytes=4 << 30):
        ...

What was there before is there afterwards, also after Ctrl-C, SIGTERM or an exception. Needs root.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ZSWAP = Path("/sys/module/zswap/parameters")
SWAP_FILE = Path("/var/tmp/tmemlab-experiment.swap")
LOCK = Path("/tmp/swap.lock")
HELD = "SWAP_LOCK_HELD"
"""Set where the caller holds the lock for several runs: ``SWAP_LOCK_HELD=1 flock /tmp/swap.lock COMMAND``."""


def read_zswap() -> dict[str, str]:
    """Every parameter of zswap by its name."""
    return {file.name: file.read_text().strip() for file in sorted(ZSWAP.iterdir())}


@contextlib.contextmanager
def signals_are_exceptions() -> Iterator[None]:
    """SIGTERM and SIGHUP end like Ctrl-C, through every ``finally``; all are as before afterwards."""

    def stop(number: int, _frame: Any) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    before[signal.SIGINT] = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _let_nothing_interrupt() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def swap_and_zswap(settings: Mapping[str, str], swap_bytes: int = 4 << 30) -> Iterator[None]:
    """A swap file of its own in use and zswap on with ``settings``, alone on this machine."""
    with contextlib.ExitStack() as undo:
        undo.enter_context(signals_are_exceptions())
        if HELD not in os.environ:
            lock = undo.enter_context(LOCK.open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        before = read_zswap()
        SWAP_FILE.unlink(missing_ok=True)
        undo.callback(SWAP_FILE.unlink, missing_ok=True)
        subprocess.run(["fallocate", "-l", str(swap_bytes), SWAP_FILE], check=True)
        SWAP_FILE.chmod(0o600)
        subprocess.run(["mkswap", "-q", SWAP_FILE], check=True)
        subprocess.run(["swapon", SWAP_FILE], check=True)
        undo.callback(subprocess.run, ["swapoff", SWAP_FILE], check=True)
        for name, value in {**settings, "enabled": "Y"}.items():
            undo.callback((ZSWAP / name).write_text, before[name])
            (ZSWAP / name).write_text(value)
        undo.callback(_let_nothing_interrupt)  # the last is the first: a second Ctrl-C must not stop the undoing
        yield
