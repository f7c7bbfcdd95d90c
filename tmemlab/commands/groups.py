"""Groups of commands: a file each, found by listing the folder, imported when it is run."""

import difflib
import importlib
import pkgutil
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NoReturn

import click

CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"]}


class Group(click.Group):
    """The commands of a package: each module of it that has a ``command``, under the command's name.

    ``first`` names those that ``--help`` lists first, in this order; the others follow by the alphabet. A module
    whose name is a word of Python's ends in ``_``.
    """

    def __init__(self, *arguments: Any, package: str, first: Sequence[str] = (), **more: Any) -> None:
        super().__init__(*arguments, context_settings=CONTEXT, **more)
        self._package, self._first = package, tuple(first)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command of the package."""
        folder = importlib.import_module(self._package)
        names = sorted(name.rstrip("_") for name in _with_command(folder))
        return [*(name for name in self._first if name in names), *(n for n in names if n not in self._first)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command called so."""
        for name in (cmd_name, f"{cmd_name}_"):
            if name.isidentifier() and not name.startswith("_"):
                try:
                    module = importlib.import_module(f"{self._package}.{name}")
                except ModuleNotFoundError as error:
                    if error.name == f"{self._package}.{name}":
                        continue
                    raise
                found = getattr(module, "command", None)
                if isinstance(found, click.Command):
                    return found
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands with the whole first sentence of what each does."""
        listed = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, found.get_short_help_str(200)) for name, found in listed if found is not None]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments name; one that is not there is answered with the nearest names."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            self._unknown(ctx, name)
        return super().resolve_command(ctx, args)

    def _unknown(self, ctx: click.Context, name: str) -> NoReturn:
        near = difflib.get_close_matches(name, self.list_commands(ctx), n=3, cutoff=0.5)
        advice = f"did you mean {' or '.join(near)}?" if near else f"see '{ctx.command_path} --help'"
        raise click.UsageError(f"there is no command {name[:40]!r}: {advice}", ctx)


def _with_command(package: ModuleType) -> list[str]:
    """Modules of a package that hold a command: helpers have other names, and no ``command``."""
    names = [module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_")]
    return [n for n in names if hasattr(importlib.import_module(f"{package.__name__}.{n}"), "command")]
