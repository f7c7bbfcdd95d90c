"""What a replay reads before its first event: columns, settings, runs of the recorded worker."""
