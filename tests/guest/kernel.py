"""Debian's own kernels, fetched by apt and made bootable: nothing of them is installed on the host.

A kernel becomes a folder of the cache with ``vmlinuz``, ``initramfs`` and ``tree``, whose ``usr/lib/modules`` a
guest lays over the host's root filesystem.
"""

import lzma
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(os.environ.get("TMEMLAB_GUEST_CACHE", "/var/tmp/tmemlab-guest"))

PATTERNS = {"6.1": r"linux-image-6\.1\.0-[0-9]+-amd64", "6.12": r"linux-image-6\.12\.[0-9]+\+deb12-amd64"}
"""Generic kernels of Debian 12 and its updates: the cloud ones have neither zswap nor 9p."""

BOOT_MODULES = ("virtio_pci", "virtio_blk", "9pnet_virtio", "9p", "overlay")

_NEWC = "070701{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}"

INIT = """#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc none /proc; $b mount -t sysfs none /sys; $b mount -t devtmpfs none /dev
for m in $($b cat /modules/order); do $b insmod /modules/$m; done
o=trans=virtio,version=9p2000.L,cache=loose,msize=524288
$b mount -t 9p -o $o,ro root /lower
$b mount -t 9p -o $o,ro modules /modules-tree
$b mount -t tmpfs none /upper; $b mkdir /upper/u /upper/w
$b mount -t overlay -o lowerdir=/modules-tree:/lower,upperdir=/upper/u,workdir=/upper/w none /new
$b mount -t tmpfs none /new/tmp; $b mount -t tmpfs none /new/run; $b mount -t tmpfs none /new/var/tmp
$b mkdir -p /new/run/share
$b mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288 share /new/run/share
for d in proc sys dev; do $b umount -l /$d; done
exec $b switch_root /new /bin/sh /run/share/boot.sh </dev/console >/dev/console 2>&1
"""


@dataclass(frozen=True)
class GuestKernel:
    """A kernel ready to boot."""

    release: str
    image: Path
    initramfs: Path
    tree: Path


def lacking() -> str:
    """What the host lacks to boot guests, as a sentence; empty where it lacks nothing."""
    tools = {"qemu-system-x86_64": "qemu-system-x86", "dpkg-deb": "dpkg", "apt-get": "apt", "depmod": "kmod"}
    missing = [package for tool, package in tools.items() if shutil.which(tool) is None]
    if not Path("/bin/busybox").exists():
        missing.append("busybox-static")
    if missing:
        return f"no guest can be booted: apt-get install {' '.join(missing)}"
    return "" if os.geteuid() == 0 else "no guest can be booted: reading the host's root filesystem needs root"


def prepare(version: str) -> GuestKernel:
    """Debian's newest kernel of a version of PATTERNS, downloaded and unpacked unless the cache has it."""
    package = newest_package(version)
    release = package.removeprefix("linux-image-")
    folder = CACHE / release
    kernel = GuestKernel(release, folder / "vmlinuz", folder / "initramfs", folder / "tree")
    if not kernel.initramfs.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-qq", package], cwd=folder, check=True)
        archive = next(folder.glob("*.deb"))
        shutil.rmtree(kernel.tree, ignore_errors=True)
        subprocess.run(["dpkg-deb", "-x", archive, kernel.tree], check=True)
        archive.unlink()
        shutil.copyfile(kernel.tree / f"boot/vmlinuz-{release}", kernel.image)
        # A real /lib would hide the host's, which is a link.
        (kernel.tree / "usr/lib").mkdir(parents=True, exist_ok=True)
        (kernel.tree / "lib/modules").rename(kernel.tree / "usr/lib/modules")
        for unwanted in ("lib", "boot", "usr/share"):
            shutil.rmtree(kernel.tree / unwanted, ignore_errors=True)
        (kernel.tree / "lib").symlink_to("usr/lib")
        subprocess.run(["depmod", "-b", kernel.tree, release], check=True)
        (kernel.tree / "lib").unlink()
        kernel.initramfs.write_bytes(initramfs(kernel.tree / "usr/lib/modules" / release))
    return kernel


def newest_package(version: str) -> str:
    """The package's name; an already unpacked kernel of that version saves asking the archive."""
    cached = [f"linux-image-{path.parent.name}" for path in CACHE.glob("*/initramfs")]
    listed = [name for name in cached if re.fullmatch(PATTERNS[version], name)]
    if not listed:
        found = subprocess.run(
            ["apt-cache", "search", "--names-only", f"^{PATTERNS[version]}$"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        listed = [line.split()[0] for line in found.stdout.splitlines()]
    if not listed:
        raise LookupError(f"apt knows no {PATTERNS[version]}: run apt-get update")
    return max(listed, key=lambda name: [int(number) for number in re.findall(r"\d+", name)])


def initramfs(modules: Path) -> bytes:
    """A cpio archive with a static busybox, the modules of BOOT_MODULES in loading order, and INIT."""
    files: dict[str, tuple[int, bytes]] = {
        "init": (0o100755, INIT.encode()),
        "bin/busybox": (0o100755, Path("/bin/busybox").read_bytes()),
    }
    order = []
    for path in module_order(modules):
        content = path.read_bytes()
        name = path.name.removesuffix(".xz")
        files[f"modules/{name}"] = (0o100644, lzma.decompress(content) if path.suffix == ".xz" else content)
        order.append(name)
    files["modules/order"] = (0o100644, "\n".join(order).encode())
    folders = ["bin", "modules", "proc", "sys", "dev", "lower", "modules-tree", "upper", "new"]
    entries = [(name, 0o040755, b"") for name in folders] + [(n, *value) for n, value in files.items()]
    archive = b"".join(_entry(i + 1, *entry) for i, entry in enumerate(entries))
    return archive + _entry(0, "TRAILER!!!", 0, b"")


def _entry(inode: int, name: str, mode: int, content: bytes) -> bytes:
    header = _NEWC.format(inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0).encode()
    head = header + name.encode() + b"\0"
    return head + b"\0" * (-len(head) % 4) + content + b"\0" * (-len(content) % 4)


def module_order(modules: Path) -> list[Path]:
    """Files of BOOT_MODULES and what they depend on, dependencies first; those built in are left out."""
    depends: dict[str, tuple[str, list[str]]] = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        path, needs = line.split(":")
        depends[_module_name(path)] = (path, [_module_name(need) for need in needs.split()])
    order: list[str] = []

    def add(name: str) -> None:
        if name in depends and name not in order:
            for need in depends[name][1]:
                add(need)
            order.append(name)

    for name in BOOT_MODULES:
        add(name)
    return [modules / depends[name][0] for name in order]


def _module_name(path: str) -> str:
    return Path(path).name.split(".ko")[0].replace("-", "_")
