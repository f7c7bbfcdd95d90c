"""What is asked of a recording, and how it is doing."""

from dataclasses import dataclass, field

from ...errors import InvalidInputError


@dataclass(frozen=True)
class Options:
    """What to record and how."""

    duration: float | None = None
    """Seconds; None records until stopped."""
    cgroup: str | None = None
    """Record only pages charged to this memory cgroup and those below it."""
    command_name: str | None = None
    """Record only pages of processes that go by this name."""
    sample_pages: float | None = None
    """Record only this share of all pages, chosen by a hash of where they are."""
    sample_hz: float = 10.0
    ring_bytes: int = 16 << 20
    content_share: float = 0.03
    """Of one CPU, for compressing page contents; 0 samples none."""
    probe_set: str | None = None
    max_cpu: float | None = None
    """Share of one CPU to take; where that is too little, the ring overflows and drops are counted."""
    max_bytes: int | None = None
    """Stop when the spool is this large; the trace is a third of it or less."""

    def __post_init__(self) -> None:
        if self.duration is not None and not 0 < self.duration < float("inf"):
            raise InvalidInputError(f"a recording of {self.duration:g} seconds is none: give a time such as 60s")


@dataclass
class Progress:
    """How a recording is doing, for whoever watches."""

    seconds: float = 0.0
    records: int = 0
    swapped: int = 0
    dropped: int = 0
    spool_bytes: int = 0
    contents: int = 0
    sample: dict[str, int | None] = field(default_factory=dict)
