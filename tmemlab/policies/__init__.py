"""The policies: one file each, in family folders, knowing only :mod:`tmemlab.policies.interface`."""
