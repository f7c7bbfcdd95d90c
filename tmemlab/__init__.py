"""tmemlab: record what a Linux kernel swaps, replay it through every compressed-pool policy, score each."""

__version__ = "0.1.0"
