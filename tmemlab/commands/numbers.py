"""Numbers from the command line: one type for each kind, all of which refuse what is no number or out of range.

Every refusal is a usage error of one sentence that names the option and what it takes: NaN, infinity, zero where
there must be something, a negative number, one of 400 digits.
"""

import math
import re
from typing import Any, ClassVar

import click

from ..errors import InvalidInputError
from ..units import format_bytes, format_duration, parse_duration, parse_share, parse_size, shown

LARGEST = 2**63 - 1
"""What JSON readers, Parquet and the kernel hold."""


class Number(click.ParamType):  # type: ignore[type-arg]
    """A number between ``low`` and ``high``, ``low`` itself included unless ``above``."""

    name = "number"
    what: ClassVar[str] = "a number"

    def __init__(self, low: float = 0, high: float = LARGEST, *, above: bool = False) -> None:
        self.low, self.high, self.above = low, high, above

    def parse(self, text: str) -> float:
        """The number; InvalidInputError where it is none."""
        if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", text.strip(), re.IGNORECASE):
            raise InvalidInputError(f"{shown(text)} is not {self.what}")
        value = float(text)
        if not math.isfinite(value):
            raise InvalidInputError(f"{shown(text)} is too large")
        return value

    def say(self, value: float) -> str:
        """A bound, for people."""
        return f"{value:g}"

    def range_text(self) -> str:
        """What is taken, in words."""
        low = f"more than {self.say(self.low)}" if self.above else f"at least {self.say(self.low)}"
        return low if self.high >= LARGEST else f"{low} and at most {self.say(self.high)}"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number of a text; a default that is one already stays."""
        try:
            number = self.parse(value) if isinstance(value, str) else value
        except InvalidInputError as error:
            self.fail(str(error), param, ctx)
        if number < self.low or number > self.high or (self.above and number == self.low):
            self.fail(f"{shown(str(value))} is out of range: give {self.range_text()}", param, ctx)
        return number

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str | None:
        """What stands in --help."""
        return self.name.upper()


class Count(Number):
    """A whole number."""

    name = "count"
    what = "a whole number"

    def parse(self, text: str) -> int:
        """The number; InvalidInputError where it is none."""
        if not re.fullmatch(r"[+-]?\d+", text.strip()):
            raise InvalidInputError(f"{shown(text)} is not {self.what}")
        if len(text.strip()) > 20:
            raise InvalidInputError(f"{shown(text)} is too large: {self.say(self.high)} is the most")
        return int(text)

    def say(self, value: float) -> str:
        """A bound, for people."""
        return f"{value:,.0f}"


class Size(Number):
    """Bytes, such as 512M."""

    name = "size"

    def parse(self, text: str) -> int:
        """Bytes; InvalidInputError where it is no size."""
        return parse_size(text)

    def say(self, value: float) -> str:
        """A bound, for people."""
        return format_bytes(value)


class Duration(Number):
    """Seconds, such as 60s or 250ms."""

    name = "time"

    def parse(self, text: str) -> float:
        """Seconds; InvalidInputError where it is no duration."""
        return parse_duration(text)

    def say(self, value: float) -> str:
        """A bound, for people."""
        return format_duration(value)


class Share(Number):
    """A share of one: 20%, 0.2 or 1/5."""

    name = "share"

    def __init__(self, low: float = 0, high: float = 1, *, above: bool = True) -> None:
        super().__init__(low, high, above=above)

    def parse(self, text: str) -> float:
        """A fraction of one; InvalidInputError where it is no share."""
        part, slash, whole = text.partition("/")
        if not slash:
            return parse_share(text)
        if not float(divisor := Number().parse(whole)):
            raise InvalidInputError(f"{shown(text)} is not a share: it divides by zero")
        return Number().parse(part) / divisor

    def say(self, value: float) -> str:
        """A bound, for people."""
        return f"{100 * value:g}%"


class PowerOfTwo(Size):
    """Bytes that are a power of two."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number of a text."""
        count = int(super().convert(value, param, ctx))
        if count & (count - 1):
            self.fail(f"{shown(str(value))} is not a power of two: 16M is", param, ctx)
        return count
