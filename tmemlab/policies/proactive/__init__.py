"""Policies that act on cold pages before anyone asks."""
