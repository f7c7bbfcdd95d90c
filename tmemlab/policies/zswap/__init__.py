"""zswap, kernel by kernel."""
