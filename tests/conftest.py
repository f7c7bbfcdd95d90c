"""How tests share out over processes: a file stays in one, and so does everything that makes the host swap."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tmemlab.policies.interface import REGISTRY

# A job that a shell starts in the background has SIGINT ignored, and so would have every program started here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ.setdefault("TMEMLAB_CACHE_SIZE", "512M")  # the suite makes many traces


@pytest.fixture(autouse=True)
def _no_policy_stays() -> Iterator[None]:
    """A policy file that a test loads is known to that test alone, in whatever order tests run."""
    yield
    for name, policy in [*REGISTRY.items()]:
        if policy.__module__.startswith("tmemlab_policy_"):
            del REGISTRY[name]


TOGETHER = ("live", "guest")
"""Folders whose tests change the host, or need most of it: one after the other."""


APART = ("test_conformance", "test_invariants")
"""Files of many long tests that share nothing."""


@pytest.hookimpl(tryfirst=True)  # xdist's own reads the marks and, being registered later, would come before this
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Name each test's group for ``pytest -n auto --dist loadgroup``."""
    for item in items:
        path = Path(item.path)
        group = next((folder for folder in TOGETHER if folder in path.parts), path.stem)
        if path.stem in APART:
            group = item.name
        item.add_marker(pytest.mark.xdist_group(f"{path.parent.name}/{group}"))
