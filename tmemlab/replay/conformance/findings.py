"""What the suite finds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One rule, and what broke it or why nothing can be said."""

    rule: str
    detail: str
