"""What C libraries print goes past Python to the terminal: it is kept away from there."""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, TextIO, cast

from i2i.cli.console import Console
from i2i.errors import printable

SHOWN_LINES = 20


@contextmanager
def kept_quiet(console: Console) -> Iterator[None]:
    """While inside, only what Python writes to stderr reaches it; -v tells afterwards what libraries said."""
    _open_what_is_closed()
    ours, before = os.dup(2), sys.stderr
    with _somewhere() as said:
        before.flush()
        os.dup2(said.fileno(), 2)
        if _is_stderr(before):
            sys.stderr = io.TextIOWrapper(
                io.FileIO(ours, "wb", closefd=False),
                encoding=before.encoding,
                errors=before.errors,
                write_through=True,
            )
        try:
            yield
        finally:
            sys.stderr.flush()
            sys.stderr = before
            os.dup2(ours, 2)
            os.close(ours)
            said.seek(0)
            for line in said.read(100_000).decode(errors="replace").splitlines()[:SHOWN_LINES]:
                console.detail(printable(f"a library said: {line}"))


def _open_what_is_closed() -> None:
    """A standard stream that the caller closed leads nowhere; else the next file would get its number."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


def _somewhere() -> BinaryIO:
    """A file without a name, or nowhere where there is no room for one."""
    try:
        return cast("BinaryIO", tempfile.TemporaryFile())
    except OSError:
        return open(os.devnull, "w+b")


def _is_stderr(stream: TextIO) -> bool:
    """Not where a test runner has put a stream of its own there."""
    try:
        return stream.fileno() == 2
    except (AttributeError, OSError, ValueError):
        return False
