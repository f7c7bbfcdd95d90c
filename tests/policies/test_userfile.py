"""Policies from files of somebody's own: found, compiled once, cached wherever they lie, refused clearly."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.replay.build import columns, replay
from tmemlab import compiled
from tmemlab.errors import InvalidInputError
from tmemlab.policies.catalogue import parse_policies, parse_policy
from tmemlab.policies.registry import built_in

SOURCE = '''"""LRU, and the same again."""
from dataclasses import dataclass
from numba import njit
from tmemlab.policies.interface import ACCEPT, KEEP, REJECT, LimitedPool, Registers, Table, hook, param
from tmemlab.policies.interface import oldest, push_tail, register, unlink, write_back


class Own(Registers):
    evicted: int
    ages = Table(8)


@njit(cache=True)
def least_recent(w):
    return oldest(w, 0)


@hook
def store(w, page):
    while w.host.pool_pages >= w.p.limit:
        victim = least_recent(w)
        if victim < 0:
            return REJECT
        write_back(w, victim, False)
        w.own.evicted += 1
    push_tail(w, 0, page)
    return ACCEPT


@hook
def load(w, page):
    unlink(w, page)
    push_tail(w, 0, page)
    return KEEP


@register("FAMILY.lru")
@dataclass(frozen=True)
class Mine(LimitedPool):
    """Least recently used."""

    max_pool_pages: int = param(-1, "pool limit in pages", low=-1)
    takes_accesses = True
    own = Own
    store = store
    load = load


@register("FAMILY.again")
@dataclass(frozen=True)
class Again(Mine):
    """The same."""
'''

DERIVED = "    load = load\n\n    def derived(self, ram_pages):\n        return {'spare': 7}\n"

BROKEN = [
    ("a line that is no Python", "while w", "while w w", 20, "invalid syntax"),
    ("an import that fails", "import njit", "import njitt", 3, "ImportError"),
    ("something that raises", '"""LRU, and the same again."""', "1 / 0", 1, "ZeroDivisionError"),
    ("a field that no record has", "w.host.pool_pages", "w.host.pool_size", 20, "pool_size"),
    ("an array that a World lacks", "w.p.limit", "w.q.limit", 20, "'q' of type World"),
    ("a number that is misspelt", "w.p.limit", "w.p.limits", 20,
     "w.p has no number 'limits': it has max_pool_percent, max_pool_pages, limit"),
    ("a register that is misspelt", "w.own.evicted", "w.own.evictd", 25,
     "w.own has no register 'evictd': it has evicted, ages"),
    ("a number that is written", "w.own.evicted += 1", "w.p.limit = 1", None, "w.p.limit is for reading"),
    ("a register of a kind that is none", "evicted: int", "evicted: str", None, "neither int nor float"),
    ("a number under a parameter's name", "    load = load\n", DERIVED.replace("spare", "max_pool_pages"), None,
     "max_pool_pages is a parameter already"),
    ("a function that is not there", "victim = least_recent", "victim = lru", 18, "lru"),
    ("an argument that is missing", "push_tail(w, 0, page)\n    return ACC", "push_tail(w, page)\n    return ACC",
     26, "argument"),
    ("an answer that is no number", "return REJECT", 'return "no"', None, "int64"),
    ("what cannot be compiled", "victim = least_recent(w)", 'victim = open("x")', 21, "open"),
    ("a name of this package", "FAMILY.lru", "zswap.v6_18", 37, "zswap.v6_18: choose another"),
    ("a name without a family", "FAMILY.lru", "lru", None, "family.name"),
    ("a class that is no dataclass", '@register("FAMILY.lru")\n@dataclass(frozen=True)', '@register("FAMILY.lru")',
     None, "dataclass"),
    ("a parameter without a description", 'param(-1, "pool limit in pages", low=-1)', "0", None, "max_pool_pages"),
    ("a function that is no hook", "@hook\ndef load", "def load", None, "load is not a hook"),
    ("a policy without a store", "    store = store\n", "", None, "store is missing"),
    ("numbers that raise", "    load = load\n", DERIVED.replace("7", "ram"), 49, "NameError"),
    ("a number that is none", "    load = load\n", DERIVED.replace("7", "'7'"), None, "the number spare is '7'"),
    ("no policy", SOURCE, "x = 1\n", None, "registers no policy"),
]  # fmt: skip


def write(path: Path, family: str, source: str = SOURCE) -> Path:
    path.write_text(source.replace("FAMILY", family))
    return path


def test_a_file_of_ones_own_equals_the_policy_it_copies(tmp_path: Path) -> None:
    write(tmp_path / "mine.py", "copied")
    asked = [0, 1, 2, 3, 0, 0, 4, 1, 5, 4, 0, 2, 2, 6, 5]
    cols = columns([(1, page) for page in asked], kind="access")
    mine = replay(cols, f"{tmp_path}/mine.py::copied.lru:max_pool_pages=3")
    theirs = replay(cols, "order.lru:max_pool_pages=3")
    assert mine.found.tolist() == theirs.found.tolist()
    assert mine.name == "copied.lru"


def test_several_policies_in_a_file_are_all_taken_or_one_is_chosen(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.py", "several")
    both = parse_policies(f"{path}:max_pool_pages=7")
    assert [(p.name, p.max_pool_pages) for p in both] == [("several.lru", 7), ("several.again", 7)]  # type: ignore[attr-defined]
    assert [p.name for p in parse_policies(f"{path}::several.again")] == ["several.again"]
    with pytest.raises(InvalidInputError, match=r"several\.lru, several\.again"):
        parse_policy(str(path))
    with pytest.raises(InvalidInputError, match=r"no policy 'several\.x': it has several\.lru, several\.again"):
        parse_policies(f"{path}::several.x")
    with pytest.raises(InvalidInputError, match="has no parameter 'x'"):
        parse_policies(f"{path}:x=1")
    assert not {"several.lru", "several.again"} & set(built_in())


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.py", "changing")
    parse_policies(str(path))
    write(path, "changed")
    assert [p.name for p in parse_policies(str(path))] == ["changed.lru", "changed.again"]
    with pytest.raises(InvalidInputError, match="no policy called"):
        parse_policy("changing.lru")


def test_two_files_cannot_share_a_name(tmp_path: Path) -> None:
    parse_policies(str(write(tmp_path / "one.py", "shared")))
    with pytest.raises(InvalidInputError, match=r"two\.py:37: two policies are called shared\.lru"):
        parse_policies(str(write(tmp_path / "two.py", "shared")))
    assert [p.name for p in parse_policies(f"{tmp_path}/one.py::shared.lru")] == ["shared.lru"]


@pytest.mark.parametrize(("old", "new", "line", "word"), [b[1:] for b in BROKEN], ids=[b[0] for b in BROKEN])
def test_what_is_wrong_with_a_file_is_one_sentence_with_its_line(
    old: str, new: str, line: int | None, word: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    assert old in SOURCE
    family = "broken" + "".join(re.findall("[a-z]", request.node.callspec.id))
    path = write(tmp_path / "mine.py", family, SOURCE.replace(old, new))
    with pytest.raises(InvalidInputError) as caught:
        parse_policies(str(path))
    said = str(caught.value)
    assert said.startswith(f"{path}:{line}: " if line else str(path)), said
    assert word in said
    assert "\n" not in said


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="No such file"):
        parse_policies(f"{tmp_path}/gone.py")
    with pytest.raises(InvalidInputError, match="Is a directory"):
        (tmp_path / "folder.py").mkdir()
        parse_policies(f"{tmp_path}/folder.py")
    with pytest.raises(InvalidInputError, match=r"a policy file ends in \.py"):
        parse_policies("./mine.txt")


def test_compiled_hooks_are_found_again_by_the_next_process(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.py", "cached")
    program = (
        "from tmemlab.policies.catalogue import parse_policies\n"
        f"policy = parse_policies({str(path)!r})[0]\n"
        "print([hook.native.from_cache for hook in policy.hooks()])"
    )
    hits = [
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
        for _ in range(2)
    ]
    assert hits[0].startswith("[False, False")
    assert hits[1] == str([True] * 4)


def test_whatever_is_compiled_is_kept_where_the_user_may_write() -> None:
    """Numba refuses to load a function it is to cache when neither its folder nor the user's can be written."""
    package = Path(compiled.__file__).parents[1]
    for path in [*package.glob("collect/*.py"), *package.glob("datasets/*.py")]:
        if "@njit" in path.read_text():
            assert "import compiled" in path.read_text(), path
            assert path in compiled.shared_sources()
