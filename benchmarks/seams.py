"""What tiles do to a picture, and what is done about it: differences to the whole picture, and a sheet to look at.

python benchmarks/seams.py PHOTO --model monet2photo --direction b2a --tile 256 --sheet seams.png
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from i2i.images.files import read
from i2i.inference.tiling import blocks
from i2i.inference.translator import Translator, load
from i2i.inference.ways import Running
from i2i.networks.extent import Extent


def main() -> None:
    arguments = parsed()
    pixels = read(arguments.photo).rgb()

    def translator(running: Running, memory: int | None = None) -> Translator:
        loaded = load(arguments.model, device="cpu", direction=arguments.direction, running=running)
        return (
            loaded
            if memory is None
            else Translator(
                loaded.network, loaded.info, loaded.direction, loaded.device, memory=memory, running=running
            )
        )

    whole = translator(Running(tile=0))
    ways: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "whole": whole,
        "plain tiles, overlap 0": lambda picture: plain(whole, picture, arguments.tile, 0),
        "plain tiles, overlap 64": lambda picture: plain(whole, picture, arguments.tile, 64),
        "i2i, in tiles": translator(Running(tile=arguments.tile)),
        "i2i, sampled statistics": translator(Running(), memory=1_000_000),
    }
    made, rows = {}, []
    for name, way in ways.items():
        start = time.perf_counter()
        made[name] = way(pixels)
        rows.append(row(name, made[name], made["whole"], arguments.tile) | {"seconds": time.perf_counter() - start})
    if arguments.sheet:
        Image.fromarray(sheet(made, arguments.tile)).save(arguments.sheet)
    print(json.dumps(rows) if arguments.json else "\n".join(map(line, rows)))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--model", default="monet2photo")
    parser.add_argument("--direction")
    parser.add_argument("--tile", type=int, default=256)
    parser.add_argument("--sheet", type=Path, help="the middle of each, one below the other")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def plain(translate: Translator, pixels: np.ndarray, tile: int, overlap: int) -> np.ndarray:
    """Tiles that are pictures of their own; what they have in common with their neighbours is cut off."""
    result = np.empty_like(pixels)
    size = Extent(reach=overlap, scale=1, step=4, values=1, last=1)
    for core, around in blocks(pixels.shape[0] // 4 * 4, pixels.shape[1] // 4 * 4, tile, size):
        made = translate(np.ascontiguousarray(pixels[around.slices()]))
        rows = slice(core.top - around.top, core.bottom - around.top)
        result[core.slices()] = made[rows, core.left - around.left : core.right - around.left]
    return result


def row(name: str, picture: np.ndarray, whole: np.ndarray, tile: int) -> dict[str, float | str]:
    difference = np.abs(picture.astype(int) - whole)
    return {
        "way": name,
        "largest": int(difference.max()),
        "mean": float(difference.mean()),
        "step": steps(picture, tile) / steps(whole, tile),
    }


def steps(picture: np.ndarray, tile: int) -> float:
    """The mean step across the lines between tiles."""
    lines = range(tile, picture.shape[1] - 1, tile)
    return float(np.mean([np.abs(picture[:, x].astype(int) - picture[:, x - 1]) for x in lines]))


def line(found: dict[str, float | str]) -> str:
    return (
        f"{found['way']:<26} largest {found['largest']:>3}   mean {found['mean']:7.4f}   "
        f"step at tile lines x{found['step']:.2f}   {found['seconds']:.1f} s"
    )


def sheet(made: dict[str, np.ndarray], tile: int) -> np.ndarray:
    """Around the first crossing of tile lines, at 100 %."""
    half = min(150, tile // 2)
    crops = [picture[tile - half : tile + half, tile - half : tile + half] for picture in made.values()]
    return np.concatenate(crops, axis=1)


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
