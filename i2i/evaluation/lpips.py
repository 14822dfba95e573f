"""How different two pictures look: LPIPS, version 0.1, by AlexNet. C channels, H x W pixels.

Zhang, Isola, Efros, Shechtman, Wang 2018, The unreasonable effectiveness of deep features as a perceptual metric,
equation 1. The weights of its channels lie beside this file.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from i2i.evaluation.alexnet import AlexNet
from i2i.images.picture import Pixels

CHANNEL_WEIGHTS = Path(__file__).with_name("lpips_alex.safetensors")
DOWNLOADED = "alexnet-owt-7be5be79.pth"  # what torchvision calls its file
EPSILON = 1e-10  # of the length of a place's features


def torchvision_features() -> Path | None:
    """Where torchvision has put the AlexNet that it was asked for some time; None where it was not."""
    path = Path(torch.hub.get_dir(), "checkpoints", DOWNLOADED)
    return path if path.is_file() else None


class Lpips:
    """Call it with two pictures of one size. `features` is a file as `AlexNet` takes it, and raises ModelError too."""

    SMALLEST = AlexNet.SMALLEST

    def __init__(self, features: str | PathLike[str]) -> None:
        self.alexnet = AlexNet(features)
        self.weights = load_file(CHANNEL_WEIGHTS)  # layer -> (C,), none below 0

    @torch.inference_mode()
    def __call__(self, made: Pixels, truth: Pixels) -> float:
        """The distance of two (H, W, 3) pictures of 31 px or more: 0 for equal ones, seldom above 1; symmetric."""
        ours, theirs = self.alexnet.features(made), self.alexnet.features(truth)
        distance = 0.0
        for layer, weights in self.weights.items():
            gap = (_unit(ours[layer]) - _unit(theirs[layer])).square().flatten(1)  # (C, places)
            distance += float((weights @ gap).mean())
        return distance


def _unit(features: Tensor) -> Tensor:
    """(C, h, w) with the features of each place made one long."""
    return features / (features.square().sum(0).sqrt() + EPSILON)
