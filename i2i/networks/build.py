"""From a network's settings to the network."""

from __future__ import annotations

from typing import overload

from i2i.config.networks import (
    CompactConfig,
    DiscriminatorConfig,
    GatedConfig,
    GeneratorConfig,
    MultiScaleConfig,
    NoiseNetworkConfig,
    PatchGANConfig,
    PixelConfig,
    ResNetConfig,
    RRDBConfig,
    SPANConfig,
    SpectralPatchGANConfig,
    SRGANDiscriminatorConfig,
    SRResNetConfig,
    UNetConfig,
    UNetDiscriminatorConfig,
)
from i2i.config.noise_networks import (
    DCGANConfig,
    DCGANCriticConfig,
    MaxoutCriticConfig,
    NoiseResNetConfig,
    PerceptronConfig,
    PerceptronCriticConfig,
    ResNetCriticConfig,
)
from i2i.networks.compact import CompactGenerator
from i2i.networks.dcgan import DCGANCritic, DCGANGenerator
from i2i.networks.gated import GatedGenerator
from i2i.networks.multiscale import MultiScaleDiscriminator
from i2i.networks.noise_resnet import NoiseResNetGenerator, ResNetCritic
from i2i.networks.patchgan import PatchGAN, PixelDiscriminator
from i2i.networks.perceptron import MaxoutCritic, PerceptronCritic, PerceptronGenerator
from i2i.networks.resnet import ResNetGenerator
from i2i.networks.rrdb import RRDBGenerator
from i2i.networks.span import SPANGenerator
from i2i.networks.spectral_patchgan import SpectralPatchGAN
from i2i.networks.srgan_discriminator import SRGANDiscriminator
from i2i.networks.srresnet import SRResNetGenerator
from i2i.networks.unet import UNetGenerator
from i2i.networks.unet_discriminator import UNetDiscriminator

AnyGenerator = (
    ResNetGenerator
    | CompactGenerator
    | UNetGenerator
    | SRResNetGenerator
    | RRDBGenerator
    | SPANGenerator
    | GatedGenerator
)
AnyPairedDiscriminator = PatchGAN | PixelDiscriminator | MultiScaleDiscriminator  # each has `judge`
AnyInpaintingDiscriminator = SpectralPatchGAN | PatchGAN | MultiScaleDiscriminator  # each has `judge`
AnyDiscriminator = AnyPairedDiscriminator | AnyInpaintingDiscriminator | SRGANDiscriminator | UNetDiscriminator
AnyNoiseGenerator = PerceptronGenerator | DCGANGenerator | NoiseResNetGenerator
AnyCritic = PerceptronCritic | MaxoutCritic | DCGANCritic | ResNetCritic
AnyNetwork = AnyGenerator | AnyDiscriminator | AnyNoiseGenerator | AnyCritic


@overload
def build(config: ResNetConfig) -> ResNetGenerator: ...
@overload
def build(config: CompactConfig) -> CompactGenerator: ...
@overload
def build(config: UNetConfig) -> UNetGenerator: ...
@overload
def build(config: SRResNetConfig) -> SRResNetGenerator: ...
@overload
def build(config: RRDBConfig) -> RRDBGenerator: ...
@overload
def build(config: SPANConfig) -> SPANGenerator: ...
@overload
def build(config: GatedConfig) -> GatedGenerator: ...
@overload
def build(config: PatchGANConfig) -> PatchGAN: ...
@overload
def build(config: PixelConfig) -> PixelDiscriminator: ...
@overload
def build(config: MultiScaleConfig) -> MultiScaleDiscriminator: ...
@overload
def build(config: SpectralPatchGANConfig) -> SpectralPatchGAN: ...
@overload
def build(config: PerceptronConfig) -> PerceptronGenerator: ...
@overload
def build(config: DCGANConfig) -> DCGANGenerator: ...
@overload
def build(config: NoiseResNetConfig) -> NoiseResNetGenerator: ...
@overload
def build(config: PerceptronCriticConfig) -> PerceptronCritic: ...
@overload
def build(config: MaxoutCriticConfig) -> MaxoutCritic: ...
@overload
def build(config: DCGANCriticConfig) -> DCGANCritic: ...
@overload
def build(config: ResNetCriticConfig) -> ResNetCritic: ...
@overload
def build(config: DiscriminatorConfig) -> AnyDiscriminator: ...
def build(config: GeneratorConfig | DiscriminatorConfig | NoiseNetworkConfig) -> AnyNetwork:
    """The network of a configuration, freshly initialised from torch's global generator."""
    match config:
        case ResNetConfig():
            return ResNetGenerator(config)
        case CompactConfig():
            return CompactGenerator(config)
        case UNetConfig():
            return UNetGenerator(config)
        case SRResNetConfig():
            return SRResNetGenerator(config)
        case RRDBConfig():
            return RRDBGenerator(config)
        case SPANConfig():
            return SPANGenerator(config)
        case GatedConfig():
            return GatedGenerator(config)
        case PatchGANConfig():
            return PatchGAN(config)
        case PixelConfig():
            return PixelDiscriminator(config)
        case MultiScaleConfig():
            return MultiScaleDiscriminator(config)
        case SRGANDiscriminatorConfig():
            return SRGANDiscriminator(config)
        case UNetDiscriminatorConfig():
            return UNetDiscriminator(config)
        case SpectralPatchGANConfig():
            return SpectralPatchGAN(config)
        case _:
            return _of_noise(config)


def _of_noise(config: NoiseNetworkConfig) -> AnyNoiseGenerator | AnyCritic:
    match config:
        case PerceptronConfig():
            return PerceptronGenerator(config)
        case DCGANConfig():
            return DCGANGenerator(config)
        case NoiseResNetConfig():
            return NoiseResNetGenerator(config)
        case PerceptronCriticConfig():
            return PerceptronCritic(config)
        case MaxoutCriticConfig():
            return MaxoutCritic(config)
        case DCGANCriticConfig():
            return DCGANCritic(config)
        case ResNetCriticConfig():
            return ResNetCritic(config)
