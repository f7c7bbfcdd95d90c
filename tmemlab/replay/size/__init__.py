"""The right size at any given time: what a pool needs, what may stay, and the band between."""
