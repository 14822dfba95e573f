"""`i2i data masks`: the masks of a fixed evaluation, as files."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from i2i.cli.batch_progress import BatchProgress, grouped
from i2i.cli.console import Console, pass_console
from i2i.cli.options import json_option, progress_option, quiet_option, verbose_option
from i2i.errors import ImageError, StoppedError, UsageError, printable
from i2i.interrupt import Interrupt

if TYPE_CHECKING:
    from i2i.masks.writing import Size

SOME_FAILED = 3
SHOWN_FAILURES = 20


class Bands(click.ParamType[tuple[int, ...]]):
    """Numbers of bands such as 0,1,2."""

    name = "bands"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> tuple[int, ...]:
        """The numbers, sorted, each once."""
        if isinstance(value, tuple):
            return value
        numbers = {number.strip() for number in value.split(",")}
        if not numbers <= set("012345"):
            self.fail(f"'{value}' names no bands from 0 to 5 such as 0,1,2.", parameter, context)
        return tuple(sorted(map(int, numbers)))


@click.command()
@click.argument("folder", metavar="DATA", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", metavar="DIR", required=True, type=click.Path(path_type=Path), help="A new or empty folder."
)
@click.option(
    "--bands",
    type=Bands(),
    metavar="0,1,...",
    default="0,1,2,3,4,5",
    show_default=True,
    help="Of the picture's area: 0: 1-10 %, 1: 10-20 %, ... 5: 50-60 %.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Another seed, other masks.")
@json_option
@progress_option
@quiet_option
@verbose_option
@pass_console
def masks(console: Console, folder: Path, output: Path, bands: tuple[int, ...], seed: int) -> int:
    """Write a mask of each band of area for each picture of DATA: DIR/band-0/PLACE.png to DIR/band-5/PLACE.png.

    They are what `i2i evaluate MODEL DATA` draws by itself, the same on every machine: white is the hole, upright, of
    the picture's size. All of them are written or none. Exit code 3: some pictures could not be read.
    """
    from i2i.evaluation.pairs import pictures_in
    from i2i.masks.writing import refuse_used

    refuse_used(output)
    pictures = pictures_in(folder)
    if output.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"the masks would lie among the pictures of {folder}.", where=output, hint="Write elsewhere.")
    written, failed = _written(console, pictures, output, bands, seed)
    counts = {"masks": written, "pictures": len(pictures) - len(failed), "bands": bands, "seed": seed}
    _tell(console, counts, failed, folder, output)
    return SOME_FAILED if failed else 0


def _written(
    console: Console, pictures: Mapping[str, Path], output: Path, bands: Sequence[int], seed: int
) -> tuple[int, dict[str, ImageError]]:
    """How many masks, and why some pictures have none. Raises StoppedError on request."""
    from i2i.masks.writing import write_fixed_masks

    each = f"{len(bands)} mask{'' if len(bands) == 1 else 's'} each"
    progress = BatchProgress("pictures", len(pictures), console.progress, lambda: each)
    failed: dict[str, ImageError] = {}
    with Interrupt() as interrupt:

        def report(place: str, found: Size | ImageError) -> None:
            if isinstance(found, ImageError):
                failed[place] = found
            progress.count(failed=place in failed, size=None if isinstance(found, ImageError) else found)
            if interrupt.exit_code is not None:
                raise StoppedError("stopped; no mask was written.", exit_code=interrupt.exit_code)

        try:
            return write_fixed_masks(pictures, output, bands=bands, seed=seed, report=report), failed
        finally:
            progress.close()


def _tell(
    console: Console, counts: Mapping[str, Any], failed: Mapping[str, ImageError], folder: Path, output: Path
) -> None:
    for error in list(failed.values())[:SHOWN_FAILURES]:
        console.error(str(error))
    if len(failed) > SHOWN_FAILURES:
        console.error(f"and {grouped(len(failed) - SHOWN_FAILURES)} more")
    if console.json:
        reasons = [{"picture": place, "reason": error.what} for place, error in failed.items()]
        console.document({"schema": 1, "folder": str(output), **counts, "failed": reasons})
        return
    number = counts["masks"]
    parts = [f"{grouped(number)} mask{'' if number == 1 else 's'} written to {output}"]
    if failed:
        parts.append(f"{grouped(len(failed))} of {grouped(counts['pictures'] + len(failed))} pictures failed")
    console.result(printable("  ·  ".join(parts)))
    data, made = (printable(shlex.quote(str(path))) for path in (folder, output))
    console.result(f"Next: i2i evaluate MODEL {data} --masks {made}")
