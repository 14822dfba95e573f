"""`i2i data`: look at training pictures before they are trained on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from i2i.cli.console import Console, pass_console
from i2i.cli.fetch import fetch
from i2i.cli.options import json_option, set_option
from i2i.config.methods import METHODS
from i2i.errors import UsageError, printable

if TYPE_CHECKING:
    from i2i.config.data import DataConfig
    from i2i.config.run import RunConfig
    from i2i.data.check import Findings

method_option = click.option(
    "--method",
    type=click.Choice(list(METHODS)),
    default="cyclegan",
    show_default=True,
    help="The training that DATA is for.",
)


@click.group()
def data() -> None:
    """Fetch and check folders of training pictures, and see what a training would see."""


data.add_command(fetch)


@data.command()
@click.argument("folder", metavar="[DATA]", required=False, type=click.Path())
@method_option
@click.option("--a", help="Pictures of domain A: a folder or @list.")
@click.option("--b", help="Pictures of domain B: a folder or @list.")
@click.option(
    "--pairs", help="Pairs for pix2pix: auto, folders, side-by-side, csv, or made of photos: colorize, edges, degrade."
)
@click.option("--size", type=int, help="Side of the crops in pixels.  [default: the training's]")
@set_option
@json_option
@pass_console
@click.pass_context
def check(
    context: click.Context,
    console: Console,
    folder: str | None,
    method: str,
    a: str | None,
    b: str | None,
    pairs: str | None,
    size: int | None,
    assignments: tuple[str, ...],
) -> None:
    """Read every picture of DATA and tell what a training would find.

    Exit code 0: no problems. 10: problems were found. 2: DATA cannot be trained on.
    """
    from i2i.config.layers import Placed, assignment_layer, resolve

    if method == "srgan" and (a or b):
        raise UsageError("--a and --b are for unpaired training.", hint="Give DATA.")
    if method in ("srgan", "cyclegan") and pairs:
        raise UsageError("--pairs is for paired training.", hint="Say --method pix2pix.")
    given = {
        "data.path": Placed(folder, "DATA"),
        "data.size": Placed(size, "--size"),
        "data.a": Placed(a, "--a"),
        "data.b": Placed(b, "--b"),
        "data.pairs": Placed(pairs, "--pairs"),
    }
    layer = {key: placed for key, placed in given.items() if placed.value is not None}
    found = _checked(resolve(method, "default", [assignment_layer(assignments), layer]).config)
    if console.json:
        console.document(found.to_json())
    else:
        for line in found.lines():
            console.result(printable(line))
    context.exit(10 if found.has_problems else 0)


def _checked(config: RunConfig) -> Findings:
    from i2i.config.data import PairedConfig, PhotosConfig, UnpairedConfig
    from i2i.config.methods.pix2pix import Pix2PixConfig
    from i2i.data.check import check_paired, check_photos, check_unpaired

    match config.method, config.data:
        case Pix2PixConfig() as method, PairedConfig() as settings:
            return check_paired(settings, labels=method.labels, side="a" if method.direction == "a2b" else "b")
        case _, PhotosConfig() as settings:
            return check_photos(settings)
        case _, UnpairedConfig() as settings:
            return check_unpaired(settings)
    raise TypeError(f"nothing checks {type(config.data).__name__}")


@data.command()
@click.argument("folder", metavar="DATA", type=click.Path(exists=True))
@click.option("-o", "--output", metavar="FILE", required=True, type=click.Path(path_type=Path), help="A picture file.")
@method_option
@click.option("--preset", default="default", show_default=True, help="Preset of the method.")
@click.option("--config", "files", multiple=True, type=click.Path(), metavar="TOML", help="Settings. Repeatable.")
@set_option
@click.option("--rows", type=click.IntRange(1, 64), default=4, show_default=True, help="Samples, one below the other.")
@click.option(
    "--draws",
    type=click.IntRange(1, 16),
    default=4,
    show_default=True,
    help="Degradations of each sample, side by side.",
)
@pass_console
def preview(console: Console, /, folder: str, output: Path, method: str, **asked: Any) -> None:
    """Draw samples of DATA as a training would see them: crops, and for srgan what is left of them when degraded."""
    from i2i.config.layers import Placed, assignment_layer, file_layer, resolve
    from i2i.images.formats import SUFFIXES

    if output.suffix.lower() not in SUFFIXES:
        raise UsageError("the sheet is a picture: its name ends in .png or .jpg.", where=output)
    if output.exists():
        raise UsageError("the output is there already.", where=output, hint="Choose another name.")
    layers = [*map(file_layer, map(Path, asked["files"])), assignment_layer(asked["assignments"])]
    layers.append({"data.path": Placed(folder, "DATA")})
    resolved = resolve(method, asked["preset"], layers)
    _refuse_among_the_pictures(output, resolved.config.data)

    from i2i.images.files import write
    from i2i.preview import preview as draw

    write(draw(resolved.config, rows=asked["rows"], draws=asked["draws"]), output)
    console.result(printable(str(output)))


def _refuse_among_the_pictures(output: Path, settings: DataConfig) -> None:
    """The next training would learn from the sheet. Raises UsageError."""
    for folder in settings.model_dump(include={"path", "a", "b"}, exclude_none=True).values():
        if output.resolve().is_relative_to(Path(folder).resolve()):
            what = f"the sheet would lie among the training pictures of {folder}."
            raise UsageError(what, where=output, hint="Write it elsewhere.")
