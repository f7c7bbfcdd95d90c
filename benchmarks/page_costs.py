"""What single page operations cost on this machine: the replay's default costs come from here.

    python benchmarks/page_costs.py [--rounds 7]

Compresses and decompresses 4096-byte pieces of shared libraries with the user-space twins of the kernel's
algorithms, and locks fresh memory as the storm does (mmap with MAP_POPULATE | MAP_LOCKED). Median of the
rounds, algorithms interleaved.
"""

import argparse
import ctypes
import ctypes.util
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import lz4.block
import zstandard

PAGE = 4096
Codec = tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]


def lzo() -> Codec | None:
    """LZO1X-1 from liblzo2, the method of the kernel's lzo; None where the library is missing."""
    name = ctypes.util.find_library("lzo2")
    if not name:
        return None
    library = ctypes.CDLL(name)
    work = ctypes.create_string_buffer(64 << 10 << 1)
    out, back = ctypes.create_string_buffer(2 * PAGE), ctypes.create_string_buffer(2 * PAGE)
    length = ctypes.c_size_t()

    def compress(page: bytes) -> bytes:
        library.lzo1x_1_compress(page, ctypes.c_size_t(len(page)), out, ctypes.byref(length), work)
        return out.raw[: length.value]

    def decompress(packed: bytes) -> bytes:
        length.value = len(back)
        library.lzo1x_decompress_safe(packed, ctypes.c_size_t(len(packed)), back, ctypes.byref(length), None)
        return back.raw[: length.value]

    return compress, decompress


def codecs() -> dict[str, Codec]:
    packer, unpacker = zstandard.ZstdCompressor(level=3), zstandard.ZstdDecompressor()
    found: dict[str, Codec] = {
        "lz4": (lz4.block.compress, lz4.block.decompress),
        "zstd": (packer.compress, unpacker.decompress),
    }
    if codec := lzo():
        found["lzo"] = codec
    return found


def sample_pages(count: int = 2000) -> list[bytes]:
    """Pages of shared libraries that are not all zeros, the same number from each of the largest."""
    libraries = sorted(Path("/usr/lib/x86_64-linux-gnu").glob("*.so*"), key=lambda p: -p.stat().st_size)[:20]
    pages: list[bytes] = []
    for path in libraries:
        content = path.read_bytes()
        step = max(len(content) // PAGE // (count // len(libraries)), 1) * PAGE
        pages += [content[at : at + PAGE] for at in range(0, len(content) - PAGE, step)]
    return [page for page in pages[:count] if page.strip(b"\0")]


def lock_fresh_memory(size: int = 256 << 20) -> float:
    """Seconds a page takes to be allocated, zeroed and locked."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    private_anonymous_locked_populate = 0x02 | 0x20 | 0x2000 | 0x8000
    start = time.perf_counter()
    address = libc.mmap(None, size, 3, private_anonymous_locked_populate, -1, 0)
    elapsed = time.perf_counter() - start
    if address in (None, ctypes.c_void_p(-1).value):
        soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
        raise SystemExit(f"cannot lock {size >> 20} MiB (RLIMIT_MEMLOCK is {soft}): run as root")
    libc.munmap(address, size)
    return elapsed / (size / PAGE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    pages = sample_pages()
    times: dict[str, list[float]] = {}
    ratios: dict[str, float] = {}
    for _ in range(arguments.rounds):
        for name, (compress, decompress) in codecs().items():
            start = time.perf_counter()
            packed = [compress(page) for page in pages]
            middle = time.perf_counter()
            unpacked = [decompress(piece) for piece in packed]
            end = time.perf_counter()
            assert unpacked == pages, f"{name} did not give the pages back"
            times.setdefault(f"{name} compress", []).append((middle - start) / len(pages))
            times.setdefault(f"{name} decompress", []).append((end - middle) / len(pages))
            ratios[name] = sum(map(len, packed)) / (PAGE * len(pages))
        times.setdefault("lock a fresh page", []).append(lock_fresh_memory())
    model = next(
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    )
    print(f"machine   {model}, {os.cpu_count()} cores, Linux {platform.release()}")
    print(f"versions  lz4 {version('lz4')}, zstandard {version('zstandard')}, Python {platform.python_version()}")
    print(f"command   python {' '.join(sys.argv)}\n")
    for name, values in sorted(times.items()):
        print(f"{name:20s} {1e6 * statistics.median(values):7.2f} us a page")
    for name, ratio in sorted(ratios.items()):
        print(f"{name:20s} {ratio:7.3f} of the size")


if __name__ == "__main__":
    main()
