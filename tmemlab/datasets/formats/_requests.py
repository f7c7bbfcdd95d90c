"""Which events of a trace are the requests of a plain cache trace."""

import numpy as np

from ...errors import InvalidInputError
from ..trace.read import Trace
from ..trace.schema import Op

REQUESTS = {"all": (Op.STORE, Op.LOAD), "loads": (Op.LOAD,), "stores": (Op.STORE,)}
"""Choices by name. An invalidate is never a request."""


def wanted_ops(requests: str) -> np.ndarray:
    """A boolean for every possible op code: whether it is a request."""
    if requests not in REQUESTS:
        raise InvalidInputError(f"{requests!r} is not a choice of requests: use {', '.join(REQUESTS)}")
    wanted = np.zeros(256, bool)
    wanted[list(REQUESTS[requests])] = True
    return wanted


def count_requests(trace: Trace, requests: str) -> int:
    """How many events of ``trace`` are requests."""
    wanted = wanted_ops(requests)
    counts = trace.manifest.events
    return int(wanted[Op.STORE]) * counts.stores + int(wanted[Op.LOAD]) * counts.loads
