"""Formats of others: a file each that reads or writes one."""
