"""A group whose commands are imported when they are called, so that help stays quick."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """Knows its commands by name and one line of help; `load` gives the command that is asked for."""

    def __init__(
        self, name: str, *, texts: Mapping[str, str], load: Callable[[str], click.Command], **settings: Any
    ) -> None:
        named_only = {command: click.Command(command, short_help=text) for command, text in texts.items()}
        super().__init__(name, commands=named_only, **settings)
        self.load = load

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the order that they were given in."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that `args` begin with, imported now."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, self.load(name) if name else None, rest
