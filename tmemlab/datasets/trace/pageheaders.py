"""How much the pages of a Parquet column chunk unpack to, by their own headers.

Arrow believes the header of a page and makes room for what it says before it looks at the page. A footer that says
something else does not stop it, so that a few kilobytes could ask for gigabytes. This reads the headers, which are
Thrift structs in the compact protocol, and nothing of the pages.
"""

from typing import Protocol

_I32, _BINARY, _STRUCT = 5, 8, 12
_FIXED = {1: 0, 2: 0, 3: 1, 7: 8}  # booleans are in the type itself
_VARINTS = (4, 5, 6)
_UNCOMPRESSED, _COMPRESSED = 2, 3  # fields of PageHeader in parquet.thrift
_MAX_DEPTH = 8
_MAX_PAGES = 1 << 16


class _Bytes(Protocol):
    def __getitem__(self, index: int) -> int: ...

    def __len__(self) -> int: ...


def unpacked_bytes(chunk: _Bytes) -> int:
    """Bytes that all pages in ``chunk`` unpack to; ValueError where they are not pages one after the other."""
    at = total = pages = 0
    try:
        while at < len(chunk):
            uncompressed, compressed, at = _header(chunk, at)
            at += compressed
            total += uncompressed
            pages += 1
            if uncompressed < 0 or compressed < 0 or at > len(chunk) or pages > _MAX_PAGES:
                raise ValueError("its pages do not fit into the place that they have")
    except IndexError:
        raise ValueError("the header of a page goes on beyond its end") from None
    return total


def _header(data: _Bytes, at: int) -> tuple[int, int, int]:
    """Both sizes in the header at ``at``, and where it ends."""
    depth = field = 0
    found = {_UNCOMPRESSED: -1, _COMPRESSED: -1}
    while True:
        byte, at = data[at], at + 1
        if byte == 0:  # the end of a struct
            if depth == 0:
                return found[_UNCOMPRESSED], found[_COMPRESSED], at
            depth -= 1
            continue
        kind, step = byte & 15, byte >> 4
        number = 0
        if step == 0:
            number, at = _varint(data, at)
        if depth == 0:
            field = field + step if step else (number >> 1) ^ -(number & 1)
        if kind in _VARINTS:
            value, at = _varint(data, at)
            if depth == 0 and kind == _I32 and field in found:
                found[field] = (value >> 1) ^ -(value & 1)
        elif kind in _FIXED:
            at += _FIXED[kind]
        elif kind == _BINARY:
            length, at = _varint(data, at)
            at += length
        elif kind == _STRUCT and depth < _MAX_DEPTH:
            depth += 1
        else:
            raise ValueError("the header of a page has a field that no page has")


def _varint(data: _Bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("the header of a page has a number without end")
