"""What no policy can beat, or fall below."""
