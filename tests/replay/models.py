"""Brute force: the same rules in a few lines of plain Python, for comparison event by event."""

from collections import OrderedDict

from .build import I, L


def cache(requests: list[int], capacity: int, order: str) -> list[bool]:
    """Hits of a plain cache of ``capacity`` pages: "lru", "fifo" or "belady" (which must take what it misses)."""
    held: OrderedDict[int, None] = OrderedDict()
    hits = []
    for at, page in enumerate(requests):
        hits.append(page in held)
        if page in held:
            if order == "lru":
                held.move_to_end(page)
            continue
        if len(held) == capacity:
            if order == "belady":
                rest = requests[at + 1 :]
                victim = max(held, key=lambda p: rest.index(p) if p in rest else len(rest))
                del held[victim]
            else:
                held.popitem(last=False)
        held[page] = None
    return hits


def pool(events: list[tuple[int, int]], capacity: int, order: str) -> list[str]:
    """Where each store went and each load was served: a pool of ``capacity`` uncompressed pages.

    lru and fifo keep what is loaded; belady loads are exclusive and it may refuse a store.
    """
    held: OrderedDict[int, None] = OrderedDict()

    def upcoming(page: int, at: int) -> float:
        for later in range(at + 1, len(events)):
            if events[later][1] == page:
                return later if events[later][0] == L else float("inf")
        return float("inf")

    places = []
    for at, (op, page) in enumerate(events):
        if op == L:
            places.append("pool" if page in held else "disk")
            if page in held and order == "lru":
                held.move_to_end(page)
            if page in held and order == "belady":
                del held[page]
        elif op == I:
            places.append("pool" if page in held else "gone")
            held.pop(page, None)
        else:
            held.pop(page, None)
            take = True
            if order == "belady":
                mine = upcoming(page, at)
                take = mine != float("inf")
                if take and len(held) == capacity:
                    victim = max(held, key=lambda p: upcoming(p, at))
                    take = upcoming(victim, at) > mine
                    if take:
                        del held[victim]
            elif len(held) == capacity:
                held.popitem(last=False)
            if take:
                held[page] = None
            places.append("pool" if take else "disk")
    return places
