"""What policies act on: pages, pool, allocators, reclaim, stores, the host. Knows no policy."""
