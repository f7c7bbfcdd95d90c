"""A recording while it runs: the ring, the spool, the cuts of the kernel's counters, its end."""
