"""Facts of Linux that the recorder and the replay both go by, each with its source."""

ZSWAP_VISITS_A_RUN = 15
"""Entries that a run of zswap's worker looks at before it gives up where one cgroup has all of them: of
MAX_RECLAIM_RETRIES, 16, the first is the end of the hierarchy, which the run before left close [Linux 6.18
mm/zswap.c:shrink_worker]."""
MAX_RECLAIM_RETRIES = 16
"""[Linux 6.18 mm/internal.h]"""
SWAP_CLUSTER_MAX = 32
"""Pages that are reclaimed at a time [Linux 6.18 include/linux/swap.h]."""
SHRINK_BATCH = 128
"""Objects that a shrinker is asked for at a time [Linux 6.18 mm/shrinker.c]."""
DEF_PRIORITY = 12
"""Where reclaim begins: it scans a list's length shifted right by so much [Linux 6.18 include/linux/mmzone.h]."""
