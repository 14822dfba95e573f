"""From a network's settings to the network."""

from __future__ import annotations

from typing import overload

from i2i.config.networks import CompactConfig, PatchGANConfig, PixelConfig, ResNetConfig
from i2i.networks.compact import CompactGenerator
from i2i.networks.patchgan import PatchGAN, PixelDiscriminator
from i2i.networks.resnet import ResNetGenerator

AnyNetwork = ResNetGenerator | CompactGenerator | PatchGAN | PixelDiscriminator


@overload
def build(config: ResNetConfig) -> ResNetGenerator: ...
@overload
def build(config: CompactConfig) -> CompactGenerator: ...
@overload
def build(config: PatchGANConfig | PixelConfig) -> PatchGAN | PixelDiscriminator: ...
def build(config: ResNetConfig | CompactConfig | PatchGANConfig | PixelConfig) -> AnyNetwork:
    """The network of a configuration, freshly initialised from torch's global generator."""
    match config:
        case ResNetConfig():
            return ResNetGenerator(config)
        case CompactConfig():
            return CompactGenerator(config)
        case PatchGANConfig():
            return PatchGAN(config)
        case PixelConfig():
            return PixelDiscriminator(config)
