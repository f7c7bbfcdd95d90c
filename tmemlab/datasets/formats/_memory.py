"""A bound on the memory that reading a stranger's file may take, kept by the kernel.

Numbers in a file are checked where they are read; this is for all that is not known beforehand: how many pages it
names, what a compressed block unpacks to.
"""

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

from ...errors import TmemlabError
from ...units import format_bytes

MAX_MEMORY = 4 << 30
"""What an import may take where nothing else is asked for; a page that is named takes about 100 bytes."""


@contextlib.contextmanager
def memory_within(limit: int | None) -> Iterator[None]:
    """Let this process take at most ``limit`` bytes more than it has; None for any. TmemlabError beyond.

    RLIMIT_DATA: since Linux 4.7 private writable mappings [mm/mmap.c: may_expand_vm].
    """
    if limit is None:
        yield
        return
    fields = Path("/proc/self/statm").read_text().split()
    has = int(fields[5]) * os.sysconf("SC_PAGE_SIZE")  # data and stack
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    known = [bound for bound in (soft, hard) if bound != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min([has + limit, *known]), hard))
    try:
        yield
    except MemoryError:
        raise TmemlabError(
            f"this takes more than {format_bytes(limit)} of memory: allow more with --max-memory, or cut the "
            "input into parts"
        ) from None
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
