"""Probe sets: one file each, a table of what it attaches to and what it cannot see."""
