"""Residual generators for enlarging: SRResNet (Ledig et al. 2017) and its variant without batch norm (MSRResNet).

The variant comes from the code of Wang et al. 2018 (ESRGAN). N batch, C channels, F filters, H x W pixels, s scale.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.nn.functional import interpolate

from i2i.config.networks import SRResNetConfig
from i2i.networks.base import Network, Residual
from i2i.networks.initial import initialise, shrink

SHUFFLES = {1: (), 2: (2,), 3: (3,), 4: (2, 2)}  # factors of the pixel shuffles by scale


class SRResNetGenerator(Network):
    """Residual blocks at the input's size, then pixel shuffles.

    Without batch norm it adds details to the bilinear enlargement of its input.
    """

    multiple = 1
    minimum = 1

    def __init__(self, config: SRResNetConfig) -> None:
        super().__init__()
        self.config = config
        self.scale = config.scale
        self.adds_to_input = config.norm == "none" and config.input_channels == config.output_channels
        layout = _with_batch_norm if config.norm == "batch" else _without_norm
        self.head, self.body, self.up, self.tail = layout(config)
        initialise(self, config)
        if config.norm == "none" and config.init == "kaiming":
            shrink(self)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', sH, sW). Input and output of other channels are not added."""
        features = self.body(self.head(x))  # (N, F, H, W)
        features = self.up(features)  # (N, F, sH, sW)
        result = self.tail(features)
        if not self.adds_to_input:
            return result
        return result + interpolate(x, scale_factor=self.scale, mode="bilinear", align_corners=False)

    def stages(self) -> Sequence[nn.Module]:
        """See `Network.stages`."""
        return [self]


class Skip(Residual):
    """x + its layers, called one after the other."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.convolve = nn.Sequential(*layers)


def _with_batch_norm(config: SRResNetConfig) -> tuple[nn.Module, ...]:
    """Head, body, upsampling and tail. Every convolution has a bias: some published weights do, for others it is 0."""
    filters = config.filters
    blocks = [
        Skip(*_convolution_and_norm(filters), nn.PReLU(), *_convolution_and_norm(filters)) for _ in range(config.blocks)
    ]
    return (
        nn.Sequential(nn.Conv2d(config.input_channels, filters, 9, padding=4), nn.PReLU()),
        Skip(*blocks, *_convolution_and_norm(filters)),
        _upsampling(config, nn.PReLU),
        nn.Conv2d(filters, config.output_channels, 9, padding=4),
    )


def _without_norm(config: SRResNetConfig) -> tuple[nn.Module, ...]:
    """Head, body, upsampling and tail."""
    filters = config.filters
    blocks = (
        Skip(_convolution(filters, filters), nn.ReLU(inplace=True), _convolution(filters, filters))
        for _ in range(config.blocks)
    )
    return (
        nn.Sequential(_convolution(config.input_channels, filters), _leaky()),
        nn.Sequential(*blocks),
        _upsampling(config, _leaky),
        nn.Sequential(_convolution(filters, filters), _leaky(), _convolution(filters, config.output_channels)),
    )


def _upsampling(config: SRResNetConfig, activation: Callable[[], nn.Module]) -> nn.Sequential:
    """(N, F, H, W) -> (N, F, sH, sW)."""
    layers: list[nn.Module] = []
    for factor in SHUFFLES[config.scale]:
        layers += [_convolution(config.filters, config.filters * factor**2), nn.PixelShuffle(factor), activation()]
    return nn.Sequential(*layers)


def _convolution_and_norm(filters: int) -> tuple[nn.Module, nn.Module]:
    # Not the norm of the other generators: published weights are made to be evaluated with their running statistics.
    return _convolution(filters, filters), nn.BatchNorm2d(filters)


def _convolution(channels: int, filters: int) -> nn.Conv2d:
    return nn.Conv2d(channels, filters, 3, padding=1)


def _leaky() -> nn.Module:
    return nn.LeakyReLU(0.1, inplace=True)
