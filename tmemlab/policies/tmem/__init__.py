"""The transcendent-memory lineage: frontswap and its backends."""
