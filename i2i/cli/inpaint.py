"""`i2i inpaint INPUT... -o OUT`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from i2i.cli.console import Console, pass_console
from i2i.cli.picture_options import hole_options
from i2i.cli.pictures import PictureRun


@click.command()
@click.option(
    "--mask",
    type=click.Path(),
    metavar="FILE|DIR",
    help="White is repaired: one mask for all, or a folder with masks named as the pictures, in any format.",
)
@click.option("--mask-color", metavar="COLOR", help="Repair what has this colour in the picture, such as '#ff00ff'.")
@click.option("--mask-alpha", is_flag=True, help="Repair what is transparent.")
@click.option(
    "--tolerance",
    type=click.IntRange(0, 255),
    default=0,
    show_default=True,
    help="With --mask-color: levels of 255 that a colour may be off.",
)
@click.option("--invert", is_flag=True, help="Repair all that is not marked.")
@click.option(
    "--grow",
    type=click.IntRange(0, 1024),
    default=0,
    show_default=True,
    metavar="PX",
    help="Repair so many pixels around as well: a rim that is left of a thing makes it grow back.",
)
@click.option(
    "--feather",
    type=click.IntRange(0, 128),
    default=0,
    show_default=True,
    metavar="PX",
    help="Fade into so many pixels around, at most an eighth of --max-side. With 0 nothing but the hole changes, to "
    "the bit.",
)
@click.option(
    "-m",
    "--model",
    metavar="MODEL",
    default="inpaint-photo",
    show_default=True,
    help="Shipped name, model file or run.",
)
@click.option(
    "--max-side",
    type=click.IntRange(64, 8192),
    metavar="PX",
    help="Side of what the network sees at once; thicker holes are shrunk.  [default: twice that of its training]",
)
@hole_options
@pass_console
@click.pass_context
def inpaint(context: click.Context, console: Console, /, **asked: Any) -> None:
    """Repair pictures: what a mask marks is painted anew, everything else stays as it is, bit for bit.

    An INPUT is a picture, a folder (searched to the bottom and mirrored in OUT), a pattern, - (standard input) or
    @list (a file that names inputs). Size, format, depth, alpha, colours and metadata are kept; inputs are never
    changed. Into a folder, the same command again does only what is missing or has another mask now. A file that
    cannot be repaired is passed over and named at the end: exit code 3, and the list is OUT/i2i-errors.jsonl.
    """
    from i2i.inference.marking import Marking

    names = ("mask", "tolerance", "invert", "grow")
    marking = Marking(color=asked["mask_color"], alpha=asked["mask_alpha"], **{name: asked[name] for name in names})

    from i2i.models.info import read_info
    from i2i.models.shipped import resolve

    run = PictureRun(console, "inpaint", asked, masks=Path(asked["mask"]) if asked["mask"] else None)
    path = resolve(asked["model"])
    info = read_info(path)

    from i2i.inference.inpainter import load_inpainter, refuse_other_tasks

    refuse_other_tasks(info, asked["model"])
    inpainter = load_inpainter(
        path, marking=marking, feather=asked["feather"], device=asked["device"], running=run.running()
    )
    context.exit(run.go(inpainter, f"model {asked['model']}"))
