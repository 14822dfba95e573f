"""`i2i upscale INPUT... -o OUT`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from i2i.cli.console import Console, pass_console
from i2i.cli.picture_options import picture_options
from i2i.cli.pictures import PictureRun
from i2i.errors import UsageError

if TYPE_CHECKING:
    from i2i.inference.upscaler import Enlarging


@click.command()
@picture_options
@click.option(
    "-m", "--model", metavar="MODEL", help="Shipped name, model file or run.  [default: a shipped one for the scale]"
)
@click.option(
    "-s",
    "--scale",
    type=click.FloatRange(0, 16, min_open=True),
    metavar="N",
    help="2, 3, 4, 1.5: any factor.  [default: the model's, which is 4 without --model]",
)
@click.option(
    "--width", type=click.IntRange(1, 100_000), metavar="PX", help="Width of the results, instead of a scale."
)
@click.option(
    "--height", type=click.IntRange(1, 100_000), metavar="PX", help="Height of the results; with --width, exactly both."
)
@click.option(
    "--ensemble", is_flag=True, help="Mean over the eight positions of the picture: better, 8 times the work."
)
@click.option(
    "--texture",
    type=click.FloatRange(0, 1),
    metavar="0..1",
    help="From true to the pixels (0) to rich in texture (1): between MODEL and MODEL-gan.",
)
@click.option("--color-fix", is_flag=True, help="Put slow changes of colour and shade back to those of the input.")
@pass_console
@click.pass_context
def upscale(context: click.Context, console: Console, /, **asked: Any) -> None:
    """Enlarge pictures.

    An INPUT is a picture, a folder (searched to the bottom and mirrored in OUT), a pattern, - (standard input) or
    @list (a file that names inputs). Format, depth, alpha, colours and metadata are kept; inputs are never changed.
    Other scales than the model's are reached by its network first and resampling then. Into a folder, the same command
    again does only what is missing. A file that cannot be read is passed over and named at the end: exit code 3, and
    the list is OUT/i2i-errors.jsonl.
    """
    from i2i.models.info import read_info
    from i2i.models.shipped import resolve, shipped_upscaler

    _refuse_nonsense(asked)
    run = PictureRun(console, "upscale", asked)
    model = asked["model"] or shipped_upscaler(asked["scale"], asked["texture"])
    path = resolve(model)
    info = read_info(path)

    from i2i.inference.upscaler import load_upscaler, refuse_other_tasks

    refuse_other_tasks(info, model)
    enlarging = _enlarging(asked)
    upscaler = load_upscaler(path, enlarging=enlarging, device=asked["device"], running=run.running())
    size = enlarging.target if asked["scale"] or asked["width"] or asked["height"] else f"x{upscaler.scale}"
    context.exit(run.go(upscaler, f"model {model}  ·  {size}"))


def _refuse_nonsense(asked: dict[str, Any]) -> None:
    if asked["scale"] and (asked["width"] or asked["height"]):
        raise UsageError("--scale and --width or --height both say how large.", hint="Leave one of them out.")


def _enlarging(asked: dict[str, Any]) -> Enlarging:
    from i2i.inference.upscaler import Enlarging, Target

    target = Target(asked["scale"], asked["width"], asked["height"])
    return Enlarging(target, asked["ensemble"], asked["color_fix"], asked["texture"])
