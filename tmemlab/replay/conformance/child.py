"""Compiled code in a process of its own: it looks at nothing, and nobody can interrupt it."""

import os
import pickle
import selectors
import signal
import time
import traceback
from collections.abc import Callable
from typing import TypeVar

from ...errors import TmemlabError

PATIENCE_S = 600
"""Seconds for all small replays of a policy, which take ten, and half a minute to compile."""
T = TypeVar("T")


class StillRunningError(Exception):
    """What was asked for did not end in time."""


def patience() -> int:
    """Seconds that compiled code has: twelve times what one replay in plain Python has, where that is set."""
    one = os.environ.get("TMEMLAB_CHECK_PATIENCE")
    return 12 * int(one) if one else PATIENCE_S


def in_child(work: Callable[[], T]) -> T:
    """The result of ``work``, done by a fork of this process. StillRunningError once patience is at its end."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            answer = pickle.dumps((True, work()))
        except BaseException:
            answer = pickle.dumps((False, traceback.format_exc()))
        try:
            with os.fdopen(writer, "wb") as stream:
                stream.write(answer)
        finally:
            os._exit(0)
    os.close(writer)
    try:
        text = _read_all(reader, patience())
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    if text is None:
        raise StillRunningError(f"compiled code is still running after {patience()} s")
    if not text:
        raise TmemlabError(f"the compiled replays died (status {status}): an index outside its array?")
    done, result = pickle.loads(text)  # of our own child
    if not done:
        raise TmemlabError(f"the compiled replays failed: {result.strip().splitlines()[-1]}")
    answer_of_work: T = result
    return answer_of_work


def _read_all(reader: int, seconds: float) -> bytes | None:
    """What comes until the other end closes; None where that takes longer."""
    deadline, parts = time.monotonic() + seconds, bytearray()
    with selectors.DefaultSelector() as ready:
        ready.register(reader, selectors.EVENT_READ)
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not ready.select(left):
                return None
            part = os.read(reader, 1 << 16)
            if not part:
                return bytes(parts)
            parts += part
