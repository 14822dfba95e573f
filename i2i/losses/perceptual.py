"""Perceptual and style loss: pictures compared by the features of a VGG network with ImageNet weights.

Johnson et al. 2016; the network is that of Simonyan and Zisserman 2015. Features before their ReLU are those of Wang et
al. 2018 (ESRGAN), after it those of Ledig et al. 2017. Style is what the Gram matrices of Gatys et al. 2016 hold, here
divided by C H W as by Johnson et al. N batch, C channels, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from i2i.config.perceptual import CONVOLUTIONS, VGG, PerceptualConfig
from i2i.errors import ConfigError
from i2i.losses.precise import precise

Comparison = Literal["perceptual", "style"]
WIDTHS = (64, 128, 256, 512, 512)  # channels of the blocks
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
DOWNLOADED: dict[VGG, str] = {"vgg19": "vgg19-dcbb9e9d.pth", "vgg16": "vgg16-397923af.pth"}  # by torchvision
NAME_ANOTHER = "Name another with --features FILE."
FLOOR = 1e-3  # a plain picture may leave a layer dark: its difference is not divided by nothing


class Convolution(NamedTuple):
    """A 3 x 3 convolution of VGG with its ReLU; a `pooled` one takes the maxima of 2 x 2 first."""

    place: str  # block and number: 3_4
    name: str  # in torchvision's files
    shape: tuple[int, ...]  # of its weight
    pooled: bool


class Perceptual:
    """Call it with fake and real pictures for the weighted sum of the mean differences of their features.

    `compare` names the losses of `losses`. A plain object, so that a method that holds it neither saves nor counts its
    weights; they follow the pictures' device. Raises ConfigError where the weights are not at hand, are none, or end
    before a wanted layer.
    """

    def __init__(self, config: PerceptualConfig, compare: Iterable[Comparison] = ("perceptual",)) -> None:
        self.config, self.compare = config, tuple(compare)
        weights = {"perceptual": config.layer_weights, "style": config.style_weights}
        self.layers = list(dict.fromkeys(name for comparison in self.compare for name in weights[comparison]))
        found = _read(_file(config))
        self.convolutions = _needed(config, self.layers, found)
        self._tensors = {
            "mean": torch.tensor(IMAGENET_MEAN, device="cpu").view(3, 1, 1),
            "deviation": torch.tensor(IMAGENET_DEVIATION, device="cpu").view(3, 1, 1),
        }
        for convolution in self.convolutions:
            for kind in ("weight", "bias"):
                key = f"{convolution.name}.{kind}"
                self._tensors[key] = found[key].detach().float().clone()

    def __call__(self, fake: Tensor, real: Tensor) -> Tensor:
        """(N, 3, H, W) or gray (N, 1, H, W) in [0, 1] each -> the scalar perceptual loss, see `losses`."""
        return self.losses(fake, real)["perceptual"]

    def losses(self, fake: Tensor, real: Tensor) -> dict[Comparison, Tensor]:
        """(N, 3, H, W) or gray (N, 1, H, W) in [0, 1] each -> the scalar of each loss in `compare`.

        One pass of features for all. Values beyond [0, 1] are taken as they are. Block 5 needs sides of 16 px. Computed
        in float32 at least; only `fake` gets a gradient.
        """
        with torch.autocast(fake.device.type, enabled=False):
            with torch.no_grad():
                wanted = self.features(precise(real))
            found = self.features(precise(fake))
            return {comparison: self._loss(comparison, found, wanted) for comparison in self.compare}

    def _loss(self, comparison: Comparison, fake: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> Tensor:
        match comparison:
            case "perceptual":
                weights, distance = self.config.layer_weights, self.config.distance
                return perceptual_loss(fake, real, weights, distance, normalise=self.config.normalise)
            case "style":
                return style_loss(fake, real, self.config.style_weights, normalise=self.config.normalise)

    def features(self, pictures: Tensor) -> dict[str, Tensor]:
        """The layers that count, by name, of (N, 3 or 1, H, W) in [0, 1]: (N, C, H/2^b, W/2^b) in block b + 1."""
        tensors = self._beside(pictures)
        x = (pictures.expand(-1, 3, -1, -1) - tensors["mean"]) / tensors["deviation"]  # (N, 3, H, W)
        found = {}
        for convolution in self.convolutions:
            if convolution.pooled:
                x = F.max_pool2d(x, 2)
            x = F.conv2d(x, tensors[f"{convolution.name}.weight"], tensors[f"{convolution.name}.bias"], padding=1)
            found[f"conv{convolution.place}"] = x
            x = F.relu(x)  # out of place: what was found before it stays as it is
            found[f"relu{convolution.place}"] = x
        return {name: found[name] for name in self.layers}

    def _beside(self, pictures: Tensor) -> dict[str, Tensor]:
        """All constants in the pictures' type on their device, from where they are moved only once."""
        some = self._tensors["mean"]
        if (some.device, some.dtype) != (pictures.device, pictures.dtype):
            self._tensors = {key: tensor.to(pictures) for key, tensor in self._tensors.items()}
        return self._tensors


def perceptual_loss(
    fake: Mapping[str, Tensor],
    real: Mapping[str, Tensor],
    weights: Mapping[str, float],
    distance: Literal["l1", "l2"] = "l1",
    *,
    normalise: bool = False,
) -> Tensor:
    """The weighted sum over layers of the mean absolute or squared differences of (N, C, H, W) features.

    Normalised, each sample's difference is divided by the mean magnitude of its own real features, so samples stay
    apart.
    """
    gaps = []
    for name, weight in weights.items():
        gap = fake[name] - real[name]
        if normalise:
            gap = gap / _magnitude(real[name])
        gaps.append(weight * (gap.abs().mean() if distance == "l1" else gap.square().mean()))
    return torch.stack(gaps).sum()


def style_loss(
    fake: Mapping[str, Tensor], real: Mapping[str, Tensor], weights: Mapping[str, float], *, normalise: bool = False
) -> Tensor:
    """The weighted sum over layers of |gram(fake) - gram(real)|^2 (Frobenius), mean over N, of (N, C, H, W) features.

    Normalised, the features of both are divided by the mean magnitude of the real ones, sample by sample. Fake and real
    may differ in H and W.
    """
    gaps = []
    for name, weight in weights.items():
        gap = gram(fake[name]) - gram(real[name])  # (N, C, C)
        if normalise:
            gap = gap / _magnitude(real[name]).square().squeeze(1)
        gaps.append(weight * gap.square().sum((1, 2)).mean())
    return torch.stack(gaps).sum()


def gram(features: Tensor) -> Tensor:
    """F F^T / (C H W) of each sample's C x HW matrix F: (N, C, H, W) -> (N, C, C), in float32 at least."""
    with torch.autocast(features.device.type, enabled=False):
        flat = precise(features).flatten(2)  # (N, C, HW)
        return flat @ flat.mT / flat[0].numel()


def _magnitude(features: Tensor) -> Tensor:
    return features.abs().mean((1, 2, 3), keepdim=True).clamp(min=FLOOR)  # (N, 1, 1, 1)


def _convolutions(network: VGG) -> Iterator[Convolution]:
    """All of them in order. torchvision counts convolutions, ReLUs and poolings alike."""
    index, channels = 0, 3
    for block, (count, width) in enumerate(zip(CONVOLUTIONS[network], WIDTHS, strict=True), start=1):
        for number in range(1, count + 1):
            pooled = block > 1 and number == 1
            yield Convolution(f"{block}_{number}", f"features.{index}", (width, channels, 3, 3), pooled)
            index, channels = index + 2, width
        index += 1


def _needed(config: PerceptualConfig, layers: list[str], found: Mapping[str, Any]) -> list[Convolution]:
    """The convolutions up to the last of the layers."""
    there = list(takewhile(lambda convolution: _fits(convolution, found), _convolutions(config.network)))
    if not there:
        raise ConfigError(f"holds no weights of {config.network}.", where=_file(config), hint=_how(config))
    places = [convolution.place for convolution in there]
    missing = [name for name in layers if name[4:] not in places]
    if missing:
        what = f"has no layer {missing[0]} of {config.network}."
        names = ", ".join(f"conv{place}" for place in places)
        hint = f"Weigh layers that it has: {names}, and relu1_1 to relu{places[-1]}."
        raise ConfigError(what, where=_file(config), hint=hint)
    return there[: 1 + max(places.index(name[4:]) for name in layers)]


def _fits(convolution: Convolution, found: Mapping[str, Any]) -> bool:
    weight, bias = (found.get(f"{convolution.name}.{kind}") for kind in ("weight", "bias"))
    if not isinstance(weight, Tensor) or not isinstance(bias, Tensor):
        return False
    return weight.shape == convolution.shape and bias.shape == convolution.shape[:1]


def _file(config: PerceptualConfig) -> Path:
    """The file that was named, else where torchvision has put its own. Nothing is downloaded."""
    if config.weights is not None:
        return Path(config.weights)
    path = Path(torch.hub.get_dir(), "checkpoints", DOWNLOADED[config.network])
    if not path.is_file():
        raise ConfigError(f"the weights of {config.network} for the perceptual loss are not here.", hint=_how(config))
    return path


def _how(config: PerceptualConfig) -> str:
    fetching = f"""python -c 'import torchvision; torchvision.models.{config.network}(weights="DEFAULT")'"""
    return f"Give them with --features FILE, or let torchvision fetch its own once: {fetching}"


def _read(path: Path) -> dict[str, Any]:
    """What a file of weights holds, by name, on the CPU."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path, device="cpu")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ConfigError("there is no such file.", where=path, hint=NAME_ANOTHER) from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}.", where=path, hint=NAME_ANOTHER) from error
    except Exception as error:  # the unpickler raises whatever the file leads it to
        raise ConfigError("is no file of weights, or damaged.", where=path, hint=NAME_ANOTHER) from error
    return content if isinstance(content, dict) else {}
