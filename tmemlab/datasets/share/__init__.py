"""Traces that travel: packs, remote stores, the catalogue, what ships with the package."""
