"""Whether a policy keeps the rules: small cases, run as Python and compiled."""
