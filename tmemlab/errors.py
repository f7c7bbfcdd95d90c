"""Typed errors. Each carries the process exit code that the command line answers with.

A message is one sentence that names the thing and, after a colon or semicolon, the remedy.
"""


class TmemlabError(Exception):
    """Something failed; exit code 1."""

    exit_code = 1


class InvalidInputError(TmemlabError):
    """The caller asked for something that does not exist or does not fit together; exit code 2."""

    exit_code = 2


class CommandError(TmemlabError):
    """A command to run cannot be run; the exit code is the one that env(1) has for that."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class PrivilegeError(TmemlabError):
    """The host would allow this, but not to this user; exit code 3."""

    exit_code = 3


class KernelUnsupportedError(TmemlabError):
    """The running kernel, or its BPF front end, cannot do this; exit code 4."""

    exit_code = 4


class TraceError(TmemlabError):
    """A trace is damaged, incomplete, or not a trace; exit code 5."""

    exit_code = 5


class ThresholdExceededError(TmemlabError):
    """A threshold given with ``--fail-if`` was exceeded; exit code 6."""

    exit_code = 6
