"""`i2i data fetch`: a well-known set of pictures, ready to train on."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from i2i.cli.batch_progress import StatusLine
from i2i.cli.console import Console, Progress, pass_console
from i2i.cli.options import json_option, progress_option, quiet_option, verbose_option
from i2i.errors import UsageError, printable

if TYPE_CHECKING:
    from i2i.data.recipes import Recipe


@click.command()
@click.argument("name", metavar="[NAME]", required=False)
@click.option(
    "-o", "--output", metavar="FOLDER", type=click.Path(path_type=Path), help="A new folder.  [default: NAME]"
)
@click.option("--list", "listed", is_flag=True, help="List the sets with size, pictures and licence.")
@json_option
@progress_option
@quiet_option
@verbose_option
@pass_console
def fetch(console: Console, name: str | None, output: Path | None, listed: bool) -> None:
    """Load the public data set NAME into a folder.

    What stops half way goes on with the same command. The archive is checked, unpacked and removed; the folder is there
    whole or not at all. Terms are those of each set: see --list.
    """
    from i2i.data.recipes import all_recipes, find_recipe

    if listed:
        if name is not None or output is not None:
            what = "--list shows all sets, and takes neither NAME nor -o."
            raise UsageError(what, hint="Leave them out, or leave out --list.")
        _list(console, list(all_recipes().values()))
        return
    if name is None:
        raise UsageError("no data set is named.", hint="See: i2i data fetch --list")
    _fetch(console, find_recipe(name), output or Path(name))


def _list(console: Console, recipes: list[Recipe]) -> None:
    if console.json:
        console.document([recipe.to_json() for recipe in recipes])
        return
    for recipe in recipes:
        told = [recipe.name, recipe.method, _size(recipe), f"{recipe.description}: {recipe.pictures}", recipe.licence]
        console.result("   ".join(told))


def _size(recipe: Recipe) -> str:
    if recipe.address is None:
        return "no open download"
    return f"{recipe.bytes / 1e6:.0f} MB" if recipe.bytes else "size unknown"


def _fetch(console: Console, recipe: Recipe, folder: Path) -> None:
    from i2i.data.fetch import as_json, fetched_before
    from i2i.data.fetch import fetch as load

    there_already = fetched_before(recipe, folder) is not None
    if recipe.address and not there_already:
        console.note(f"{recipe.name} from {recipe.address}. Licence: {recipe.licence}. See {recipe.page}")
    shown = TransferProgress(recipe.name, console.progress)
    try:
        fetched = load(recipe, folder, say=lambda line: shown.aside(console.note, line), progress=shown.show)
    except KeyboardInterrupt:
        shown.aside(console.note, f"stopped. Continue: {console.command}")
        raise
    finally:
        shown.close()
    if console.json:
        console.document(as_json(fetched, folder, there_already=there_already))
        return
    if there_already:
        console.note("It is there already.")
    elif recipe.sha256 is None:
        console.note(f"Nobody publishes a SHA-256 of this archive. What came has {fetched.sha256}")
    place = printable(shlex.quote(str(folder)))
    console.result(f"{place}   {recipe.pictures}")
    direction = f" --direction {recipe.direction}" if recipe.direction else ""
    console.result(f"Next: i2i train {recipe.method} {place}{direction} -o runs/{recipe.name}")


class TransferProgress:
    """Shows what has arrived: percent, rate and remaining time; live on a terminal, a line every 30 s elsewhere."""

    def __init__(
        self,
        name: str,
        kind: Progress,
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.clock = name, clock
        self.status = StatusLine(kind, stream, clock)
        self.start: tuple[float, int] | None = None  # time and bytes at the first sight of this transfer

    def show(self, done: int, total: int | None) -> None:
        """So many bytes are on the disk."""
        now = self.clock()
        if self.start is None or done < self.start[1]:
            self.start = now, done
        self.status.show(lambda: self.line(done, total))

    def line(self, done: int, total: int | None) -> str:
        """The progress as one line."""
        began, before = self.start or (self.clock(), done)
        rate = (done - before) / max(self.clock() - began, 1e-9)
        parts = [f"{self.name} {done / 1e6:.1f} MB"]
        if total:
            parts = [f"{self.name} {done / 1e6:.1f}/{total / 1e6:.1f} MB {100 * done // total} %"]
        parts.append(f"{rate / 1e6:.1f} MB/s")
        if total and rate:
            parts.append(f"left {timedelta(seconds=round((total - done) / rate))}")
        return "  ".join(parts)

    def aside(self, note: Callable[[str], None], line: str) -> None:
        """Another line on stderr: the live one makes way, and comes back with the next bytes."""
        self.close()
        note(printable(f"{self.name}: {line}"))

    def close(self) -> None:
        """Leave the terminal as it was."""
        self.status.clear()
