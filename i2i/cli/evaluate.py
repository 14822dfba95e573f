"""`i2i evaluate WHO DATA`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from i2i.cli.allocator import keep_memory
from i2i.cli.batch_progress import StatusLine, grouped
from i2i.cli.console import Console, Progress, pass_console
from i2i.cli.masks import Bands
from i2i.cli.options import json_option, progress_option, quiet_option, verbose_option
from i2i.errors import printable

if TYPE_CHECKING:
    from i2i.evaluation import filled_report, restoration
    from i2i.evaluation.lpips import Lpips

    Report = filled_report.Report | restoration.Report

NO_LPIPS = (
    "LPIPS is left out: no AlexNet here. --lpips FILE takes its features, and those that torchvision has fetched once "
    "are found (docs/evaluate.md)."
)


@click.command()
@click.argument("who", metavar="MODEL|DIR|BASELINE")
@click.argument("truth", metavar="DATA")
@click.option("--low", metavar="DIR", help="Small pictures of the same names.  [default: made from DATA by bicubic]")
@click.option(
    "--scale",
    type=click.IntRange(1, 16),
    help="How many times small pictures are enlarged.  [default: that of the model, or of DATA to --low]",
)
@click.option(
    "--masks",
    metavar="DIR",
    help="Holes to fill, white, of the same names as DATA, in any folders.  [default: one of each band is drawn]",
)
@click.option("--seed", type=click.IntRange(min=0), help="Of the masks that are drawn.  [default: 0]")
@click.option(
    "--bands",
    type=Bands(),
    metavar="0,1,...",
    help="Only holes of these bands: 0: 1-10 %, 1: 10-20 %, ... 5: 50-60 % of the picture.  [default: all]",
)
@click.option(
    "--lpips",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="AlexNet's features: safetensors, or torchvision's own file.",
)
@click.option(
    "--device", default="auto", show_default=True, envvar="I2I_DEVICE", help="auto, cpu, cuda, cuda:N or mps."
)
@json_option
@progress_option
@quiet_option
@verbose_option
@pass_console
def evaluate(
    console: Console,
    who: str,
    truth: str,
    low: str | None,
    scale: int | None,
    masks: str | None,
    seed: int | None,
    bands: tuple[int, ...] | None,
    lpips: Path | None,
    device: str,
) -> None:
    """Measure how near made pictures are to the true ones in the folder DATA: L1, PSNR, SSIM, LPIPS.

    MODEL enlarges pictures or fills holes: a run folder, a model file, or a name of `i2i models list`. DIR holds
    finished pictures: enlarged ones of the same names as those of DATA, or with --masks filled ones of the same names
    as the masks. A BASELINE is bicubic, mean, telea or navier-stokes; those of the task also stand beside the others.
    """
    from i2i.evaluation.tasks import refuse_options, task_of

    task = task_of(who, has_masks=masks is not None)
    if task == "upscale":
        refuse_options(task, {"--masks": masks, "--seed": seed, "--bands": bands}, who)
        report = _enlarged(console, who, truth, low, scale, lpips, device)
    else:
        refuse_options(task, {"--low": low, "--scale": scale}, who)
        report = _filled(console, who, truth, masks, seed, bands, lpips, device)
    if console.json:
        console.document(report.as_json())
    else:
        for line in report.lines():
            console.result(line)


def _enlarged(
    console: Console, who: str, truth: str, low: str | None, scale: int | None, lpips: Path | None, device: str
) -> Report:
    from i2i.evaluation.pairs import pair_up

    asked = pair_up(who, truth, low=low, scale=scale)
    keep_memory()
    from i2i.evaluation.restoration import measure

    with _counted(console, len(asked.cases)) as count:
        return measure(asked, lpips=_lpips(console, lpips), device=device, counted=count)


def _filled(
    console: Console,
    who: str,
    truth: str,
    masks: str | None,
    seed: int | None,
    bands: tuple[int, ...] | None,
    lpips: Path | None,
    device: str,
) -> Report:
    from i2i.evaluation.mask_pairs import find_holes

    asked = find_holes(who, truth, masks=masks, seed=seed, bands=bands)
    if strays := asked.strays:
        ignored = "1 mask belongs" if len(strays) == 1 else f"{grouped(len(strays))} masks belong"
        console.note(printable(f"{masks}: {ignored} to no picture of {truth}, such as '{strays[0]}'."))
    keep_memory()
    from i2i.evaluation.inpainting import measure

    with _counted(console, len(asked.holes)) as count:
        return measure(asked, lpips=_lpips(console, lpips), device=device, counted=count)


def _lpips(console: Console, features: Path | None) -> Lpips | None:
    """With the file that is given, else with torchvision's where it is; a note where there is none."""
    from i2i.evaluation.lpips import Lpips, torchvision_features

    found = features or torchvision_features()
    if found is None:
        console.note(NO_LPIPS)
        return None
    return Lpips(found)


@contextmanager
def _counted(console: Console, total: int) -> Iterator[Callable[[], None]]:
    """Shows how much is measured; leaves the terminal as it was, however it ends."""
    progress = MeasuringProgress(total, console.progress)
    try:
        yield progress.count
    finally:
        progress.status.clear()


class MeasuringProgress:
    """Counts what is measured and shows the remaining time: live on a terminal, a line every 30 s elsewhere."""

    def __init__(
        self,
        total: int,
        kind: Progress,
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total, self.clock, self.done = total, clock, 0
        self.status = StatusLine(kind, stream, clock)
        self.began = clock()

    def count(self) -> None:
        """One more is measured."""
        self.done += 1
        self.status.show(self.line)

    def line(self) -> str:
        """The progress as one line."""
        left = (self.total - self.done) * (self.clock() - self.began) / self.done
        share = f"{grouped(self.done)}/{grouped(self.total)} {100 * self.done // self.total} %"
        return f"measured {share}  left {timedelta(seconds=round(left))}"
