"""A scale model of a trace: a random share of its pages, with everything that happens to them.

Pages are chosen by a hash of where they are, so that a page is in for the whole trace or not at all
(Waldspurger et al., Efficient MRC construction with SHARDS, FAST 2015). RAM and the samples shrink by the same
share: a replay of the model meets the same ratio of memory to demand.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ...errors import InvalidInputError
from ..trace.manifest import Manifest
from ..trace.read import Trace
from ..trace.schema import SAMPLES
from .derive import DerivedWriter

_AS_THEY_ARE = {"t", "psi_some_us", "psi_full_us", "zswap_limit_hit"}


def sample(trace: Trace, out: Path, *, share: float, block: int = 1, seed: int = 0) -> Manifest:
    """Write the events of about a ``share`` (0 to 1) of the pages of ``trace`` to ``out``.

    Aligned runs of ``block`` pages of an address space are chosen together, so that neighbours, and what readahead
    makes of them, survive. The same ``seed`` chooses the same pages.
    """
    if not 0 < share <= 1 or block < 1:
        raise InvalidInputError("a sample takes a share above 0 and up to 1, in blocks of at least one page")
    chosen = _chosen(trace, share, block, seed)
    with DerivedWriter(trace, out) as writer:
        for batch in trace.batches():
            writer.write(batch, chosen[batch["page"]])
        step = {"by": "sample", "share": share, "block": block, "seed": seed}
        ram = max(1, round(trace.manifest.ram_bytes * share))
        return writer.close(step, {"samples": scaled_samples(trace.table("samples"), share)}, ram_bytes=ram)


def _chosen(trace: Trace, share: float, block: int, seed: int) -> np.ndarray:
    """For every page id: whether its block is in the sample."""
    chosen = np.empty(trace.pages, bool)
    limit = np.uint64(min(round(share * 2**64), 2**64 - 1))
    at = 0
    for batch in trace.table_batches("pages", "space", "vpn"):
        mixed = batch["vpn"] // np.uint64(block) + (batch["space"].astype(np.uint64) << np.uint64(40))
        mixed ^= np.uint64(seed * 0xD6E8FEB86659FD93 % 2**64)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):  # SplitMix64
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        mixed ^= mixed >> np.uint64(31)
        chosen[at : at + len(mixed)] = mixed <= limit if share == 1 else mixed < limit
        at += len(mixed)
    return chosen


def scaled_samples(samples: pa.Table, share: float) -> pa.Table:
    """Bytes and counted pages times ``share``; times and stalls as they are."""
    for i, field in enumerate(SAMPLES):
        if field.name not in _AS_THEY_ARE:
            scaled = pc.cast(pc.round(pc.multiply(samples[field.name].cast(pa.float64()), share)), pa.int64())
            samples = samples.set_column(i, field, scaled)
    return samples
