"""How near models of pairs come to the true pictures, beside what needs no network.

    python benchmarks/paired_translation.py facades/ runs/facades runs/l1 --lpips alexnet_features.safetensors

PSNR and SSIM of RGB, and LPIPS, each the mean over the held-out pairs of DATA (all of them where none are held out), on
the middle squares of `--side` pixels. `input` is the input taken for the result (gray is repeated), `mean` the mean of
all training targets. Higher is nearer for PSNR and SSIM, lower for LPIPS. `--sheet` draws inputs, results and truth.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean

import click
import numpy as np
import torch
from torch import Tensor

from i2i.config.data import PairedConfig
from i2i.data.paired_opening import open_paired
from i2i.engine.sheet import sheet
from i2i.errors import I2IError
from i2i.evaluation.fidelity import ssim
from i2i.evaluation.lpips import Lpips
from i2i.images.files import write
from i2i.images.picture import Picture
from i2i.inference.translator import load
from i2i.losses.reconstruction import psnr

Figures = dict[str, float]


def figures(made: Tensor, truth: Tensor, lpips: Lpips | None) -> Figures:
    """Of (N, 3, H, W) uint8 each: means over the pictures."""
    unit, true = made.double() / 255, truth.double() / 255
    found = {
        "psnr": float(psnr(unit, true)),
        "ssim": fmean(ssim(a[None], b[None]) for a, b in zip(unit, true, strict=True)),
    }
    if lpips:
        pairs = zip(made.permute(0, 2, 3, 1).numpy(), truth.permute(0, 2, 3, 1).numpy(), strict=True)
        found["lpips"] = fmean(lpips(np.ascontiguousarray(a), np.ascontiguousarray(b)) for a, b in pairs)
    return found


def translated(model: str, inputs: Tensor) -> Tensor:
    """(N, C, H, W) uint8 -> (N, 3, H, W) uint8."""
    translator = load(model, device="cpu")
    made = [translator(np.ascontiguousarray(picture.permute(1, 2, 0).numpy())) for picture in inputs]
    return colour(torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2))


def colour(pictures: Tensor) -> Tensor:
    """Gray repeated."""
    return pictures.expand(-1, 3, -1, -1)


@click.command(help=__doc__)
@click.argument("data", type=click.Path(exists=True))
@click.argument("models", nargs=-1)
@click.option("--pairs", default="auto", help="As for i2i train pix2pix.")
@click.option("--direction", type=click.Choice(["a2b", "b2a"]), default="a2b", show_default=True)
@click.option("--gray", is_flag=True, help="Inputs have one channel.")
@click.option("--side", default=256, show_default=True)
@click.option("--transform", type=click.Choice(["squash", "keep"]), default="squash", show_default=True)
@click.option("--lpips", type=click.Path(exists=True), help="AlexNet's features.")
@click.option("--sheet", "drawn", type=click.Path(path_type=Path), help="A picture file.")
@click.option("--rows", default=8, show_default=True, help="Pairs on the sheet.")
@click.option("--json", "as_json", is_flag=True)
def main(
    data: str, models: tuple[str, ...], pairs: str, direction: str, gray: bool, side: int, transform: str,
    lpips: str | None, drawn: Path | None, rows: int, as_json: bool,
) -> None:  # fmt: skip
    config = PairedConfig.model_validate(
        {"path": data, "pairs": pairs, "size": side, "load": side, "transform": transform, "flip": False}
    )
    opened = open_paired(config, channels=(1 if gray else 3, 3), direction=direction)
    held_out = opened.val or opened.train
    inputs, truth = held_out.fixed(len(held_out))
    columns = {"input": colour(inputs)}
    if opened.val:
        targets = opened.train.fixed(len(opened.train)).real_b
        columns["mean"] = targets.double().mean(0, keepdim=True).round().to(torch.uint8).expand_as(truth)
    columns |= {model: translated(model, inputs) for model in models}
    measure = Lpips(lpips) if lpips else None
    found = {name: figures(made, truth, measure) for name, made in columns.items()}
    if drawn:
        write(
            Picture(sheet({name: made[:rows] for name, made in (columns | {"truth": truth}).items()}, (0, 255))), drawn
        )
    if as_json:
        print(json.dumps({"pairs": len(truth), "side": side, "figures": found}, indent=2))
        return
    print(f"{len(truth)} pairs, {side} px")
    for name, row in found.items():
        print(f"  {name:32} " + "  ".join(f"{key} {value:.3f}" for key, value in row.items()))


if __name__ == "__main__":
    try:
        main()
    except I2IError as error:
        raise SystemExit(f"{error}") from error
