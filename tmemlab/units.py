"""Bytes, durations and shares, in and out: the one place where text becomes a number and back.

>>> parse_size("1.5G")
1610612736
>>> parse_duration("250ms")
0.25
>>> parse_share("20%")
0.2
>>> format_bytes(1610612736)
'1.5 GiB'
"""

import math
import re

from .errors import InvalidInputError

PAGE_SIZE = 4096

_SIZE_STEPS = {"": 0, "B": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}
_DURATION_SECONDS = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "": 1.0,
    "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0,
}  # fmt: skip
_NUMBER = r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_SIZE = re.compile(_NUMBER + r"\s*([BKMGTP]?)(?:I?B)?", re.IGNORECASE)
_DURATION = re.compile(_NUMBER + r"\s*(ns|us|µs|ms|s|min|m|h|d|)")
_SHARE = re.compile(_NUMBER + r"\s*(%?)")


def parse_size(text: str) -> int:
    """Bytes from ``512M``, ``1.5GiB``, ``4096`` (powers of 1024); InvalidInputError otherwise."""
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise InvalidInputError(f"{shown(text)} is not a size: write bytes or a number with K, M, G or T: 512M")
    value: float = float(match[1]) * 1024.0 ** _SIZE_STEPS[match[2].upper()]
    return round(_finite(value, text, "a size: 8191P is the largest"))


def parse_duration(text: str) -> float:
    """Seconds from ``60s``, ``250ms``, ``5m``, ``2h``; a bare number is seconds."""
    match = _DURATION.fullmatch(text.strip())
    if not match:
        raise InvalidInputError(
            f"{shown(text)} is not a duration: write a number with ns, us, ms, s, m, h or d, such as 60s"
        )
    seconds = float(match[1]) * _DURATION_SECONDS[match[2]]
    return _finite(seconds * 1e9, text, "a duration: 106751d is the longest") / 1e9 if seconds >= 1e6 else seconds


def parse_share(text: str) -> float:
    """A fraction of one from ``20%`` or ``0.2``."""
    match = _SHARE.fullmatch(text.strip())
    if not match:
        raise InvalidInputError(f"{shown(text)} is not a share: write a percentage such as 20% or a fraction, 0.2")
    return _finite(float(match[1]) / (100 if match[2] else 1), text, "a share")


def shown(text: str) -> str:
    """Text in quotes for an error, cut where it is long."""
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


def _finite(value: float, text: str, what: str) -> float:
    """``value``, if it fits into 63 bits; InvalidInputError otherwise."""
    if not value < 2**63:
        raise InvalidInputError(f"{shown(text)} is too large for {what}")
    return value


def parse_size_or_share(text: str, whole: int) -> int:
    """Bytes from a size, or from a percentage of ``whole`` bytes."""
    if text.strip().endswith("%"):
        return round(parse_share(text) * whole)
    return parse_size(text)


def pages_within(pages: int, percent: float) -> int:
    """Whole pages in a percentage of ``pages``; a percentage that was made of whole pages gives them back."""
    return math.floor(pages * percent / 100 + 1e-6)


def format_bytes(count: float) -> str:
    """Three significant digits with a binary unit: ``241 MiB``."""
    if not math.isfinite(count):
        return "-"
    sign, value = ("-" if count < 0 else ""), abs(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 999.5 or unit == "TiB":
            break
        value /= 1024
    return f"{sign}{value:.3g} {unit}"


def format_duration(seconds: float) -> str:
    """A duration a person reads at a glance: ``35 us``, ``1.2 s``, ``3 min 20 s``."""
    if seconds >= 60:
        minutes, rest = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return "0 s" if seconds == 0 else f"{seconds / 1e-9:.3g} ns"


def format_count(count: float) -> str:
    """A count with thousands separated: ``1,234,567``."""
    return f"{round(count):,}"


def format_number(value: float | None) -> str:
    """Four significant digits, thousands separated from a thousand on; ``-`` where it is undefined."""
    return "-" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def format_share(share: float | None) -> str:
    """A share of one as a percentage with one decimal; ``-`` where it is undefined."""
    return "-" if share is None else f"{100 * share:.1f}%"
