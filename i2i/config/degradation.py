"""Settings of the degradations: how photos become the small pictures that a network learns to enlarge."""

from __future__ import annotations

from math import pi
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from i2i.config.base import Settings, setting


def between(lowest: float, highest: float) -> AfterValidator:
    """What a range must be: two numbers within these bounds, the smaller first."""

    def check(value: tuple[float, float]) -> tuple[float, float]:
        if not lowest <= value[0] <= value[1] <= highest:
            wanted = f"two numbers from {lowest:g} to {highest:g}, the smaller first"
            raise ValueError(f"write {wanted}, not {list(value)}")
        return value

    return AfterValidator(check)


def _odd(value: tuple[int, int]) -> tuple[int, int]:
    if not (value[0] % 2 and value[1] % 2):
        raise ValueError(f"kernels have a pixel in the middle: write odd numbers, not {list(value)}")
    return value


def _around_one(value: tuple[float, float]) -> tuple[float, float]:
    if not value[0] <= 1 <= value[1]:
        raise ValueError(f"half of the draws are below 1 and half above: write a range around 1, not {list(value)}")
    return value


Sizes = Annotated[tuple[int, int], between(3, 51), AfterValidator(_odd)]
Sigma = Annotated[tuple[float, float], between(0.05, 20)]
Beta = Annotated[tuple[float, float], between(0.1, 10), AfterValidator(_around_one)]
Factor = Annotated[tuple[float, float], between(0.05, 4)]
Noise = Annotated[tuple[float, float], between(0, 255)]
PoissonScale = Annotated[tuple[float, float], between(0, 20)]
Quality = Annotated[tuple[float, float], between(1, 100)]
Cutoff = Annotated[tuple[float, float], between(0.1, pi)]


class BicubicConfig(Settings):
    """MATLAB's imresize alone: what the published benchmarks measure."""

    kind: Literal["bicubic"] = setting("bicubic", "which degradation")


class FirstOrderConfig(Settings):
    """Blur, bicubic shrinking, noise and JPEG, each once; the ranges are ours, for photos of good cameras."""

    kind: Literal["first-order"] = setting("first-order", "which degradation")
    blur_share: float = setting(0.8, "share of the pictures that are blurred", ge=0, le=1)
    sigma: Sigma = setting((0.2, 2.0), "deviation of the Gaussian blur in pixels of the photo")
    noise_share: float = setting(0.5, "share of the pictures that get Gaussian noise", ge=0, le=1)
    noise: Noise = setting((1.0, 10.0), "deviation of the noise in levels of 255")
    jpeg_share: float = setting(0.5, "share of the pictures that are compressed", ge=0, le=1)
    quality: Quality = setting((60.0, 95.0), "JPEG quality")


class StageConfig(Settings):
    """One of the two rounds of blur, resizing and noise; defaults of the first."""

    blur_share: float = setting(1.0, "share of the pictures that are blurred", ge=0, le=1)
    kernel: Sizes = setting((7, 21), "side of the blur kernels in pixels, odd")
    sinc: float = setting(0.1, "share of the kernels that are sinc filters, which leave rings", ge=0, le=1)
    isotropic: float = setting(0.45, "weight of round Gaussians among the other kernels", ge=0)
    anisotropic: float = setting(0.25, "weight of oblong Gaussians", ge=0)
    generalized_isotropic: float = setting(0.12, "weight of round generalized Gaussians", ge=0)
    generalized_anisotropic: float = setting(0.03, "weight of oblong generalized Gaussians", ge=0)
    plateau_isotropic: float = setting(0.12, "weight of round plateaus", ge=0)
    plateau_anisotropic: float = setting(0.03, "weight of oblong plateaus", ge=0)
    sigma: Sigma = setting((0.2, 3.0), "deviation of the kernels along each axis in pixels")
    generalized_beta: Beta = setting((0.5, 4.0), "exponent of generalized Gaussians, half of the draws below 1")
    plateau_beta: Beta = setting((1.0, 2.0), "exponent of plateaus, half of the draws below 1 (or at it)")
    grow: float = setting(0.2, "share of the pictures that are resized up", ge=0, le=1)
    shrink: float = setting(0.7, "share of the pictures that are resized down; the rest keeps its size", ge=0, le=1)
    factor: Annotated[Factor, AfterValidator(_around_one)] = setting(
        (0.15, 1.5), "smallest and largest factor of resizing; of the second round: relative to the final size"
    )
    gaussian: float = setting(0.5, "share of the pictures with Gaussian noise; the rest gets Poisson noise", ge=0, le=1)
    noise: Noise = setting((1.0, 30.0), "deviation of Gaussian noise in levels of 255")
    poisson: PoissonScale = setting((0.05, 3.0), "strength of Poisson noise; 1: as photons counted by 8-bit levels")
    gray_noise: float = setting(0.4, "share of the noises that are the same in all colours", ge=0, le=1)
    quality: Quality = setting((30.0, 95.0), "JPEG quality")

    @model_validator(mode="after")
    def _shares_can_be_drawn(self) -> StageConfig:
        if sum(self.kernel_weights) == 0:
            raise ValueError("all kernels have the weight 0: set isotropic=1")
        if self.grow + self.shrink > 1:
            raise ValueError(f"grow={self.grow:g} and shrink={self.shrink:g} are more than all pictures: lower one")
        return self

    @property
    def kernel_weights(self) -> tuple[float, ...]:
        """Of round and oblong Gaussians, generalized Gaussians and plateaus, in this order."""
        return (
            self.isotropic,
            self.anisotropic,
            self.generalized_isotropic,
            self.generalized_anisotropic,
            self.plateau_isotropic,
            self.plateau_anisotropic,
        )


class SecondStageConfig(StageConfig):
    """The second round, as published weaker than the first."""

    blur_share: float = setting(0.8, "share of the pictures that are blurred", ge=0, le=1)
    sigma: Sigma = setting((0.2, 1.5), "deviation of the kernels along each axis in pixels")
    grow: float = setting(0.3, "share of the pictures that are resized up", ge=0, le=1)
    shrink: float = setting(0.4, "share of the pictures that are resized down; the rest keeps its size", ge=0, le=1)
    factor: Annotated[Factor, AfterValidator(_around_one)] = setting(
        (0.3, 1.2), "smallest and largest factor of resizing, relative to the final size"
    )
    noise: Noise = setting((1.0, 25.0), "deviation of Gaussian noise in levels of 255")
    poisson: PoissonScale = setting((0.05, 2.5), "strength of Poisson noise; 1: as photons counted by 8-bit levels")


class SecondOrderConfig(Settings):
    """Two rounds of blur, resizing, noise and JPEG, and a last sinc filter (Wang et al. 2021, Real-ESRGAN)."""

    kind: Literal["second-order"] = setting("second-order", "which degradation")
    first: StageConfig = setting(StageConfig(), "the first round, at the photo's size")
    second: SecondStageConfig = setting(SecondStageConfig(), "the second round, on the way to the final size")
    antialias: bool = setting(False, "shrink bilinear and bicubic without aliasing; the published way aliases")
    final_sinc: float = setting(0.8, "share of the pictures that a last sinc filter leaves rings in", ge=0, le=1)
    final_kernel: Sizes = setting((7, 21), "side of the last sinc filter in pixels, odd")
    final_cutoff: Cutoff = setting((pi / 3, pi), "cut-off of the last sinc filter in radians a pixel")
    jpeg_last: float = setting(
        0.5, "share of the pictures that are compressed after the last resizing and sinc filter, not before", ge=0, le=1
    )


Degradation = Annotated[BicubicConfig | FirstOrderConfig | SecondOrderConfig, Field(discriminator="kind")]
