"""What a trace that lost events still allows to be said of a hit rate.

A load that was lost may have been a hit or a miss. A store that was lost leaves its page where the replay last saw
it, which may decide one load otherwise than it was. Both are counted, so the hit rate lies in an interval; what a
lost store does to the room that other pages had is not in it.
"""

from dataclasses import dataclass
from typing import Self

from ...datasets.trace.manifest import Certificate


@dataclass(frozen=True)
class Lost:
    """Events that the recorder knows to be missing."""

    stores: int
    loads: int

    @classmethod
    def of(cls, certificate: Certificate) -> Self:
        """From a trace's certificate."""
        return cls(certificate.stores.dropped, certificate.loads.dropped)

    def interval(self, hits: int, loads: int) -> tuple[float, float] | None:
        """The least and the largest hit rate that ``hits`` of ``loads`` may stand for; None without any load."""
        total = loads + self.loads
        if not total:
            return None
        least = max(0, hits - self.stores) / total
        most = min(total, hits + self.stores + self.loads) / total
        return least, most
