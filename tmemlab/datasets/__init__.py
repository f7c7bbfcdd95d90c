"""The trace itself: schema, writing, reading, verifying, sharing."""
