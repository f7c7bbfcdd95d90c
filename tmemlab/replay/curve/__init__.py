"""The hit rate of an LRU order at every size, from one pass."""
