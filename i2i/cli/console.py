"""What a command prints: its result on stdout, everything else on stderr."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Literal

import click

from i2i.errors import FREE_SPACE, NoRoomError, is_full, printable

Progress = Literal["auto", "plain", "none"]


class Console:
    """How this call prints, as its options say. `command` is the call as it was typed."""

    def __init__(self, command: str = "i2i") -> None:
        self.command = command
        self.quiet = False
        self.verbose = False
        self.json = False
        self.asked_progress: Progress = "auto"

    @property
    def progress(self) -> Progress:
        """auto: live on a terminal, plain lines elsewhere; none also when quiet."""
        return "none" if self.quiet else self.asked_progress

    def result(self, text: str) -> None:
        """What was asked for, on stdout. File names in it went through `printable`. Raises NoRoomError."""
        try:
            click.echo(text)
        except OSError as error:
            if not is_full(error):
                raise
            forget_stdout()
            raise NoRoomError("disk full writing to standard output.", hint=FREE_SPACE) from error

    def document(self, value: Any) -> None:
        """What was asked for with --json: one JSON document on one line of stdout. Raises NoRoomError."""
        self.result(json.dumps(value))

    def note(self, text: str) -> None:
        """Something good to know, on stderr; nothing when quiet."""
        if not self.quiet:
            click.echo(text, err=True)

    def detail(self, text: str) -> None:
        """Something that only -v shows, on stderr."""
        if self.verbose:
            click.echo(text, err=True)

    def error(self, text: str) -> None:
        """What went wrong, on one line of stderr."""
        click.echo(f"i2i: {printable(text)}", err=True)


def forget_stdout() -> None:
    """Python flushes stdout once more at its end, which would fail where writing to it has failed before."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


pass_console = click.make_pass_decorator(Console, ensure=True)
