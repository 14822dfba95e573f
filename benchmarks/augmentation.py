"""Do synthetic digits help a classifier that has few real ones?

    python benchmarks/augmentation.py choose mnist/ few/ --per-class 50
    i2i train dcgan few/ --conditional -o runs/few
    i2i generate runs/few -o synthetic/ --per-class 500
    python benchmarks/augmentation.py measure few/ mnist/ synthetic/

`choose` writes so many training digits of each class as pictures. `measure` trains a small classifier on the pictures
in REAL, alone and together with those of each SYNTHETIC (both have a sub-folder for each class), and gives its
accuracy on MNIST's test digits in DATA: median and range over the seeds, by which its weights and batches are drawn.
All have the same number of steps, on digits that are moved about a little; synthetic digits are half of each batch.

A model that makes synthetic digits must have seen no other real ones than those in REAL, or what helps are the digits
that it has seen besides: a model of all 20,000 shows how much that would be, and its row is no fair one.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median

import click
import numpy as np
import torch
from digit_judge import DIGITS, Labelled, accuracy, as_digits, in_range, learn, read_digits

from i2i.errors import DataError, I2IError, UsageError
from i2i.images.files import read, write
from i2i.images.picture import Picture


def chosen(digits: Labelled, per_class: int, seed: int) -> Labelled:
    """So many of each class, drawn by the seed."""
    order = torch.randperm(len(digits.pictures), generator=torch.Generator().manual_seed(seed))
    labels = digits.labels[order]
    few = torch.cat([order[labels == number][:per_class] for number in range(len(DIGITS))])
    if len(few) < per_class * len(DIGITS):
        raise UsageError(f"there are not {per_class} digits of each class.", hint="Ask for fewer with --per-class.")
    return Labelled(digits.pictures[few], digits.labels[few])


def read_folder(folder: Path, per_class: int | None) -> Labelled:
    """The pictures in the sub-folders 0 to 9, the first so many of each."""
    pictures, labels = [], []
    for number, name in enumerate(DIGITS):
        files = sorted((folder / name).glob("*.png"))[:per_class]
        if not files or len(files) < (per_class or 0):
            what = f"has {len(files)} PNG files" + (f", and {per_class} are asked for." if per_class else ".")
            raise DataError(what, where=folder / name)
        pictures += [torch.tensor(read(file).pixels) for file in files]
        labels += [number] * len(files)
    stacked = torch.stack(pictures).reshape(len(pictures), *pictures[0].shape[:2], -1)  # (N, H, W, C)
    return Labelled(as_digits(in_range(stacked.permute(0, 3, 1, 2))), torch.tensor(labels))


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--per-class", type=click.IntRange(1), default=50, show_default=True)
@click.option("--seed", default=0, show_default=True, help="Of the choice.")
def choose(data: Path, out: Path, per_class: int, seed: int) -> None:
    """Write few of MNIST's training digits as pictures, a folder for each class."""
    if out.exists():
        raise UsageError("is there already, and digits of two choices would be mixed.", where=out)
    few = chosen(read_digits(data, "train"), per_class, seed)
    pixels = ((few.pictures[:, 0] + 1) * 127.5).round().to(torch.uint8).numpy()
    for number, (digit, label) in enumerate(zip(pixels, few.labels.tolist(), strict=True)):
        folder = out / DIGITS[label]
        folder.mkdir(parents=True, exist_ok=True)
        write(Picture(np.ascontiguousarray(digit[:, :, None])), folder / f"{number % per_class:04}.png")


@main.command()
@click.argument("real", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("synthetic", nargs=-1, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--per-class", type=click.IntRange(1), help="Synthetic digits of each class (default: all).")
@click.option("--seeds", default=5, show_default=True, help="Trainings of each row.")
@click.option("--steps", default=500, show_default=True, help="Batches of 64 digits.")
@click.option("--json", "as_json", is_flag=True)
def measure(
    real: Path, data: Path, synthetic: tuple[Path, ...], per_class: int | None, seeds: int, steps: int, as_json: bool
) -> None:
    """Train classifiers with and without synthetic digits."""
    few, test = read_folder(real, None), read_digits(data, "t10k")
    rows = {"real alone": [few]}
    rows |= {f"and {folder}": [few, read_folder(folder, per_class)] for folder in synthetic}
    found = {
        name: [accuracy(learn(sets, steps=steps, seed=seed, batch=64), test) for seed in range(seeds)]
        for name, sets in rows.items()
    }
    if as_json:
        print(json.dumps({"real": len(few.pictures), "steps": steps, "accuracy": found}, indent=2))
        return
    print(f"{len(few.pictures)} real digits, accuracy on {len(test.pictures)} others, {seeds} seeds")
    for name, values in found.items():
        print(f"{name:32} {median(values):.2%} ({min(values):.2%}-{max(values):.2%})")


if __name__ == "__main__":
    try:
        main()
    except I2IError as error:
        raise SystemExit(f"{error}") from error
