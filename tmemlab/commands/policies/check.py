"""``tmemlab policies check``."""

from typing import Any

import click

from ...printing import say
from ..common import json_option, on_terminal, publish, status
from ..groups import CONTEXT


@click.command("check", context_settings=CONTEXT)
@click.argument("policies", metavar="FILE.py|NAME...", nargs=-1, required=True)
@click.option("--strict", is_flag=True, help="Exit with 1 also where a rule was not exercised by all code.")
@json_option
def command(policies: tuple[str, ...], strict: bool, json_file: str | None) -> None:
    """Check that policies keep the rules; exit with 1 if one is broken.

    Each runs on small traces twice, as plain Python with every index, number and answer looked at, and
    compiled. Both must agree to the last digit, no page may be in two places, and every parameter must run at
    both ends of its range and move some result. A rule is kept, broken, or not exercised: by a hook that no
    small trace asks, or a line that none reaches.
    """
    from ...errors import TmemlabError
    from ...policies.catalogue import configure, select
    from ...replay.conformance.check import check as run_suite

    chosen = []
    for text in policies:
        kinds, settings = select(text)
        for kind in kinds:
            file = text.partition(".py")[0] + ".py" if ".py" in text else ""
            chosen.append((configure(kind, settings, text), f"{file}::{kind.name}" if file else kind.name))
    results = []
    with status("checking (the first run compiles)") as shown:
        for policy, source in chosen:

            def on_step(step: str, name: str = policy.name) -> None:
                if on_terminal():
                    shown.update(f"{name}: {step}")

            results.append(run_suite(policy, source, on_step))
    document = {
        "schema": "tmemlab.conformance/1",
        "ok": all(result.ok for result in results),
        "complete": all(result.complete for result in results),
        "policies": [result.as_json() for result in results],
    }
    publish(document, json_file, lambda: _print(results))
    for result in results:
        if not result.ok:
            broken = ", ".join(dict.fromkeys(f"{finding.rule!r}" for finding in result.findings))
            raise TmemlabError(f"{result.name} breaks the rules {broken}")
    for result in results:
        if strict and not result.complete:
            untried = ", ".join(dict.fromkeys(f"{finding.rule!r}" for finding in result.untried))
            raise TmemlabError(f"{result.name}: the rules {untried} were not exercised by all of it")


def _print(results: list[Any]) -> None:
    for result in results:
        say(f"{result.name}  {result.replays} small replays")
        for row in result.as_json()["rules"]:
            say(f"  {row['verdict']:13}  {row['rule']}: {row['about']}")
            for detail in row["details"]:
                say(f"                 {detail}")
