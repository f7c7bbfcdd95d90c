"""Policies in which the core VM takes every decision."""
