"""User-space twins of the kernel's page compressors: how long a page becomes, never what is in it.

>>> twin = find_twin("lz4")
>>> twin.length(bytes(4096))
0
"""

import ctypes
import ctypes.util
from collections.abc import Callable
from dataclasses import dataclass

PAGE = 4096


@dataclass(frozen=True)
class Twin:
    """``compress`` gives how many bytes a page becomes; ``exact`` says whether it is the kernel's method."""

    kernel_name: str
    library: str
    exact: bool
    compress: Callable[[bytes], int]

    def length(self, page: bytes) -> int:
        """Compressed length in bytes: 0 for a page of one repeated machine word, at most the page's own size."""
        if page[8:] == page[:-8]:
            return 0
        return min(self.compress(page), PAGE)

    @property
    def note(self) -> str:
        """One sentence for the manifest."""
        if self.exact:
            return f"{self.kernel_name} by {self.library}, the same method as the kernel's"
        return f"{self.kernel_name} approximated by {self.library}"


def _lz4(kernel_name: str, exact: bool) -> Twin:
    import lz4.block

    if kernel_name == "lz4hc":
        # crypto/lz4hc.c: LZ4HC_DEFAULT_CLEVEL
        return Twin(
            kernel_name, "lz4 (high compression, level 9)", True,
            lambda page: len(lz4.block.compress(page, mode="high_compression", compression=9, store_size=False)),
        )  # fmt: skip
    return Twin(kernel_name, "lz4", exact, lambda page: len(lz4.block.compress(page, store_size=False)))


def _zstd(kernel_name: str) -> Twin:
    import zstandard

    # crypto/zstd.c: level 3, a frame with the content size and no checksum
    compressor = zstandard.ZstdCompressor(level=3, write_checksum=False, write_content_size=True)
    return Twin(kernel_name, "zstandard (level 3)", True, lambda page: len(compressor.compress(page)))


def _deflate(kernel_name: str) -> Twin:
    import zlib

    def length(page: bytes) -> int:
        # crypto/deflate.c: raw stream, window of 2^11, memory level 8
        stream = zlib.compressobj(zlib.Z_DEFAULT_COMPRESSION, zlib.DEFLATED, -11, 8)
        return len(stream.compress(page)) + len(stream.flush())

    return Twin(kernel_name, "zlib (window 11)", True, length)


def _lzo(kernel_name: str) -> Twin | None:
    """liblzo2's LZO1X-1, which the kernel's lzo is a port of; lzo-rle codes runs of zeros shorter."""
    name = ctypes.util.find_library("lzo2") or "liblzo2.so.2"
    try:
        function = ctypes.CDLL(name).lzo1x_1_compress
    except (OSError, AttributeError):
        return None
    work = ctypes.create_string_buffer(16384 * ctypes.sizeof(ctypes.c_void_p))
    out = ctypes.create_string_buffer(PAGE + PAGE // 16 + 64 + 3)
    written = ctypes.c_size_t()
    function.argtypes = [
        ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.POINTER(ctypes.c_size_t), ctypes.c_void_p,
    ]  # fmt: skip
    reference = ctypes.byref(written)

    def length(page: bytes) -> int:
        function(page, len(page), out, reference, work)
        return int(written.value)

    return Twin(kernel_name, "liblzo2 (LZO1X-1)", kernel_name == "lzo", length)


def find_twin(kernel_name: str | None) -> Twin:
    """The twin of a kernel compressor by its crypto name; lz4 stands in where there is none, and says so."""
    if kernel_name in ("lz4", "lz4hc"):
        return _lz4(kernel_name, True)
    if kernel_name == "zstd":
        return _zstd(kernel_name)
    if kernel_name == "deflate":
        return _deflate(kernel_name)
    if kernel_name in ("lzo", "lzo-rle"):
        twin = _lzo(kernel_name)
        if twin is not None:
            return twin
    return _lz4(kernel_name or "lz4", kernel_name is None)
