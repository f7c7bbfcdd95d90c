"""The house of docs/architecture.md: which room may import which. A planted import shows that each rule bites."""

import pytest

from tests.house.imports import circles, imports, sources

GROUND = {"cache", "compiled", "directories", "units", "errors", "tables", "kernels", "printing", "__init__"}
ROOMS = {
    "cli": GROUND | {"commands"},
    "commands": GROUND | {"replay", "policies", "world", "collect", "datasets"},
    "replay": GROUND | {"policies", "world", "datasets"},
    "policies": GROUND | {"world"},
    "world": GROUND | {"datasets"},
    "collect": GROUND | {"datasets"},
    "datasets": GROUND,
    "compiled": {"cache", "code_cache"},
    "cache": {"errors", "units"},
    "directories": {"errors"},
    "code_cache": set(),
    "errors": set(),
    "units": {"errors"},
    "tables": {"printing"},
    "printing": set(),
    "kernels": set(),
    "__init__": set(),
}
"""Each room, and those that its modules may import from besides their own."""

ORDER = {
    "datasets": (("derive", "describe", "synthetic", "share"), ("formats",), ("trace",)),
    "replay": (
        ("advise",), ("compare", "sweep", "validate", "report", "conformance"), ("rank",), ("size",),
        ("curve", "notes"),
        ("scores",), ("loops",), ("inputs",),
    ),
    "collect": (
        ("doctor", "recover"), ("recording",), ("matching",), ("probes",), ("host", "kernel"), ("spool",),
        ("records",),
    ),
}  # fmt: skip
"""Inside a room: floors from the roof down; a module imports from its own floor's part or from floors below."""

INTERFACE = "tmemlab.policies.interface"


def room(module: str) -> str:
    """``replay`` of tmemlab.replay.loops.open."""
    return module.split(".")[1]


def part(module: str) -> str:
    """``loops`` of tmemlab.replay.loops.open."""
    return module.split(".")[2]


def broken_rules(texts: dict[str, str]) -> list[str]:
    """A sentence for each import that goes where it may not."""
    edges = imports(texts)
    said = [f"a circle: {', '.join(group)}" for group in circles(edges)]
    for importer, imported in sorted(edges):
        arrow = f"{importer} imports {imported}"
        here, there = room(importer), room(imported)
        if here != there:
            if there not in ROOMS[here]:
                said.append(f"{arrow}: {here} knows nothing of {there}")
            elif here == "policies" and there == "world" and importer != INTERFACE:
                said.append(f"{arrow}: a policy imports the interface alone")
        elif here in ORDER and "__init__" not in (part(importer), part(imported)):
            floor = {name: number for number, names in enumerate(ORDER[here]) for name in names}
            above, below = part(importer), part(imported)
            if above not in floor or below not in floor:
                said.append(f"{arrow}: {above if above not in floor else below} is on no floor of {here}")
            elif above != below and floor[above] > floor[below]:
                said.append(f"{arrow}: upwards inside {here}")
    return said


def test_no_import_goes_upwards_or_round() -> None:
    assert broken_rules(sources()) == []


@pytest.mark.parametrize(
    ("module", "line", "complaint"),
    [
        ("tmemlab.world.mechanics", "from ..policies.interface import POOL", "world knows nothing of policies"),
        ("tmemlab.collect.records", "from ..world.records import POOL", "collect knows nothing of world"),
        ("tmemlab.world.stores", "from ..collect.records import RECORD", "world knows nothing of collect"),
        ("tmemlab.datasets.trace.read", "from ...replay import compare", "datasets knows nothing of replay"),
        (
            "tmemlab.replay.compare",
            "def f():\n    from ..commands import common",
            "replay knows nothing of commands",
        ),
        ("tmemlab.policies.zram.basic", "from ...world.mechanics import oldest", "the interface alone"),
        ("tmemlab.datasets.trace.read", "from ..share import pack", "upwards inside datasets"),
        ("tmemlab.collect.kernel.btf", "from ..recording import spool", "upwards inside collect"),
        ("tmemlab.units", "import tmemlab.replay.compare", "units knows nothing of replay"),
        ("tmemlab.errors", "from .units import PAGE_SIZE", "a circle: tmemlab.errors, tmemlab.units"),
    ],
)
def test_a_planted_import_is_found(module: str, line: str, complaint: str) -> None:
    texts = sources()
    texts[module] += f"\n{line}\n"
    said = broken_rules(texts)
    assert any(complaint in sentence and module in sentence for sentence in said), said
