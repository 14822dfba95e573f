"""`i2i evaluate WHO DATA`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from i2i.cli.allocator import keep_memory
from i2i.cli.console import Console, pass_console
from i2i.cli.options import json_option, quiet_option, verbose_option

if TYPE_CHECKING:
    from i2i.evaluation.lpips import Lpips

NO_LPIPS = (
    "LPIPS is left out: no AlexNet here. --lpips FILE takes its features, and those that torchvision has fetched once "
    "are found (docs/evaluate.md)."
)


@click.command()
@click.argument("who", metavar="MODEL|DIR|bicubic")
@click.argument("truth", metavar="DATA")
@click.option("--low", metavar="DIR", help="Small pictures of the same names.  [default: made from DATA by bicubic]")
@click.option(
    "--scale",
    type=click.IntRange(1, 16),
    help="How many times small pictures are enlarged.  [default: that of the model, or of DATA to --low]",
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
@quiet_option
@verbose_option
@pass_console
def evaluate(
    console: Console, who: str, truth: str, low: str | None, scale: int | None, lpips: Path | None, device: str
) -> None:
    """Measure how near enlarged pictures are to the true ones in the folder DATA: PSNR, SSIM, LPIPS.

    MODEL is an upscaling model: a run folder, a model file, or a name of `i2i models list`. DIR holds finished
    pictures of the same names as those of DATA. bicubic is the baseline, which also stands beside the others.
    """
    from i2i.evaluation.pairs import pair_up

    asked = pair_up(who, truth, low=low, scale=scale)

    keep_memory()
    from i2i.evaluation.restoration import measure

    report = measure(asked, lpips=_lpips(console, lpips), device=device)
    if console.json:
        console.document(report.as_json())
    else:
        for line in report.lines():
            console.result(line)


def _lpips(console: Console, features: Path | None) -> Lpips | None:
    """With the file that is given, else with torchvision's where it is; a note where there is none."""
    from i2i.evaluation.lpips import Lpips, torchvision_features

    found = features or torchvision_features()
    if found is None:
        console.note(NO_LPIPS)
        return None
    return Lpips(found)
