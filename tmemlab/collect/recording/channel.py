"""Messages between the two halves of a recorder: JSON objects over a socket, some with a descriptor.

The half that records can do nothing but count and write (see recorder.py), so what it says is data: JSON, bounded,
and never anything that is run.
"""

import contextlib
import json
import os
import select
import socket
from typing import Any

_LARGEST = 1 << 16
Message = dict[str, Any]


class ClosedError(Exception):
    """The other half is gone."""


class Channel:
    """One end. Messages keep their borders and their order."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end

    @classmethod
    def pair(cls) -> tuple["Channel", "Channel"]:
        """Both ends."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(ours), cls(theirs)

    def send(self, message: Message, descriptor: int | None = None, *, wait: bool = True) -> None:
        """Send a message, and a copy of ``descriptor``; without ``wait`` it is lost where it finds no room.

        ClosedError where nobody is there to hear it.
        """
        data = json.dumps(message).encode()
        descriptors = [] if descriptor is None else [descriptor]
        try:
            socket.send_fds(self._socket, [data], descriptors, 0 if wait else socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError as error:
            raise ClosedError(os.strerror(error.errno or 0)) from None

    def receive(self, timeout: float | None) -> tuple[Message, int | None] | None:
        """The next message and its descriptor; None after ``timeout`` seconds. None waits for ever.

        ClosedError where the other half is gone and has said all.
        """
        if not select.select([self._socket], [], [], timeout)[0]:
            return None
        try:
            data, descriptors, _, _ = socket.recv_fds(self._socket, _LARGEST, 1, socket.MSG_CMSG_CLOEXEC)
        except OSError as error:
            raise ClosedError(os.strerror(error.errno or 0)) from None
        if not data:
            raise ClosedError("closed")
        try:
            message = json.loads(data)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            for descriptor in descriptors:
                os.close(descriptor)
            raise ClosedError("no message")
        return message, (descriptors[0] if descriptors else None)

    def fileno(self) -> int:
        """For select."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close this end."""
        with contextlib.suppress(OSError):
            self._socket.close()
