"""What is read from the running kernel: its types, its symbols, its compressors; bcc to load programs."""
