"""What a scratch costs to repair in a small and in a large photo.

python benchmarks/inpainting_scratch.py PHOTO [MODEL] [--megapixels 1,4,12] [--length 600] [--rounds 3] [--threads 1]
    [--json]

The photo is resized to so many megapixels each, and a scratch of the same length and 2 px is repaired in each: given
are the pixels that the network sees for it, the whole photo's pixels, and the median of the seconds of the rounds, for
the network alone and for everything from the picture in memory to the repaired one. Without MODEL the network is a
gated generator of 16 filters that has learned nothing: time does not depend on what it has learned.
"""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from i2i.config.networks import GatedConfig
from i2i.images.masks import Mask
from i2i.inference.inpainter import Inpainter, load_inpainter
from i2i.models.modelfile import ModelInfo
from i2i.networks.build import build

THICKNESS = 2  # pixels


class Counted(nn.Module):
    """A network that counts what it sees and how long it takes."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.pixels, self.seconds = 0, 0.0

    def forward(self, x: Tensor) -> Tensor:
        start = time.perf_counter()
        made = self.network(x)
        self.seconds += time.perf_counter() - start
        self.pixels += x.shape[2] * x.shape[3]
        return made


def untrained() -> Inpainter:
    """The network that stands for any other of its size."""
    config = GatedConfig(filters=16)
    info = ModelInfo(task="inpaint", directions=("fill",), networks={"fill": config}, multiple=8, minimum=8)
    return Inpainter(build(config), info, torch.device("cpu"))


def resized(photo: Path, megapixels: float) -> np.ndarray:
    """(H, W, 3) of about so many megapixels."""
    with Image.open(photo) as image:
        ratio = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
        size = round(image.width * ratio), round(image.height * ratio)
        return np.asarray(image.convert("RGB").resize(size, Image.Resampling.BICUBIC))


def scratch(height: int, width: int, length: int) -> Mask:
    """A line across the middle that falls a little."""
    drawn = np.zeros((height, width), dtype=np.uint8)
    left, top = (width - length) // 2, height // 2
    cv2.line(drawn, (left, top), (left + length, top + length // 10), 1, THICKNESS)
    return drawn > 0


def measure(inpainter: Inpainter, photo: Path, megapixels: float, length: int, rounds: int) -> dict[str, Any]:
    """A row of the table."""
    pixels = resized(photo, megapixels)
    mask = scratch(*pixels.shape[:2], length)
    network = inpainter.network
    counted = inpainter.network = Counted(network)
    all_seconds, network_seconds = [], []
    for _ in range(rounds):
        counted.pixels, counted.seconds = 0, 0.0
        start = time.perf_counter()
        made = inpainter(pixels, mask)
        all_seconds.append(time.perf_counter() - start)
        network_seconds.append(counted.seconds)
        assert np.array_equal(made[~mask], pixels[~mask])
    inpainter.network = network
    row = {"photo": f"{pixels.shape[1]}x{pixels.shape[0]}", "hole_pixels": int(mask.sum())}
    row |= {"network_pixels": counted.pixels, "photo_pixels": mask.size}
    seconds = {"network_seconds": network_seconds, "all_seconds": all_seconds}
    return row | {name: round(statistics.median(values), 2) for name, values in seconds.items()}


def table(rows: list[dict[str, Any]]) -> str:
    """A line for each row."""
    lines = ["photo  hole px  network Mpx  of the photo  network s  all s"]
    for row in rows:
        share = row["network_pixels"] / row["photo_pixels"]
        parts = [row["photo"], row["hole_pixels"], f"{row['network_pixels'] / 1e6:.2f}", f"{share:.0%}"]
        lines.append("  ".join(map(str, [*parts, row["network_seconds"], row["all_seconds"]])))
    return "\n".join(lines)


@click.command(help=__doc__)
@click.argument("photo", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("model", required=False)
@click.option("--megapixels", default="1,4,12", show_default=True)
@click.option("--length", type=int, default=600, show_default=True, help="Of the scratch, in pixels.")
@click.option("--rounds", type=int, default=3, show_default=True)
@click.option("--threads", type=int, default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(
    photo: Path, model: str | None, megapixels: str, length: int, rounds: int, threads: int, as_json: bool
) -> None:
    """See above."""
    torch.set_num_threads(threads)
    inpainter = load_inpainter(model, device="cpu") if model else untrained()
    sizes = [float(text) for text in megapixels.split(",")]
    rows = [measure(inpainter, photo, size, length, rounds) for size in sizes]
    click.echo(json.dumps(rows) if as_json else table(rows))


if __name__ == "__main__":
    main()
