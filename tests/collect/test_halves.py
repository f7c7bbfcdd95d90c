"""What one half of a recorder hears of the other: data, of known shapes, or one sentence."""

import os
import socket
from typing import Any

import pytest

from tmemlab.collect.recording.channel import Channel, ClosedError
from tmemlab.collect.recording.options import Progress
from tmemlab.collect.recording.recorder import Half
from tmemlab.errors import InvalidInputError, TmemlabError

PROGRESS = {
    "seconds": 1.5, "records": 7, "swapped": 8, "dropped": 0, "spool_bytes": 9, "contents": 0,
    "sample": {"mem_free": 4096, "pool_bytes": None},
}  # fmt: skip


@pytest.fixture
def halves() -> Any:
    """The half that listens, and the other one's end."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    half = Half(os.getpid(), Channel(ours))
    half._waited = True  # there is no process behind it
    yield half, theirs
    ours.close()
    theirs.close()


def test_what_is_said_arrives(halves: Any) -> None:
    half, theirs = halves
    end = Channel(theirs)
    end.send({"say": "progress", "progress": PROGRESS})
    assert half.hear(1) == {"say": "progress", "progress": Progress(**PROGRESS)}
    end.send({"say": "window", "parts": [3, 4], "trigger": "oom", "more": "is left out"})
    assert half.hear(1) == {"say": "window", "parts": [3, 4], "trigger": "oom"}
    assert half.hear(0) == {}
    end.send({"say": "failed", "class": "InvalidInputError", "message": "no such cgroup"})
    with pytest.raises(InvalidInputError, match="no such cgroup"):
        half.hear(1)
    end.close()
    assert half.hear(1) is None


@pytest.mark.parametrize(
    "data",
    [
        b'{"say": "obey"}', b"{}", b'{"say": ["progress"]}', b'{"say": "progress"}',
        b'{"say": "progress", "progress": 3}',
        b'{"say": "window", "parts": ["../../etc/passwd"], "trigger": "oom"}', b'{"say": "dropped", "part": -1}',
        b'{"say": "window", "parts": {}, "trigger": "oom"}', b'{"say": "dropped", "part": ' + b"9" * 400 + b"}",
        b'{"say": "done", "progress": {}, "cpu_s": 1e999, "seconds": 0, "contents_cpu_s": 0}',
        b'{"say": "failed", "class": {}, "message": 1}', b'{"say": "met", "why": null}',
    ],
    ids=lambda data: data[:40].decode(),
)  # fmt: skip
def test_nothing_else_is_believed(halves: Any, data: bytes) -> None:
    """A half that was taken over ends the recording with a sentence, and nothing more."""
    half, theirs = halves
    theirs.send(data)
    with pytest.raises(TmemlabError, match="says what makes no sense"):
        half.hear(1)


@pytest.mark.parametrize(
    "data", [b"[]", b"not JSON", b"\xff\xfe", b"[" * 60000], ids=["list", "text", "bytes", "deep"]
)
def test_what_is_no_message_is_the_end(halves: Any, data: bytes) -> None:
    half, theirs = halves
    theirs.send(data)
    assert half.hear(1) is None


def test_a_descriptor_that_nobody_asked_for_is_closed(halves: Any) -> None:
    half, theirs = halves
    reading, writing = os.pipe()
    socket.send_fds(theirs, [b'{"say": "over"}'], [writing])
    os.close(writing)
    assert half.hear(1) == {"say": "over"}
    assert os.read(reading, 1) == b""  # nobody holds the other end
    os.close(reading)


def test_nobody_to_hear_is_an_error_of_its_own() -> None:
    ours, theirs = Channel.pair()
    theirs.close()
    with pytest.raises(ClosedError):
        ours.send({"do": "stop"})
