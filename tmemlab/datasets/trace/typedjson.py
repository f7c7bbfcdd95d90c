"""JSON into dataclasses and back, strictly: every value has the declared type or the caller is told which has not.

The supported declarations are ``int`` (0 to 2**63 - 1), ``float`` (finite), ``bool``, ``str``, ``X | None``,
``list[X]``, ``dict[str, X]``, nested dataclasses and ``Any`` (any JSON value). A field with a default may be
absent. Keys that a dataclass does not declare are kept in its ``extra`` field, so that a later writer's additions
survive a round trip.
"""

import dataclasses
import functools
import json
import math
import types
import typing
from typing import Any

from ...errors import TraceError

MAX_BYTES = 4 << 20
_MAX_INT = 2**63 - 1


def parse(text: bytes, what: str) -> Any:
    """The JSON value of ``text``; TraceError where it is not strict JSON of at most 4 MiB."""
    if len(text) > MAX_BYTES:
        raise TraceError(f"{what} has {len(text)} bytes, more than {MAX_BYTES}: it is not a trace's manifest")

    def reject_constant(name: str) -> Any:
        raise ValueError(f"{name} is not JSON")

    def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a key appears twice")
        return found

    def finite(number: str) -> float:
        if not math.isfinite(float(number)):
            raise ValueError(f"{number[:40]} is too large for a number")
        return float(number)

    try:
        value = json.loads(
            text.decode("utf-8"), parse_constant=reject_constant, parse_float=finite, object_pairs_hook=unique_keys
        )
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate is no text: nothing could print it
        return value
    except UnicodeEncodeError:
        raise TraceError(
            f"{what} is not valid JSON (half of a surrogate pair): fetch or record the trace again"
        ) from None
    except (ValueError, RecursionError) as error:
        reason = "it nests too deeply" if isinstance(error, RecursionError) else str(error)
        raise TraceError(f"{what} is not valid JSON ({reason}): fetch or record the trace again") from None


def canonical(value: Any) -> bytes:
    """The one byte string that stands for a JSON value: sorted keys, no spaces, UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "surrogatepass")


def decode(kind: Any, value: Any, where: str) -> Any:
    """``value`` as an instance of ``kind``; TraceError naming ``where`` in the document it does not fit."""
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(kind, value, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        inner = next(a for a in arguments if a is not type(None))
        return None if value is None else decode(inner, value, where)
    if origin is list:
        _expect(isinstance(value, list), where, "a list", value)
        return [decode(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value)]
    if origin is dict:
        _expect(isinstance(value, dict), where, "an object", value)
        return {key: decode(arguments[1], item, f"{where}.{_printable(key)}") for key, item in value.items()}
    if kind is int:
        _expect(type(value) is int and 0 <= value <= _MAX_INT, where, "an integer from 0 to 2^63 - 1", value)
    elif kind is float:
        fits = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _MAX_INT
        _expect(fits, where, "a number", value)
    elif kind is bool:
        _expect(type(value) is bool, where, "true or false", value)
    elif kind is str:
        _expect(isinstance(value, str), where, "a string", value)
    else:  # pragma: no cover - a declaration error, not an input error
        raise TypeError(f"{kind!r} is not a supported declaration")
    return value


def encode(value: Any) -> Any:
    """The JSON value of a dataclass made by decode; ``extra`` keys return to where they were."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        plain = {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value) if f.name != "extra"}
        return {**getattr(value, "extra", {}), **plain}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        return {key: encode(item) for key, item in value.items()}
    return value


def _decode_dataclass(kind: Any, value: Any, where: str) -> Any:
    _expect(isinstance(value, dict), where, "an object", value)
    hints = _hints(kind)
    known: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        if field.name == "extra":
            continue
        path = f"{where}.{field.name}"
        if field.name in value:
            known[field.name] = decode(hints[field.name], value[field.name], path)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise TraceError(f"{path} is missing: the trace is not of format v1")
    if "extra" in hints:
        known["extra"] = {key: item for key, item in value.items() if key not in hints}
    try:
        return kind(**known)
    except ValueError as error:
        raise TraceError(f"{where}: {error}") from None


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _printable(key: str) -> str:
    return ascii(key[:80])[1:-1]


def _expect(fits: bool, where: str, wanted: str, value: Any) -> None:
    if not fits:
        # a hostile value may be huge: never more of it than a glance
        shown = type(value).__name__ if isinstance(value, (list, dict)) else f"{_short(value)}"
        raise TraceError(f"{where} must be {wanted}, not {shown}")


def _short(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _MAX_INT:
        return "a number outside that range"
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
