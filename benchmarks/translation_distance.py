"""How near a model's translations come to the target domain, beside what needs no network.

    python benchmarks/translation_distance.py MODEL PICTURES_A PICTURES_B --weights alexnet_features.safetensors

For each direction that the model has: the sliced Wasserstein distance of AlexNet's features (conv3, conv5) to the
target's pictures, of the translated pictures, of the untouched ones, and of the untouched ones with the target's mean
and deviation in each colour channel. Lower is nearer. `floor` is the distance of two halves of the target to each
other: what sampling alone causes.

Pictures of both folders are treated alike before anything else: shrunk or enlarged so that the short side has `--side`
pixels (Lanczos) and cropped to a square in the middle. The network sees these squares, and every set that is compared
holds squares of this one size: otherwise the sets would differ by sharpness and scale, whatever the network did.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import click
import numpy as np
from PIL import Image

from i2i.errors import I2IError, UsageError
from i2i.evaluation.alexnet import AlexNet
from i2i.evaluation.recolouring import moments_matched
from i2i.evaluation.wasserstein import MEASURED, feature_distances
from i2i.images.files import SUFFIXES, read
from i2i.images.picture import Pixels
from i2i.inference.translator import load
from i2i.models.info import Direction, read_info
from i2i.models.shipped import resolve

Rows = dict[str, dict[str, float]]  # set of pictures -> layer -> distance


def squares(folder: Path, side: int) -> list[Pixels]:
    """The pictures of a folder, all of (side, side, 3). Raises UsageError for a folder with fewer than two."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if len(paths) < 2:
        raise UsageError("holds fewer than two pictures.", where=folder)
    return [square(read(path).in_eight_bits().rgb(), side) for path in paths]


def square(pixels: Pixels, side: int) -> Pixels:
    """(H, W, 3) -> (side, side, 3): the whole short side, the middle of the long one."""
    height, width = pixels.shape[:2]
    short = min(height, width)
    left, top = (width - short) / 2, (height - short) / 2
    box = (left, top, left + short, top + short)
    return np.array(Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS, box=box))


def distances(model: str, direction: Direction, source: list[Pixels], target: list[Pixels], alexnet: AlexNet) -> Rows:
    """Distances of four sets to the target domain."""
    translator = load(model, direction=direction)
    return {
        "translated": feature_distances([translator(picture) for picture in source], target, alexnet),
        "untouched": feature_distances(source, target, alexnet),
        "mean and deviation": feature_distances(moments_matched(source, target), target, alexnet),
        "floor": feature_distances(target[::2], target[1::2], alexnet),
    }


def table(found: dict[str, Rows]) -> str:
    """The distances for a person, with what the translation gains over each row."""
    lines = []
    for direction, rows in found.items():
        lines.append(f"{direction:<20}" + "".join(f"{layer:>10}{'gain':>8}" for layer in MEASURED))
        for name, row in rows.items():
            cells = (f"{row[at]:>10.4f}{gain(rows['translated'][at], row[at], name):>8}" for at in MEASURED)
            lines.append(f"  {name:<18}" + "".join(cells))
    return "\n".join(lines)


def gain(translated: float, other: float, name: str) -> str:
    """By how much the translated pictures are nearer than another set: 0.85 of its distance is 15 %."""
    return f"{100 * (1 - translated / other):.0f} %" if name in ("untouched", "mean and deviation") else ""


@click.command()
@click.argument("model")
@click.argument("pictures_a", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("pictures_b", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--weights", type=click.Path(path_type=Path), required=True, help="AlexNet features (safetensors).")
@click.option("--side", type=click.IntRange(64), default=256, show_default=True, help="Side of all pictures in px.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(model: str, pictures_a: Path, pictures_b: Path, weights: Path, side: int, as_json: bool) -> None:
    """Distances of a model's translations to the target domain, in every direction that MODEL has."""
    try:
        alexnet = AlexNet(weights)
        a, b = squares(pictures_a, side), squares(pictures_b, side)
        sets = {"a2b": (a, b), "b2a": (b, a)}
        directions = [at for at in get_args(Direction) if at in read_info(resolve(model)).directions]
        found = {at: distances(model, at, *sets[at], alexnet) for at in directions}
    except I2IError as error:
        raise click.ClickException(str(error)) from error
    counts = {"a": len(a), "b": len(b)}
    document = {"model": model, "side": side, "pictures": counts, "distances": found}
    click.echo(json.dumps(document) if as_json else table(found))


if __name__ == "__main__":
    main()
