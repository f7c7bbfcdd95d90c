"""The trace itself: its schema, how it is read, written and verified."""
