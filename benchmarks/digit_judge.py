"""A small classifier of handwritten digits: the judge of `digits.py`, and who learns in `augmentation.py`.

N digits, each (1, 28, 28).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save
from torch import Tensor, nn

from i2i.data.idx import idx_sets, read_idx
from i2i.errors import DataError
from i2i.images.atomic import replace_file

SIDE = 28
DIGITS = "0123456789"
SHIFT = 2  # pixels that a training digit is moved by at most, in each direction


class Judge(nn.Module):
    """(N, 1, 28, 28) in [-1, 1] -> (N, 10) logits."""

    def __init__(self, filters: int = 16) -> None:
        super().__init__()
        widths = [1, filters, 2 * filters, 4 * filters]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
            layers += [nn.MaxPool2d(2)]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(4 * filters * 9, 10))

    def forward(self, digits: Tensor) -> Tensor:
        """Logits of the ten classes."""
        return self.layers(digits)


class Labelled(NamedTuple):
    """Digits and what they are."""

    pictures: Tensor  # (N, 1, 28, 28) in [-1, 1]
    labels: Tensor  # (N,)


def read_digits(folder: Path, part: str) -> Labelled:
    """Those of MNIST's IDX files in a folder; `part` is train or t10k."""
    sets = idx_sets(folder)
    if part not in sets:
        raise DataError("no MNIST here.", where=folder, hint=f"It needs {part}-images-idx3-ubyte, packed or not.")
    found = read_idx(sets[part])
    return Labelled(in_range(torch.tensor(found.pixels).permute(0, 3, 1, 2)), torch.tensor(found.labels))


def in_range(pictures: Tensor) -> Tensor:
    """uint8 -> float32 in [-1, 1]."""
    return pictures.float() / 127.5 - 1


def as_digits(pictures: Tensor) -> Tensor:
    """(N, C, H, W) in [-1, 1] -> (N, 1, 28, 28): colours are averaged, other sizes are scaled."""
    gray = pictures.mean(1, keepdim=True)
    if gray.shape[-2:] != (SIDE, SIDE):
        gray = F.interpolate(gray, (SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)
    return gray


def learn(sets: Sequence[Labelled], *, steps: int, seed: int = 0, batch: int = 128, lr: float = 2e-3) -> Judge:
    """A judge that has learned from digits, moved about a little, of each set as many: Adam, the rate falls to 0."""
    torch.manual_seed(seed)
    judge = Judge()
    optimiser = torch.optim.Adam(judge.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        digits, labels = zip(*(drawn(one, batch // len(sets)) for one in sets), strict=True)
        loss = F.cross_entropy(judge(moved(torch.cat(digits))), torch.cat(labels))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return judge.eval()


def drawn(digits: Labelled, count: int) -> Labelled:
    """So many of them, each by chance."""
    chosen = torch.randint(len(digits.labels), (count,))
    return Labelled(digits.pictures[chosen], digits.labels[chosen])


def moved(digits: Tensor) -> Tensor:
    """The whole batch by up to two pixels, black at the rim."""
    top, left = torch.randint(2 * SHIFT + 1, (2,)).tolist()
    return F.pad(digits, (SHIFT,) * 4, value=-1.0)[..., top : top + SIDE, left : left + SIDE]


@torch.no_grad()
def probabilities(judge: Judge, digits: Tensor) -> Tensor:
    """(N, 10) of the classes."""
    return torch.cat([judge(part).softmax(1) for part in digits.split(500)])


def accuracy(judge: Judge, digits: Labelled) -> float:
    """Share of the digits whose class is told."""
    return float((probabilities(judge, digits.pictures).argmax(1) == digits.labels).double().mean())


def kept(file: Path, digits: Labelled, steps: int) -> Judge:
    """The judge in `file`; where there is none, one learns and is written there."""
    if not file.exists():
        replace_file(file, save(learn([digits], steps=steps).state_dict()))
    judge = Judge()
    judge.load_state_dict(load_file(file))
    return judge.eval()
