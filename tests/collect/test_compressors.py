"""Twins of the kernel's compressors: lengths that can be checked without a kernel."""

import ctypes
import os
import zlib

import lz4.block
import pytest
import zstandard

from tmemlab.collect.kernel.compressors import PAGE, find_twin

TEXT = (b"the quick brown fox jumps over the lazy dog %d " * 100)[:PAGE]
NOISE = os.urandom(PAGE)
HALF = bytes(range(256)) * (PAGE // 512) + NOISE[: PAGE // 2]
ALL = ["lzo", "lzo-rle", "lz4", "lz4hc", "zstd", "deflate"]


@pytest.mark.parametrize("name", ALL)
def test_a_page_of_one_repeated_word_has_length_0(name: str) -> None:
    twin = find_twin(name)
    assert twin.length(bytes(PAGE)) == 0
    assert twin.length(b"12345678" * (PAGE // 8)) == 0
    assert twin.length(b"1234567" * (PAGE // 7) + b"1") > 0


@pytest.mark.parametrize("name", ALL)
def test_noise_takes_a_page_and_text_less(name: str) -> None:
    twin = find_twin(name)
    assert twin.length(NOISE) == PAGE
    assert PAGE * 0.45 < twin.length(HALF) < PAGE * 0.75
    assert 0 < twin.length(TEXT) < PAGE // 4


def test_lengths_are_those_of_data_that_comes_back() -> None:
    packed = lz4.block.compress(TEXT, store_size=False)
    assert lz4.block.decompress(packed, uncompressed_size=PAGE) == TEXT
    assert find_twin("lz4").length(TEXT) == len(packed)
    frame = zstandard.ZstdCompressor(level=3).compress(TEXT)
    assert zstandard.ZstdDecompressor().decompress(frame) == TEXT
    assert find_twin("zstd").length(TEXT) == len(frame)
    stream = zlib.compressobj(-1, zlib.DEFLATED, -11, 8)
    raw = stream.compress(TEXT) + stream.flush()
    assert zlib.decompress(raw, -11) == TEXT
    assert find_twin("deflate").length(TEXT) == len(raw)


def test_what_has_no_twin_is_approximated_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = find_twin("842")
    assert not odd.exact
    assert "approximated" in odd.note
    assert odd.length(TEXT) == find_twin("lz4").length(TEXT)

    def no_library(*_: object) -> None:
        raise OSError("no such library")

    monkeypatch.setattr(ctypes, "CDLL", no_library)
    lzo = find_twin("lzo")
    assert not lzo.exact
    assert lzo.note == "lzo approximated by lz4"
    assert not find_twin("lzo-rle").exact
