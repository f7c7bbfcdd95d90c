"""What a replay says of a policy: its row, its storms, the price of its calls, thresholds."""
