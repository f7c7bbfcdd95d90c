"""A trace and policies in, scores out."""
