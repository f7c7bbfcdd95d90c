"""What to set: mechanisms and their settings searched over traces, and one of them recommended."""
