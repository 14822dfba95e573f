"""Settings of the networks: what rebuilds one from a model file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from i2i.config.base import Settings, setting

Norm = Literal["instance", "batch", "none"]
Init = Literal["normal", "xavier", "kaiming", "orthogonal"]


class NetworkConfig(Settings):
    """What all networks share."""

    init: Init = setting("normal", "distribution of the initial convolution weights")
    init_gain: float = setting(0.02, "deviation (normal) or gain (xavier, orthogonal) of the initial weights", gt=0)


class ResNetConfig(NetworkConfig):
    """Residual generator of Johnson et al. 2016 as CycleGAN uses it."""

    kind: Literal["resnet"] = setting("resnet", "which generator")
    input_channels: int = setting(3, "channels of the input picture", ge=1)
    output_channels: int = setting(3, "channels of the output picture", ge=1)
    filters: int = setting(64, "channels after the first convolution", ge=1)
    blocks: int = setting(9, "residual blocks: 9 for 256 px and more, 6 for 128 px", ge=0)
    norm: Norm = setting("instance", "normalisation after each convolution")
    padding: Literal["reflect", "replicate", "zero"] = setting("reflect", "padding inside the residual blocks")
    upsampling: Literal["transposed", "resize"] = setting(
        "transposed", "transposed convolution (published) or nearest x2 then convolution (no checkerboard)"
    )
    dropout: float = setting(0.0, "dropout probability inside the residual blocks", ge=0, lt=1)

    @property
    def scale(self) -> int:
        """Output pixels for each input pixel across."""
        return 1


class CompactConfig(NetworkConfig):
    """Plain convolutions at the input's size, then a pixel shuffle (SRVGGNetCompact of Wang et al. 2021)."""

    kind: Literal["compact"] = setting("compact", "which generator")
    input_channels: int = setting(3, "channels of the input picture", ge=1)
    output_channels: int = setting(3, "channels of the output picture", ge=1)
    filters: int = setting(64, "channels between the convolutions", ge=1)
    convolutions: int = setting(16, "convolutions between the first and the last", ge=0)
    scale: int = setting(1, "output pixels for each input pixel across", ge=1, le=4)


class PatchGANConfig(NetworkConfig):
    """Discriminator that judges overlapping patches (Isola et al. 2017)."""

    kind: Literal["patchgan"] = setting("patchgan", "which discriminator")
    input_channels: int = setting(3, "channels of the judged picture", ge=1)
    filters: int = setting(64, "channels after the first convolution", ge=1)
    layers: int = setting(3, "strided convolutions; 3 judges patches of 70 px", ge=1, le=6)
    norm: Norm = setting("instance", "normalisation after each inner convolution")
    padding: Literal[1, 2] = setting(1, "zero padding of each convolution; the first release had 2")


class PixelConfig(NetworkConfig):
    """Discriminator that judges single pixels (Isola et al. 2017)."""

    kind: Literal["pixel"] = setting("pixel", "which discriminator")
    input_channels: int = setting(3, "channels of the judged picture", ge=1)
    filters: int = setting(64, "channels after the first convolution", ge=1)
    norm: Norm = setting("instance", "normalisation after the inner convolution")


Generator = ResNetConfig
GENERATORS = (ResNetConfig, CompactConfig)
Discriminator = Annotated[PatchGANConfig | PixelConfig, Field(discriminator="kind")]
Network = Annotated[ResNetConfig | CompactConfig | PatchGANConfig | PixelConfig, Field(discriminator="kind")]
