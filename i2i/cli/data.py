"""`i2i data`: look at training pictures before they are trained on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from i2i.cli.console import Console, pass_console
from i2i.cli.fetch import fetch
from i2i.cli.masks import masks
from i2i.cli.options import json_option, set_option
from i2i.cli.training_pictures import given_pictures, refuse_data_beside_domains, training_pictures
from i2i.errors import UsageError, printable

if TYPE_CHECKING:
    from i2i.config.data import DataConfig
    from i2i.config.run import RunConfig
    from i2i.data.check import Findings


@click.group()
def data() -> None:
    """Fetch and check folders of training pictures, and see what a training would see."""


data.add_command(fetch)
data.add_command(masks)


@training_pictures
@data.command()
@set_option
@json_option
@pass_console
@click.pass_context
def check(context: click.Context, console: Console, /, method: str, assignments: tuple[str, ...], **_: Any) -> None:
    """Read every picture of DATA and tell what a training would find.

    Exit code 0: no problems. 10: problems were found. 2: DATA cannot be trained on.
    """
    from i2i.config.layers import assignment_layer, resolve

    resolved = resolve(method, "default", [assignment_layer(assignments), given_pictures(context)])
    refuse_data_beside_domains(resolved)
    found = _checked(resolved.config)
    if console.json:
        console.document(found.to_json())
    else:
        for line in found.lines():
            console.result(printable(line))
    context.exit(10 if found.has_problems else 0)


def _checked(config: RunConfig) -> Findings:
    from i2i.config.data import LabelledConfig, PairedConfig, PhotosConfig, UnpairedConfig
    from i2i.config.methods.pix2pix import Pix2PixConfig
    from i2i.data.check import check_paired, check_photos, check_unpaired
    from i2i.data.labelled_check import check_labelled

    match config.method, config.data:
        case Pix2PixConfig() as method, PairedConfig() as settings:
            return check_paired(settings, labels=method.labels, side="a" if method.direction == "a2b" else "b")
        case _, LabelledConfig() as settings:
            return check_labelled(settings)
        case _, PhotosConfig() as settings:
            return check_photos(settings)
        case _, UnpairedConfig() as settings:
            return check_unpaired(settings)
    raise TypeError(f"nothing checks {type(config.data).__name__}")


@training_pictures
@data.command()
@click.option("-o", "--output", metavar="FILE", required=True, type=click.Path(path_type=Path), help="A picture file.")
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
@click.pass_context
def preview(context: click.Context, console: Console, /, output: Path, method: str, **asked: Any) -> None:
    """Draw samples of DATA as a training would see them: crops, for srgan what is left of them when degraded, for
    pictures with classes some of each class."""
    from i2i.config.layers import assignment_layer, file_layer, resolve
    from i2i.images.formats import SUFFIXES

    if output.suffix.lower() not in SUFFIXES:
        raise UsageError("the sheet is a picture: its name ends in .png or .jpg.", where=output)
    if output.exists():
        raise UsageError("the output is there already.", where=output, hint="Choose another name.")
    layers = [*map(file_layer, map(Path, asked["files"])), assignment_layer(asked["assignments"])]
    resolved = resolve(method, asked["preset"], [*layers, given_pictures(context)])
    refuse_data_beside_domains(resolved)
    _refuse_among_the_pictures(output, resolved.config.data)

    from i2i.images.files import write
    from i2i.preview import preview as draw

    write(draw(resolved.config, rows=asked["rows"], draws=asked["draws"]), output)
    console.result(printable(str(output)))


def _refuse_among_the_pictures(output: Path, settings: DataConfig) -> None:
    """The next training would learn from the sheet. Raises UsageError."""
    from i2i.config.data import MaskedConfig

    folders = settings.model_dump(include={"path", "a", "b"}, exclude_none=True).values()
    named = [("training pictures", folder) for folder in folders]
    if isinstance(settings, MaskedConfig) and settings.masks.folder is not None:
        named.append(("masks", settings.masks.folder))
    for kind, folder in named:
        if output.resolve().is_relative_to(Path(folder).resolve()):
            what = f"the sheet would lie among the {kind} of {folder}."
            raise UsageError(what, where=output, hint="Write it elsewhere.")
