"""``--fail-if``: a condition on a result, for scripts and continuous integration.

>>> Threshold.parse("oom.p>0.01").exceeded_by({"oom": {"p": 0.2}})
True
"""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...errors import InvalidInputError

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip
_FORM = re.compile(r"\s*([a-z_0-9.]+)\s*(>=|<=|>|<)\s*(-?[0-9.]+(?:e-?[0-9]+)?)\s*(%?)\s*")


@dataclass(frozen=True)
class Threshold:
    """``key``, dotted as in the JSON result, compared with ``limit``."""

    text: str
    key: str
    compare: str
    limit: float

    @classmethod
    def parse(cls, text: str) -> "Threshold":
        """From ``oom.p>0.01`` or ``hit_rate<95%``; InvalidInputError otherwise."""
        match = _FORM.fullmatch(text)
        try:
            limit = float(match[3]) / (100 if match[4] else 1) if match else None
        except ValueError:
            limit = None
        if match is None or limit is None:
            raise InvalidInputError(
                f"--fail-if {text!r} is not a condition such as 'oom.p>0.01' or 'hit_rate<95%'"
            )
        return cls(text, match[1], match[2], limit)

    def exceeded_by(self, result: dict[str, Any]) -> bool:
        """Whether the condition holds. InvalidInputError: no such key, or no value under it."""
        value: Any = result
        for part in self.key.split("."):
            if not isinstance(value, dict) or part not in value:
                raise InvalidInputError(f"--fail-if {self.text!r}: the result has no number {self.key!r}")
            value = value[part]
        if value is None:
            raise InvalidInputError(
                f"--fail-if {self.text!r}: {self.key!r} has no value in this result, so nobody can tell"
            )
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidInputError(f"--fail-if {self.text!r}: {self.key!r} is not a number")
        return _OPERATORS[self.compare](value, self.limit)
