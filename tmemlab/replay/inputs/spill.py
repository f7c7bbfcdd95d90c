"""Columns of a trace that memory does not hold: in a file, which the kernel reads and drops as the replay goes.

A replay reads its columns from the first event to the last, so a mapped file costs one sequential read a policy
and no memory that others need. The state of the pages is what has to fit.
"""

import mmap
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...cache import private_folder, root
from ...datasets.trace.read import Trace
from ...datasets.trace.schema import EVENTS
from ...errors import TmemlabError
from ...units import format_bytes

LIMIT_VARIABLE = "TMEMLAB_COLUMNS_MEMORY"
"""Bytes of columns that may be held in memory; by default six tenths of what is available."""


def memory_for_columns() -> int:
    """Bytes that the columns of a trace may take."""
    wanted = os.environ.get(LIMIT_VARIABLE)
    if wanted and wanted.isdigit():
        return int(wanted)
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024 * 6 // 10
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 6 // 10


def read_columns(trace: Trace, *names: str) -> dict[str, npt.NDArray[Any]]:
    """As Trace.events, in memory where there is room and otherwise in a file of the cache folder.

    The file has no name and goes with the arrays. Raises TmemlabError where the disk has no room for it.
    """
    kinds = {name: np.dtype(EVENTS.field(name).type.to_pandas_dtype()) for name in names}
    size = sum(kind.itemsize for kind in kinds.values()) * len(trace)
    if size <= memory_for_columns():
        return trace.events(*names)
    folder = root() or private_folder()
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, size + 64 * len(names))
            mapped = mmap.mmap(file.fileno(), 0)
    except OSError as error:
        raise TmemlabError(
            f"{trace.path} has {format_bytes(size)} of columns, more than memory holds, and {folder} takes no "
            f"file of that size ({os.strerror(error.errno or 0)}): set TMEMLAB_CACHE, or slice the trace"
        ) from None
    columns, offset = {}, 0
    for name, kind in kinds.items():
        columns[name] = np.frombuffer(mapped, kind, len(trace), offset)
        offset += -(-len(trace) * kind.itemsize // 64) * 64
    at = 0
    for batch in trace.batches(*names):
        rows = len(batch[names[0]])
        for name, column in columns.items():
            column[at : at + rows] = batch[name]
        at += rows
    return columns
