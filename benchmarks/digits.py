"""Are digits drawn from noise digits, all ten of them, and as asked?

    python benchmarks/digits.py mnist/ runs/dcgan runs/wgan-gp --judge digits-judge.safetensors --sheet digits.png

A small classifier that has learned from MNIST's real digits in DATA (IDX files, packed or not) judges what each model
draws. `--judge` is the file of its weights: made in a few minutes where it is not there, and read from then on. Where
it tells less than 98.5 % of the test digits, nothing is judged.

Given are, for the real test digits and for the digits of each model: the share of each class, the classes with at
least 4 % (`covered`), the mean confidence in the likeliest class, for a model with classes the share drawn as asked
(equally many of each), and the distance to the nearest training digit, the root of the mean squared difference in
gray levels of 255, median and smallest of 1,000 digits. A model that copies is much nearer than real test digits are.
`--sheet` draws the first digits of each.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
import torch
from digit_judge import DIGITS, SIDE, Judge, accuracy, as_digits, in_range, kept, probabilities, read_digits
from torch import Tensor

from i2i.engine.sheet import sheet
from i2i.errors import I2IError, UsageError
from i2i.images.files import write
from i2i.images.picture import Picture
from i2i.inference.generator import load_generator
from i2i.inference.samples import Sampling

NEEDED = 0.985  # accuracy of the judge
COVERED = 0.04  # share of the digits that a class must have
COMPARED = 1000  # digits whose nearest training digit is looked for
BATCH = 250


@dataclass(frozen=True)
class Judged:
    """What the judge makes of digits."""

    shares: tuple[float, ...]  # of the ten classes
    covered: int
    confidence: float
    as_asked: float | None  # None without classes
    nearest: float  # median, gray levels
    smallest: float


def judged(judge: Judge, digits: Tensor, asked: Tensor | None, training: Tensor) -> Judged:
    """(N, 1, 28, 28) in [-1, 1], the classes that were asked for, and the real digits that might be copies' origin."""
    sure, told = probabilities(judge, digits).max(1)
    shares = (torch.bincount(told, minlength=10).double() / len(told)).tolist()
    distances = to_nearest(digits[:COMPARED], training)
    return Judged(
        tuple(shares),
        sum(share >= COVERED for share in shares),
        float(sure.double().mean()),
        None if asked is None else float((told == asked).double().mean()),
        float(distances.median()),
        float(distances.min()),
    )


def to_nearest(digits: Tensor, training: Tensor) -> Tensor:
    """(N,) root mean squared differences to the nearest of the training digits, in gray levels of 255."""
    parts = [torch.cdist(part.flatten(1), training.flatten(1)).amin(1) for part in digits.split(BATCH)]
    return torch.cat(parts) * (127.5 / digits[0].numel() ** 0.5)


def drawn(model: str, samples: int, seed: int) -> tuple[Tensor, Tensor | None]:
    """Digits of a model file or run, and their classes where it has any: each in turn, so equally many of each."""
    generator = load_generator(model, device="cpu")
    asked = Sampling(count=samples, seed=seed).samples(generator.classes, generator.name)
    made = [picture.pixels for group in generator.groups(asked) for picture in generator.made(group, seed)]
    digits = as_digits(in_range(torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2)))
    if not generator.classes:
        return digits, None
    return digits, numbers(generator.classes)[[sample.label or 0 for sample in asked]]


def numbers(classes: tuple[str, ...]) -> Tensor:
    """The digit that each class stands for."""
    if not all(name in DIGITS for name in classes):
        raise UsageError(f"classes {', '.join(classes)} are not all digits.")
    return torch.tensor([DIGITS.index(name) for name in classes])


def grid(digits: Tensor) -> Tensor:
    """The first hundred as one picture: ten in a row, so that of a model with ten classes each has a column."""
    rows = digits[:100].unflatten(0, (10, 10))  # (10, 10, 1, 28, 28)
    return rows.permute(2, 0, 3, 1, 4).reshape(1, 1, 10 * SIDE, 10 * SIDE)


def line(name: str, found: Judged) -> str:
    """A row of the table."""
    shares = " ".join(f"{100 * share:4.1f}" for share in found.shares)
    asked = "   -" if found.as_asked is None else f"{100 * found.as_asked:.1f}"
    near = f"{found.nearest:8.1f} {found.smallest:9.1f}"
    return f"{name:28} {shares} {found.covered:8} {found.confidence:11.3f} {asked:>9} {near}"


@click.command(help=__doc__)
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("models", nargs=-1)
@click.option("--judge", "file", type=click.Path(path_type=Path), required=True, help="File of the judge's weights.")
@click.option("--judge-steps", default=2000, show_default=True, help="Batches of 128 that a new judge learns from.")
@click.option("--samples", type=click.IntRange(100), default=10_000, show_default=True, help="Digits of each model.")
@click.option("--seed", default=0, show_default=True, help="Of the noise.")
@click.option("--sheet", "picture", type=click.Path(path_type=Path), help="A picture file.")
@click.option("--json", "as_json", is_flag=True)
def main(
    data: Path, models: tuple[str, ...], file: Path, judge_steps: int, samples: int, seed: int,
    picture: Path | None, as_json: bool,
) -> None:  # fmt: skip
    training, real = read_digits(data, "train"), read_digits(data, "t10k")
    judge = kept(file, training, judge_steps)
    right = accuracy(judge, real)
    if right < NEEDED:
        raise UsageError(
            f"the judge tells only {right:.2%} of the test digits.", where=file, hint="Take the file away."
        )
    sets: dict[str, tuple[Tensor, Tensor | None]] = {
        "real test digits": (real.pictures[:samples], real.labels[:samples])
    }
    sets |= {model: drawn(model, samples, seed) for model in models}
    found = {name: judged(judge, digits, asked, training.pictures) for name, (digits, asked) in sets.items()}
    if picture:
        write(Picture(sheet({name: grid(digits) for name, (digits, _) in sets.items()}, (-1, 1))), picture)
    if as_json:
        rows = {name: asdict(one) for name, one in found.items()}
        print(json.dumps({"judge": right, "samples": samples, "seed": seed, "figures": rows}, indent=2))
        return
    print(f"judge: {right:.2%} of the test digits; {samples} digits of each model")
    shares = " ".join(f"{digit:>4}" for digit in DIGITS)
    print(f"{'% of each class':28} {shares} covered  confidence   as asked  nearest  smallest")
    for name, one in found.items():
        print(line(name, one))


if __name__ == "__main__":
    try:
        main()
    except I2IError as error:
        raise SystemExit(f"{error}") from error
