"""The scores, a file an idea: see declare.py."""
