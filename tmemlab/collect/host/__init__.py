"""The host around a recording: its memory over time, and a memory cgroup for a command."""
