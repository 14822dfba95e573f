"""AlexNet's convolutions, which distances between pictures are measured by. C channels, H x W pixels."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from i2i.errors import ModelError
from i2i.images.picture import Pixels
from i2i.losses.perceptual import IMAGENET_DEVIATION, IMAGENET_MEAN
from i2i.models.pickles import dense_tensors


class Layer(NamedTuple):
    """A convolution with its ReLU; a `pooled` one takes the maxima of 3 x 3 at every second place first."""

    name: str
    convolution: str  # its name in the file
    channels: int
    side: int
    stride: int
    padding: int
    pooled: bool = False


class AlexNet:
    """The convolutions of AlexNet with ImageNet weights (torchvision's names), up to the fifth (Krizhevsky 2014).

    `path` is a safetensors file with `features.0.weight` and so on, or torchvision's own .pth; half precision is
    computed in single. Raises ModelError for a file that holds something else.
    """

    LAYERS = (
        Layer("conv1", "features.0", channels=64, side=11, stride=4, padding=2),
        Layer("conv2", "features.3", channels=192, side=5, stride=1, padding=2, pooled=True),
        Layer("conv3", "features.6", channels=384, side=3, stride=1, padding=1, pooled=True),
        Layer("conv4", "features.8", channels=256, side=3, stride=1, padding=1),
        Layer("conv5", "features.10", channels=256, side=3, stride=1, padding=1),
    )
    SMALLEST = 31  # side in pixels: of less, nothing is left after the second maximum

    def __init__(self, path: str | PathLike[str]) -> None:
        try:
            weights = dense_tensors(Path(path)) if Path(path).suffix == ".pth" else load_file(path)
            names = [layer.convolution for layer in self.LAYERS]
            self.weights = {name: weights[f"{name}.weight"].float() for name in names}
            self.biases = {name: weights[f"{name}.bias"].float() for name in names}
            self._check_shapes()
        except (OSError, SafetensorError, KeyError, ModelError) as error:
            hint = "Give torchvision's AlexNet features, as safetensors or .pth."
            raise ModelError("no AlexNet weights.", where=path, hint=hint) from error

    def _check_shapes(self) -> None:
        before = 3
        for layer in self.LAYERS:
            shapes = self.weights[layer.convolution].shape, self.biases[layer.convolution].shape
            if shapes != ((layer.channels, before, layer.side, layer.side), (layer.channels,)):
                raise KeyError(layer.convolution)
            before = layer.channels

    @torch.inference_mode()
    def features(self, picture: Pixels) -> dict[str, Tensor]:
        """The layers of one (H, W, 3) picture of 31 px or more, by name, after their ReLU: (C, h, w) each."""
        x = torch.tensor(picture, dtype=torch.float32).permute(2, 0, 1) / 255  # (3, H, W)
        x = (x - torch.tensor(IMAGENET_MEAN)[:, None, None]) / torch.tensor(IMAGENET_DEVIATION)[:, None, None]
        found = {}
        for layer in self.LAYERS:
            if layer.pooled:
                x = F.max_pool2d(x, 3, stride=2)
            weights, biases = self.weights[layer.convolution], self.biases[layer.convolution]
            x = F.conv2d(x[None], weights, biases, layer.stride, layer.padding)[0].relu()  # (C, h, w)
            found[layer.name] = x
        return found
