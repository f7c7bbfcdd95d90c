"""Options that the formats declare themselves, for ``import`` and ``export``."""

from collections.abc import Callable
from typing import Any

import click

_Command = Callable[..., Any]


def _registry() -> Any:
    from ...datasets.formats import registry

    return registry


def which_format(*, exporting: bool) -> Callable[[_Command], _Command]:
    """``--format``, with what each format is."""
    having = [form for form in _registry().formats().values() if (form.exporter if exporting else form.importer)]
    text = "; ".join(f"{form.name}: {form.about}" for form in having)
    return click.option(
        "--format", "name", required=True, type=click.Choice([form.name for form in having]), help=f"{text}."
    )


def own_options(*, exporting: bool) -> Callable[[_Command], _Command]:
    """An option for each that a format has, with the formats that it is for."""

    def add(command: _Command) -> _Command:
        for option, (keyword, text) in reversed(_registry().options_of(exporting).items()):
            command = click.option(option, keyword, help=f"{text}.")(command)
        return command

    return add
