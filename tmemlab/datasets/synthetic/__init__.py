"""Traces made by rule: patterns of access, as touches or as swap traffic."""
