"""The file that ``tmemlab policies new`` writes: a policy that works, to be changed."""

from pathlib import Path

from ..errors import InvalidInputError
from .registry import built_in
from .userfile import NAME

_TEXT = '''"""What this policy does, in one line."""

from dataclasses import dataclass
from typing import Any

from tmemlab.policies.interface import (
    ACCEPT, KEEP, REJECT, LimitedPool, hook, oldest, param, push_tail, register, unlink, write_back,
)  # fmt: skip

@hook
def store(w: Any, page: int) -> int:
    """A page is swapped out. Over the limit the oldest ones make room, a batch at a time."""
    if w.host.pool_pages >= w.p.limit:
        w.host.limit_hits += 1
        for _ in range(w.p.batch):
            victim = oldest(w, 0)
            if victim < 0:
                return REJECT  # nothing to give up: this page goes to disk instead
            write_back(w, victim, False)
    if w.host.pool_pages >= w.p.limit:
        return REJECT
    push_tail(w, 0, page)
    return ACCEPT


@hook
def load(w: Any, page: int) -> int:
    """A page of the pool is read: it becomes the newest, and the copy stays."""
    unlink(w, page)
    push_tail(w, 0, page)
    return KEEP


@hook
def pressure(w: Any, need: int) -> int:
    """Memory is short by so many pages: the oldest of the pool go to disk. Answers how many pages that freed."""
    before = w.host.pool_pages
    while before - w.host.pool_pages < need:
        victim = oldest(w, 0)
        if victim < 0:
            break
        write_back(w, victim, False)
    return int(before - w.host.pool_pages)


@register("{name}")
@dataclass(frozen=True)
class {class_name}(LimitedPool):
    """What this policy does, in full sentences: ``tmemlab policies show`` prints them."""

    # LimitedPool has max_pool_percent and max_pool_pages; hooks read what follows from them as w.p.limit.
    batch: int = param(8, "pages written back at once when the pool is full", unit="pages", low=1, high=512)

    sources = ("where its rules come from",)
    takes_accesses = True
    store = store
    load = load
    pressure = pressure
'''


def template(name: str) -> str:
    """The text of a policy called ``name``; InvalidInputError where that cannot be a name, or is one already."""
    name = name if "." in name else f"mine.{name}"
    if not NAME.fullmatch(name):
        raise InvalidInputError(f"{name!r} is not of the form family.name, in lower case: mine.second_chance")
    if name in built_in():
        raise InvalidInputError(f"there is a policy called {name} already: choose another name")
    words = name.partition(".")[2].split("_")
    class_name = "".join(word.capitalize() for word in words)
    class_name = class_name if class_name[:1].isalpha() else f"Policy{class_name}"
    return _TEXT.replace("{name}", name).replace("{class_name}", class_name)


def write_template(name: str, path: Path | None = None) -> Path:
    """Write the template to ``path``, by default NAME.py here; InvalidInputError if there is something already."""
    text = template(name)
    path = path or Path(f"{name.rpartition('.')[2]}.py")
    try:
        with path.open("x") as file:
            file.write(text)
    except FileExistsError:
        raise InvalidInputError(f"{path} exists: choose another name, or a file with --output") from None
    except OSError as error:
        raise InvalidInputError(f"cannot write {path}: {error.strerror}") from None
    return path
