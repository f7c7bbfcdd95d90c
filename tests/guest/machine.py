"""One boot of one kernel under QEMU's own emulation: runs a shell script as root and powers off.

The guest's root filesystem is the host's, read-only under a tmpfs, so that Python, bcc and this package are there.
A folder is shared for scripts and results.
"""

import os
import selectors
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from .kernel import GuestKernel

COMMAND_LINE = (
    "console=ttyS0 quiet mitigations=off tsc=reliable no_timer_check random.trust_cpu=on panic=-1 nowatchdog"
)

BOOT = """
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
echo guest is up
mount -t proc none /proc; mount -t sysfs none /sys; mount -t devtmpfs none /dev
mount -t tracefs none /sys/kernel/tracing; mount -t debugfs none /sys/kernel/debug
mount -t cgroup2 none /sys/fs/cgroup; echo +memory > /sys/fs/cgroup/cgroup.subtree_control
mkdir -p /dev/shm; mount -t tmpfs none /dev/shm
ln -sf /proc/self/fd /dev/fd
ip link set lo up 2>/dev/null || ifconfig lo up 2>/dev/null
cd /run/share
bash ./job.sh > job.out 2>&1
echo $? > job.exit
sync; echo o > /proc/sysrq-trigger; sleep 60
"""

FIRST_LINE_SECONDS = 240.0


class GuestError(AssertionError):
    """A guest that did not boot or did not finish; carries the end of its console."""


@dataclass(frozen=True)
class Finished:
    """What a boot left: the script's exit code and output, and the seconds that all of it took."""

    exit_code: int
    output: str
    seconds: float


def run(
    kernel: GuestKernel,
    share: Path,
    script: str,
    *,
    disks: tuple[Path, ...] = (),
    memory_megabytes: int = 1024,
    timeout: float = 600.0,
) -> Finished:
    """Boot, run ``script`` with bash in ``share`` (/run/share inside), power off.

    ``disks`` are raw files, /dev/vda and on. GuestError when the guest does not end within ``timeout`` seconds.
    """
    share.mkdir(parents=True, exist_ok=True)
    (share / "boot.sh").write_text(BOOT)
    (share / "job.sh").write_text(script)
    (share / "job.exit").unlink(missing_ok=True)
    begin = time.monotonic()
    for _ in range(3):
        # One boot in a hundred never says anything.
        console = _boot(_command(kernel, share, disks, memory_megabytes), timeout)
        if "guest is up" in console:
            break
    output = (share / "job.out").read_text(errors="replace") if (share / "job.out").exists() else ""
    if not (share / "job.exit").exists():
        raise GuestError(f"the guest did not finish:\n{console[-4000:]}\n{output[-4000:]}")
    return Finished(int((share / "job.exit").read_text()), output, time.monotonic() - begin)


def _command(kernel: GuestKernel, share: Path, disks: tuple[Path, ...], megabytes: int) -> list[str]:
    command = [
        "qemu-system-x86_64", "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max,la57=off",
        "-M", "q35,usb=off", "-smp", "2", "-m", str(megabytes), "-nodefaults", "-no-user-config",
        "-display", "none",
        "-serial", "stdio", "-no-reboot", "-kernel", str(kernel.image), "-initrd", str(kernel.initramfs),
        "-append", COMMAND_LINE,
    ]  # fmt: skip
    exports = {"root": (Path("/"), "on"), "modules": (kernel.tree, "on"), "share": (share, "off")}
    for tag, (path, readonly) in exports.items():
        how = f"security_model=none,readonly={readonly},multidevs=remap"
        command += ["-fsdev", f"local,id={tag},path={path},{how}"]
        command += ["-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
    for number, disk in enumerate(disks):
        command += ["-drive", f"file={disk},format=raw,if=none,id=disk{number},cache=unsafe"]
        command += ["-device", f"virtio-blk-pci,drive=disk{number}"]
    return command


def _boot(command: list[str], timeout: float) -> str:
    """Everything that the console said until the machine was off, its first line overdue or its time up."""
    machine = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert machine.stdout is not None
    said = b""
    begin = time.monotonic()
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(machine.stdout, selectors.EVENT_READ)
            while True:
                elapsed = time.monotonic() - begin
                if elapsed > timeout or (b"guest is up" not in said and elapsed > FIRST_LINE_SECONDS):
                    break
                if selector.select(1.0):
                    chunk = os.read(machine.stdout.fileno(), 65536)
                    if not chunk:
                        break
                    said += chunk
    finally:
        machine.kill()
        machine.wait()
        machine.stdout.close()
    return said.decode(errors="replace")
