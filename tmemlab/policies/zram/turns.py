"""When a script that works on a zram device now and then finds something to do."""


def first_turn(interval: int, idle_age: int) -> tuple[int, str]:
    """The first turn of a script, one every ``interval`` seconds, that finds idle pages: ns, and why."""
    turns = max(-(-idle_age // interval), 1)
    return turns * interval * 10**9, "its first turn that can find an idle page" if idle_age else "its first turn"
