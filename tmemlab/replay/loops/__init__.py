"""The ways through the events, compiled: open, closed, a plain cache."""
