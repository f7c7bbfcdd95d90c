"""A live kernel in, a trace out."""
