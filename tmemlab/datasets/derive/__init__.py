"""Traces made from traces: slices, samples, merges, anonymous copies."""
