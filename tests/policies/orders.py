"""Brute force: the victim orders in plain Python, one request at a time, for pages of one size."""

from collections import OrderedDict


class Clock:
    def __init__(self, capacity: int, bits: int = 1) -> None:
        self.capacity, self.top = capacity, 2**bits - 1
        self.held: OrderedDict[int, int] = OrderedDict()

    def request(self, page: int) -> bool:
        if page in self.held:
            self.held[page] = min(self.held[page] + 1, self.top)
            return True
        while len(self.held) >= self.capacity:
            oldest, uses = self.held.popitem(last=False)
            if uses:
                self.held[oldest] = uses - 1
        self.held[page] = 0
        return False

    def forget(self, page: int) -> None:
        self.held.pop(page, None)

    def __contains__(self, page: int) -> bool:
        return page in self.held


class Sieve:
    """One queue, oldest first, and a hand that walks towards the newest."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.queue: list[int] = []
        self.visited: set[int] = set()
        self.hand = 0

    def request(self, page: int) -> bool:
        if page in self.queue:
            self.visited.add(page)
            return True
        while len(self.queue) >= self.capacity:
            if self.hand >= len(self.queue):
                self.hand = 0
            seen = self.queue[self.hand]
            if seen in self.visited:
                self.visited.discard(seen)
                self.hand += 1
            else:
                self.queue.pop(self.hand)
        if self.hand >= len(self.queue):
            self.hand = 0  # it had passed the newest: the next page is not where it goes on
        self.queue.append(page)
        return False

    def forget(self, page: int) -> None:
        if page in self.queue:
            at = self.queue.index(page)
            self.queue.pop(at)
            self.hand -= at < self.hand
            self.visited.discard(page)

    def __contains__(self, page: int) -> bool:
        return page in self.queue


class S3FIFO:
    def __init__(self, capacity: int, small: float = 0.1, ghost: float = 0.9, threshold: int = 2) -> None:
        self.capacity, self.threshold = capacity, threshold
        self.small_size = int(capacity * small)
        self.main_size = capacity - self.small_size
        self.ghost_size = int(capacity * ghost)
        self.small: OrderedDict[int, int] = OrderedDict()
        self.main: OrderedDict[int, int] = OrderedDict()
        self.ghost: OrderedDict[int, None] = OrderedDict()
        self.evicted = False

    def request(self, page: int) -> bool:
        for queue in (self.small, self.main):
            if page in queue:
                queue[page] += 1
                return True
        remembered = page in self.ghost
        self.ghost.pop(page, None)
        while len(self.small) + len(self.main) >= self.capacity:
            self.evict()
        if remembered or (not self.evicted and len(self.small) >= self.small_size):
            self.main[page] = 0
        else:
            self.small[page] = 0
        return False

    def evict(self) -> None:
        self.evicted = True
        if len(self.main) > self.main_size or not self.small:
            while True:
                page, uses = self.main.popitem(last=False)
                if not uses:
                    return
                self.main[page] = min(uses, 3) - 1
        while self.small:
            page, uses = self.small.popitem(last=False)
            if uses >= self.threshold:
                self.main[page] = 0
                continue
            if self.ghost_size:
                while len(self.ghost) >= self.ghost_size:
                    self.ghost.popitem(last=False)
                self.ghost[page] = None
            return

    def forget(self, page: int) -> None:
        self.small.pop(page, None)
        self.main.pop(page, None)

    def __contains__(self, page: int) -> bool:
        return page in self.small or page in self.main


class TwoQ:
    def __init__(self, capacity: int, kin: float = 0.25, kout: float = 0.5) -> None:
        self.capacity = capacity
        self.in_size, self.out_size = int(capacity * kin), int(capacity * kout)
        self.a_in: OrderedDict[int, None] = OrderedDict()
        self.a_out: OrderedDict[int, None] = OrderedDict()
        self.main: OrderedDict[int, None] = OrderedDict()

    def request(self, page: int) -> bool:
        if page in self.a_in:
            return True
        if page in self.main:
            self.main.move_to_end(page)
            return True
        remembered = page in self.a_out
        self.a_out.pop(page, None)
        while len(self.a_in) + len(self.main) >= self.capacity:
            if len(self.a_in) > self.in_size or not self.main:
                victim, _ = self.a_in.popitem(last=False)
                if self.out_size:
                    while len(self.a_out) >= self.out_size:
                        self.a_out.popitem(last=False)
                    self.a_out[victim] = None
            else:
                self.main.popitem(last=False)
        (self.main if remembered else self.a_in)[page] = None
        return False

    def forget(self, page: int) -> None:
        self.a_in.pop(page, None)
        self.main.pop(page, None)

    def __contains__(self, page: int) -> bool:
        return page in self.a_in or page in self.main


class ARC:
    """Figure 4 of the paper: the target p for T1 moves with every hit in a ghost list."""

    def __init__(self, capacity: int) -> None:
        self.c, self.p = capacity, 0.0
        self.t1: OrderedDict[int, None] = OrderedDict()
        self.t2: OrderedDict[int, None] = OrderedDict()
        self.b1: OrderedDict[int, None] = OrderedDict()
        self.b2: OrderedDict[int, None] = OrderedDict()

    def replace(self, in_b2: bool) -> None:
        t1 = len(self.t1)
        if t1 and (t1 > self.p or (in_b2 and t1 == self.p) or not self.t2):
            page, _ = self.t1.popitem(last=False)
            self.b1[page] = None
        else:
            page, _ = self.t2.popitem(last=False)
            self.b2[page] = None

    def request(self, page: int) -> bool:
        if page in self.t1 or page in self.t2:
            self.t1.pop(page, None)
            self.t2.pop(page, None)
            self.t2[page] = None
            return True
        full = len(self.t1) + len(self.t2) >= self.c
        if page in self.b1 or page in self.b2:
            in_b2 = page in self.b2
            one, two = len(self.b1), len(self.b2)
            if in_b2:
                self.p = max(self.p - max(one / two, 1), 0)
            else:
                self.p = min(self.p + max(two / one, 1), self.c)
            (self.b2 if in_b2 else self.b1).pop(page)
            if full:
                self.replace(in_b2)
            self.t2[page] = None
            return False
        if len(self.t1) + len(self.b1) >= self.c:
            if len(self.t1) < self.c:
                self.b1.popitem(last=False)
                if full:
                    self.replace(False)
            else:
                self.t1.popitem(last=False)
        elif full:
            if len(self.t1) + len(self.t2) + len(self.b1) + len(self.b2) >= 2 * self.c and self.b2:
                self.b2.popitem(last=False)
            self.replace(False)
        self.t1[page] = None
        return False

    def forget(self, page: int) -> None:
        self.t1.pop(page, None)
        self.t2.pop(page, None)

    def __contains__(self, page: int) -> bool:
        return page in self.t1 or page in self.t2


class LFU:
    """The least used goes; among those the one that reached its count first."""

    def __init__(self, capacity: int, top: int = 253) -> None:
        self.capacity, self.top = capacity, top
        self.held: OrderedDict[int, int] = OrderedDict()

    def request(self, page: int) -> bool:
        if page in self.held:
            self.held[page] = min(self.held[page] + 1, self.top)
            self.held.move_to_end(page)
            return True
        while len(self.held) >= self.capacity:
            del self.held[min(self.held, key=lambda p: self.held[p])]
        self.held[page] = 1
        return False

    def forget(self, page: int) -> None:
        self.held.pop(page, None)

    def __contains__(self, page: int) -> bool:
        return page in self.held


class LIRS:
    """Stack S of recency (LIR pages, HIR pages in and out of the pool), queue Q of HIR pages in the pool."""

    def __init__(self, capacity: int, hir: float = 0.01, ghosts: float = 1.0) -> None:
        self.capacity = capacity
        self.lirs = capacity - max(1, int(capacity * hir))
        self.ghosts = int(capacity * ghosts)
        self.stack: OrderedDict[int, None] = OrderedDict()
        self.left: OrderedDict[int, None] = OrderedDict()
        self.lir: set[int] = set()
        self.queue: OrderedDict[int, None] = OrderedDict()

    def prune(self) -> None:
        while self.stack:
            bottom = next(iter(self.stack))
            if bottom in self.lir:
                return
            del self.stack[bottom]
            self.left.pop(bottom, None)

    def demote_bottom(self) -> None:
        self.prune()
        if self.stack:
            bottom, _ = self.stack.popitem(last=False)
            self.lir.discard(bottom)
            self.queue[bottom] = None
            self.prune()

    def to_top(self, page: int) -> None:
        self.stack.pop(page, None)
        self.stack[page] = None

    def request(self, page: int) -> bool:
        if page in self.lir:
            self.to_top(page)
            self.prune()
            return True
        if page in self.queue:
            seen = page in self.stack
            self.to_top(page)
            del self.queue[page]
            if seen:
                self.lir.add(page)
                self.demote_bottom()
            else:
                self.queue[page] = None
            return True
        remembered = page in self.left
        self.left.pop(page, None)
        while len(self.lir) + len(self.queue) >= self.capacity:
            if not self.queue:
                self.demote_bottom()
            victim, _ = self.queue.popitem(last=False)
            if victim in self.stack:
                self.left[victim] = None
                while len(self.left) > self.ghosts:
                    forgotten, _ = self.left.popitem(last=False)
                    self.stack.pop(forgotten, None)
        self.to_top(page)
        if remembered:
            self.lir.add(page)
            if len(self.lir) > self.lirs:
                self.demote_bottom()
        elif len(self.lir) < self.lirs:
            self.lir.add(page)
        else:
            self.queue[page] = None
        return False

    def forget(self, page: int) -> None:
        if page in self.lir or page in self.queue:
            self.stack.pop(page, None)
            self.lir.discard(page)
            self.queue.pop(page, None)

    def __contains__(self, page: int) -> bool:
        return page in self.lir or page in self.queue


ORDERS = {
    "clock": Clock, "sieve": Sieve, "s3fifo": S3FIFO, "twoq": TwoQ, "arc": ARC, "lfu": LFU, "lirs": LIRS,
}  # fmt: skip
