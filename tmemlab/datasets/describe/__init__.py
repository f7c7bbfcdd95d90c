"""What a trace is like: info, statistics, differences, its card."""
