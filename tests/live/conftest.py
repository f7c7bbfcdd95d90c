"""A host that swaps: a swap file, zswap set as a test wants it, everything put back."""

import contextlib
import fcntl
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tmemlab.collect import doctor

ZSWAP = Path("/sys/module/zswap/parameters")
SWITCHED = ("enabled", "max_pool_percent", "shrinker_enabled")
SWAP_FILE = Path("/var/tmp/tmemlab-live.swap")


@pytest.fixture(scope="session", autouse=True)
def _host_can_record() -> None:
    """Skips on a host that cannot record, saying why; in CI that is a failure."""
    code, sentence = doctor.verdict(doctor.examine())
    if code and os.environ.get("CI") == "true":
        pytest.fail(f"live tests must run in CI: {sentence}")
    if code:
        pytest.skip(sentence)


@pytest.fixture(scope="session")
def swapper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled load: see swapper.c."""
    binary = tmp_path_factory.mktemp("swapper") / "swapper"
    subprocess.run(["gcc", "-O2", "-o", binary, Path(__file__).parent / "swapper.c"], check=True)
    return binary


@pytest.fixture(scope="session")
def _swap_file(_host_can_record: None) -> Iterator[None]:
    with Path("/tmp/swap.lock").open("w") as lock:
        # another experiment on this host would change the counters that we compare with
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = {name: (ZSWAP / name).read_text().strip() for name in SWITCHED if (ZSWAP / name).exists()}
        if str(SWAP_FILE) in Path("/proc/swaps").read_text():  # a test run before this one was killed
            subprocess.run(["swapoff", SWAP_FILE], check=True)
        SWAP_FILE.unlink(missing_ok=True)
        subprocess.run(["fallocate", "-l", "3G", SWAP_FILE], check=True)
        SWAP_FILE.chmod(0o600)
        subprocess.run(["mkswap", "-q", SWAP_FILE], check=True)
        subprocess.run(["swapon", SWAP_FILE], check=True)
        try:
            yield
        finally:
            for name, value in before.items():
                with contextlib.suppress(OSError):
                    (ZSWAP / name).write_text(value)
            subprocess.run(["swapoff", SWAP_FILE], check=True)
            SWAP_FILE.unlink()


class Swap:
    """Switches zswap."""

    def pool(self, max_pool_percent: int = 20, shrinker: str = "N") -> None:
        if (ZSWAP / "shrinker_enabled").exists():  # since Linux 6.8
            (ZSWAP / "shrinker_enabled").write_text(shrinker)
        (ZSWAP / "max_pool_percent").write_text(str(max_pool_percent))
        (ZSWAP / "enabled").write_text("Y")

    def plain(self) -> None:
        (ZSWAP / "enabled").write_text("N")


@pytest.fixture
def swap(_swap_file: None) -> Iterator[Swap]:
    """Swapping to a file, zswap off until the test says otherwise."""
    control = Swap()
    control.plain()
    yield control
    control.pool()
    control.plain()


@pytest.fixture
def zram_device(_swap_file: None) -> Iterator[Callable[[str], Path]]:
    """A function that makes /dev/zram0 of a size, formatted for swap; it is reset afterwards."""
    base, device = Path("/sys/block/zram0"), Path("/dev/zram0")
    if not base.exists() or (base / "disksize").read_text().strip() != "0":
        reason = "zram0 does not exist or is in use: modprobe zram, or swapoff and reset it"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)

    def make(size: str) -> Path:
        (base / "disksize").write_text(size)
        subprocess.run(["mkswap", "-q", device], check=True)
        return device

    yield make
    (base / "reset").write_text("1")
