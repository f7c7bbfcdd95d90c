"""Plain eviction orders, for cross-checks against published simulators."""
