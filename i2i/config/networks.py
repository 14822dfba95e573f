"""Settings of the networks: what rebuilds one from a model file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from i2i.config.base import setting
from i2i.config.network_base import GAIN, Init, NetworkConfig, Norm
from i2i.config.noise_networks import (
    DCGANConfig,
    DCGANCriticConfig,
    MaxoutCriticConfig,
    NoiseResNetConfig,
    PerceptronConfig,
    PerceptronCriticConfig,
    ResNetCriticConfig,
)

LABELS = "classes of the label maps that are its input, pixels being class numbers; 0: its input is a picture"


def check_labels(labels: int, input_channels: int) -> None:
    """Raises ValueError where a label map would have colours."""
    if labels and input_channels != 1:
        raise ValueError("a label map has one channel: set input_channels=1")


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
    labels: int = setting(0, LABELS, ge=0, le=256)

    @model_validator(mode="after")
    def _label_maps_have_one_channel(self) -> ResNetConfig:
        check_labels(self.labels, self.input_channels)
        return self

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


class UNetConfig(NetworkConfig):
    """U-Net of Isola et al. 2017 (pix2pix): halves the picture down to a single pixel and doubles it again."""

    kind: Literal["unet"] = setting("unet", "which generator")
    input_channels: int = setting(3, "channels of the input picture", ge=1)
    output_channels: int = setting(3, "channels of the output picture", ge=1)
    filters: int = setting(64, "channels after the first convolution", ge=1)
    downs: int = setting(8, "halvings of the size: 7 for 128 px, 8 for 256 px, 9 for 512 px", ge=5, le=10)
    norm: Norm = setting("batch", "normalisation after each inner convolution")
    dropout: float = setting(0.5, "dropout probability in the inner levels, 0 for none", ge=0, lt=1)
    dropout_at: Literal["paper", "pytorch"] = setting(
        "paper", "levels with dropout: the innermost three, or as in the authors' PyTorch code"
    )
    keep_luma: bool = setting(
        False, "the result keeps the brightness of its gray input, and the network makes the colours alone"
    )
    labels: int = setting(0, LABELS, ge=0, le=256)

    @model_validator(mode="after")
    def _label_maps_have_one_channel(self) -> UNetConfig:
        check_labels(self.labels, self.input_channels)
        return self

    @property
    def scale(self) -> int:
        """Output pixels for each input pixel across."""
        return 1


class SRResNetConfig(NetworkConfig):
    """Residual blocks at the input's size, then pixel shuffles (Ledig et al. 2017)."""

    kind: Literal["srresnet"] = setting("srresnet", "which generator")
    input_channels: int = setting(3, "channels of the input picture", ge=1)
    output_channels: int = setting(3, "channels of the output picture", ge=1)
    filters: int = setting(64, "channels between the convolutions", ge=1)
    blocks: int = setting(16, "residual blocks", ge=0)
    scale: int = setting(4, "output pixels for each input pixel across", ge=1, le=4)
    norm: Literal["batch", "none"] = setting("batch", "batch norm (published) or the variant without (MSRResNet)")
    init: Init = setting("kaiming", "distribution of the initial weights; kaiming is divided by 10 where norm is none")


class RRDBConfig(NetworkConfig):
    """Residual-in-residual dense blocks, then two doublings (Wang et al. 2018, ESRGAN)."""

    kind: Literal["rrdb"] = setting("rrdb", "which generator")
    input_channels: int = setting(3, "channels of the input picture", ge=1)
    output_channels: int = setting(3, "channels of the output picture", ge=1)
    filters: int = setting(64, "channels between the blocks", ge=1)
    growth: int = setting(32, "channels that each convolution in a block adds", ge=1)
    blocks: int = setting(23, "blocks of three dense blocks: 23, or 6 for the small networks", ge=0)
    scale: Literal[1, 2, 4] = setting(4, "output pixels for each input pixel across")
    init: Init = setting("kaiming", "distribution of the initial weights; kaiming is divided by 10 inside the blocks")


class SPANConfig(NetworkConfig):
    """Convolutions that weigh their own output (Wan et al. 2024), at the input's size, then a pixel shuffle."""

    kind: Literal["span"] = setting("span", "which generator")
    input_channels: int = setting(3, "channels of the input picture", ge=1)
    output_channels: int = setting(3, "channels of the output picture", ge=1)
    filters: int = setting(48, "channels between the convolutions", ge=1)
    blocks: int = setting(6, "blocks of three convolutions", ge=2)
    scale: int = setting(4, "output pixels for each input pixel across", ge=1, le=4)
    init: Init = setting("kaiming", "distribution of the initial weights")


class GatedConfig(NetworkConfig):
    """Gated convolutions from coarse to fine with contextual attention (Yu et al. 2019, DeepFillv2), for inpainting.

    Its input has four channels: a picture, black where its mask is 1, and that mask.
    """

    kind: Literal["gated"] = setting("gated", "which generator")
    filters: int = setting(
        48, "channels at half the size; half of them at the whole, twice at a quarter; 48 is published", ge=4
    )
    coarse: bool = setting(True, "a stage before the fine one, which then has the holes filled roughly")
    attention: bool = setting(True, "a branch of the fine stage that copies patches from what is known")
    fuse: bool = setting(
        True, "let attention prefer neighbouring patches for neighbouring places; no effect without attention"
    )
    padding: Literal["same", "tf"] = setting(
        "same", "zero padding: same at both sides, or as in the authors' TensorFlow release, whose weights need it"
    )
    fill: Literal["none", "smooth"] = setting(
        "none", "what the network starts from in a hole: nothing (published), or a smooth fill to which it adds"
    )
    shortcuts: bool = setting(
        False,
        "layers of equal width add to their input, and the decoder sees what the encoder saw at its size (ours): a "
        "small network learns with them in hundreds of steps what it needs thousands for",
    )
    init: Init = setting("kaiming", "distribution of the initial convolution weights")
    init_gain: float = setting(1.0, GAIN, gt=0)

    @model_validator(mode="after")
    def _widths_are_whole(self) -> GatedConfig:
        if self.filters % 4:
            raise ValueError(f"filters is a multiple of 4: set filters={self.filters // 4 * 4}")
        return self

    @property
    def input_channels(self) -> int:
        """Of the picture and its mask."""
        return 4

    @property
    def output_channels(self) -> int:
        """Of the picture."""
        return 3

    @property
    def scale(self) -> int:
        """Output pixels for each input pixel across."""
        return 1


class PatchGANConfig(NetworkConfig):
    """Discriminator that judges overlapping patches (Isola et al. 2017)."""

    kind: Literal["patchgan"] = setting("patchgan", "which discriminator")
    input_channels: int = setting(3, "channels of the judged picture", ge=1)
    filters: int = setting(64, "channels after the first convolution", ge=1)
    layers: int = setting(3, "strided convolutions; 3 judges patches of 70 px", ge=1, le=6)
    norm: Norm = setting("instance", "normalisation after each inner convolution")
    padding: Literal[1, 2] = setting(1, "zero padding of each convolution; the first release had 2")
    spectral: bool = setting(False, "spectral norm of all convolutions, beside the norm (Miyato et al. 2018)")
    attention: bool = setting(
        False, "self-attention after the last strided convolution: 32 px for 256 and three layers (Zhang et al. 2019)"
    )
    stddev: bool = setting(
        False, "a channel with the deviation over groups of four samples before the end (Karras et al. 2018)"
    )


class PixelConfig(NetworkConfig):
    """Discriminator that judges single pixels (Isola et al. 2017)."""

    kind: Literal["pixel"] = setting("pixel", "which discriminator")
    input_channels: int = setting(3, "channels of the judged picture", ge=1)
    filters: int = setting(64, "channels after the first convolution", ge=1)
    norm: Norm = setting("instance", "normalisation after the inner convolution")
    spectral: bool = setting(False, "spectral norm of all convolutions, beside the norm (Miyato et al. 2018)")


class MultiScaleConfig(NetworkConfig):
    """Discriminator that judges patches of the picture, its half and its quarter (Wang et al. 2018, pix2pixHD)."""

    kind: Literal["multiscale"] = setting("multiscale", "which discriminator")
    input_channels: int = setting(3, "channels of the judged picture", ge=1)
    filters: int = setting(64, "channels after the first convolution of each scale", ge=1)
    scales: int = setting(2, "scales, each half of the one before: 2, or 3 for pictures of 2048 px", ge=1, le=3)
    spectral: bool = setting(False, "spectral norm of all convolutions, beside the norm (Miyato et al. 2018)")


class SRGANDiscriminatorConfig(NetworkConfig):
    """Discriminator with one verdict for each picture (Ledig et al. 2017)."""

    kind: Literal["srgan"] = setting("srgan", "which discriminator")
    input_channels: int = setting(3, "channels of the judged picture", ge=1)
    filters: int = setting(64, "channels after the first convolution", ge=1)
    hidden: int = setting(1024, "units of the inner dense layer", ge=1)
    pooled: int = setting(6, "side of the map before the dense layers; 6 is the published one for crops of 96 px", ge=1)


class UNetDiscriminatorConfig(NetworkConfig):
    """U-Net discriminator with spectral norm and a verdict for each pixel (Wang et al. 2021, Real-ESRGAN)."""

    kind: Literal["unet-sn"] = setting("unet-sn", "which discriminator")
    input_channels: int = setting(3, "channels of the judged picture", ge=1)
    filters: int = setting(64, "channels after the first convolution", ge=1)


class SpectralPatchGANConfig(NetworkConfig):
    """Spectral-norm discriminator with many logits for each patch (Yu et al. 2019, SN-PatchGAN)."""

    kind: Literal["patchgan-sn"] = setting("patchgan-sn", "which discriminator")
    input_channels: int = setting(4, "channels of the judged picture and its mask", ge=1)
    filters: int = setting(64, "channels after the first convolution", ge=1)
    layers: int = setting(6, "convolutions with stride 2; 6 is published, for crops of 256 px", ge=1, le=8)


Generator = ResNetConfig
PairedGenerator = Annotated[UNetConfig | ResNetConfig, Field(discriminator="kind")]
Upscaler = Annotated[CompactConfig | SPANConfig | SRResNetConfig | RRDBConfig, Field(discriminator="kind")]
GeneratorConfig = ResNetConfig | CompactConfig | UNetConfig | SRResNetConfig | RRDBConfig | SPANConfig | GatedConfig
GENERATORS = (ResNetConfig, CompactConfig, UNetConfig, SRResNetConfig, RRDBConfig, SPANConfig, GatedConfig)
TRANSLATORS = (ResNetConfig, UNetConfig)  # of pictures of one size, and of label maps
Discriminator = Annotated[PatchGANConfig | PixelConfig, Field(discriminator="kind")]
PairedDiscriminator = Annotated[PatchGANConfig | PixelConfig | MultiScaleConfig, Field(discriminator="kind")]
UpscalingDiscriminator = Annotated[
    UNetDiscriminatorConfig | SRGANDiscriminatorConfig | PatchGANConfig, Field(discriminator="kind")
]
InpaintingDiscriminator = Annotated[
    SpectralPatchGANConfig | PatchGANConfig | MultiScaleConfig, Field(discriminator="kind")
]
DiscriminatorConfig = (
    PatchGANConfig
    | PixelConfig
    | MultiScaleConfig
    | SRGANDiscriminatorConfig
    | UNetDiscriminatorConfig
    | SpectralPatchGANConfig
)
NoiseNetworkConfig = (
    PerceptronConfig
    | DCGANConfig
    | NoiseResNetConfig
    | PerceptronCriticConfig
    | MaxoutCriticConfig
    | DCGANCriticConfig
    | ResNetCriticConfig
)
Network = Annotated[GeneratorConfig | DiscriminatorConfig | NoiseNetworkConfig, Field(discriminator="kind")]
