"""How different two pictures look: LPIPS, version 0.1, by AlexNet. C channels, H x W pixels.

Zhang, Isola, Efros, Shechtman, Wang 2018, The unreasonable effectiveness of deep features as a perceptual metric,
equation 1. The weights of its channels lie beside this file.
"""

from __future__ import annotations

from collections.abc import Callable
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

    def __call__(self, made: Pixels, truth: Pixels) -> float:
        """The distance of two (H, W, 3) pictures of 31 px or more: 0 for equal ones, seldom above 1; symmetric."""
        return self.towards(truth)(made)

    def towards(self, truth: Pixels) -> Callable[[Pixels], float]:
        """The distance from one picture, which is looked at once, to any that was made."""
        theirs = self._seen(truth)

        def distance(made: Pixels) -> float:
            ours, total = self._seen(made), 0.0
            for layer, weights in self.weights.items():
                gap = (ours[layer] - theirs[layer]).square().flatten(1)  # (C, places)
                total += float((weights @ gap).mean())
            return total

        return distance

    @torch.inference_mode()
    def _seen(self, picture: Pixels) -> dict[str, Tensor]:
        """The features of each measured layer, one long at each place: (C, h, w)."""
        features = self.alexnet.features(picture)
        return {layer: _unit(features[layer]) for layer in self.weights}


def _unit(features: Tensor) -> Tensor:
    """(C, h, w) with the features of each place made one long."""
    return features / (features.square().sum(0).sqrt() + EPSILON)
