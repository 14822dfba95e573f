"""Settings of the networks that make pictures of noise, and of those that judge such pictures (critics).

A `size` is that of the square pictures in pixels, b * 2^k with b from 4 to 7 where the network doubles or halves it.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from i2i.config.base import setting
from i2i.config.network_base import GAIN, Init, NetworkConfig

CLASSES = "names of the classes that it is told of, in the order of their numbers; none: it knows of no classes"
ATTENTION = "self-attention at the largest inner map of at most 32 px (Zhang et al. 2019)"
CONDITIONING = (
    "how classes are seen: embedding: as one more channel of the picture (Mirza and Osindero 2014), learned soon; "
    "projection: beside the last features (Miyato and Koyama 2018); no effect without classes"
)
RESIDUAL_INIT = "distribution of the initial weights; those of a 3 x 3 after a ReLU are multiplied by sqrt(2)"
SMALLEST_BASE, LARGEST_BASE = 4, 7
LARGEST_ATTENDED = 32  # px; memory grows with the fourth power of the side


def doublings(size: int) -> tuple[int, int]:
    """(b, k) where size = b * 2^k with b from 4 to 7. Raises ValueError that names the nearest sizes otherwise."""
    for k in range(12):
        base, rest = divmod(size, 2**k)
        if not rest and SMALLEST_BASE <= base <= LARGEST_BASE:
            return base, k
    fitting = sorted(base * 2**k for base in range(SMALLEST_BASE, LARGEST_BASE + 1) for k in range(12))
    below = max((other for other in fitting if other < size), default=fitting[0])
    above = min(other for other in fitting if other > size)
    raise ValueError(f"no network of doublings makes {size} px: use a size of {below} or {above}")


def attended(size: int) -> int:
    """Side in pixels of the map that self-attention looks at: the largest inner one of at most 32 px.

    Raises ValueError where no network of doublings makes that size, or where it would have no inner map.
    """
    base, count = doublings(size)
    if not count:
        raise ValueError(f"self-attention has no inner map to look at for pictures of {size} px: set attention=false")
    return max(base * 2**k for k in range(count) if base * 2**k <= LARGEST_ATTENDED)


def check_size(size: int, attention: bool) -> None:
    """Raises ValueError where no network of doublings makes that size, or none with attention."""
    if attention:
        attended(size)
    doublings(size)


class NoiseConfig(NetworkConfig):
    """What all generators of noise share."""

    noise: int = setting(100, "numbers of noise that become a picture", ge=1)
    distribution: Literal["normal", "uniform"] = setting("normal", "of the noise: N(0, 1), or uniform in [-1, 1]")
    size: int = setting(64, "side of the square pictures in pixels", ge=4, le=1024)
    channels: Literal[1, 3] = setting(3, "channels of the pictures: 3 colour, 1 gray")
    classes: tuple[str, ...] = setting((), CLASSES)
    embedding: int = setting(
        10,
        "numbers that stand for a class beside the noise, many fewer than those of the noise, which the generator else "
        "forgets; no effect without classes",
        ge=1,
    )


class PerceptronConfig(NoiseConfig):
    """Dense layers (Goodfellow et al. 2014)."""

    kind: Literal["perceptron"] = setting("perceptron", "which generator")
    size: int = setting(28, "side of the square pictures in pixels", ge=4, le=1024)
    channels: Literal[1, 3] = setting(1, "channels of the pictures: 3 colour, 1 gray")
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = setting((256,), "units of each hidden layer")
    activation: Literal["relu", "leaky"] = setting("leaky", "after each hidden layer; leaky lets 0.2 through")
    output: Literal["tanh", "sigmoid"] = setting(
        "tanh", "after the last layer; sigmoid is published, stretched to [-1, 1]"
    )
    init: Init = setting("xavier", "distribution of the initial weights; uniform is published")
    init_gain: float = setting(1.0, GAIN, gt=0)


class Doubling(NoiseConfig):
    """What generators share that double the size until it is the picture's."""

    filters: int = setting(
        64, "channels before the last convolution; twice as many at each smaller size, at most 8 times", ge=1
    )
    norm: Literal["batch", "none"] = setting("batch", "normalisation of each inner map")
    spectral: bool = setting(False, "spectral norm of all layers (Miyato et al. 2018; Zhang et al. 2019)")
    attention: bool = setting(False, ATTENTION)

    @model_validator(mode="after")
    def _the_size_can_be_reached(self) -> Self:
        check_size(self.size, self.attention)
        return self


class DCGANConfig(Doubling):
    """Transposed convolutions (Radford et al. 2016, DCGAN)."""

    kind: Literal["dcgan"] = setting("dcgan", "which generator")
    dense: int = setting(
        0, "units of a dense layer between the noise and the smallest map, 0: none; 1024 in Chen et al. 2016", ge=0
    )


class NoiseResNetConfig(Doubling):
    """Residual blocks with nearest-neighbour doubling (Gulrajani et al. 2017)."""

    kind: Literal["noise-resnet"] = setting("noise-resnet", "which generator")
    noise: int = setting(128, "numbers of noise that become a picture", ge=1)
    init: Init = setting("xavier-uniform", RESIDUAL_INIT)
    init_gain: float = setting(1.0, GAIN, gt=0)


class CriticConfig(NetworkConfig):
    """What all networks share that judge pictures as a whole."""

    size: int = setting(64, "side of the square pictures in pixels", ge=4, le=1024)
    channels: Literal[1, 3] = setting(3, "channels of the pictures: 3 colour, 1 gray")
    classes: tuple[str, ...] = setting((), CLASSES)
    spectral: bool = setting(False, "spectral norm of all layers (Miyato et al. 2018)")


class PerceptronCriticConfig(CriticConfig):
    """Dense layers; classes stand beside the pixels (Mirza and Osindero 2014)."""

    kind: Literal["perceptron-critic"] = setting("perceptron-critic", "which discriminator")
    size: int = setting(28, "side of the square pictures in pixels", ge=4, le=1024)
    channels: Literal[1, 3] = setting(1, "channels of the pictures: 3 colour, 1 gray")
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = setting((256,), "units of each hidden layer")
    embedding: int = setting(50, "numbers that stand for a class beside the pixels; no effect without classes", ge=1)
    init: Init = setting("xavier", "distribution of the initial weights")
    init_gain: float = setting(1.0, GAIN, gt=0)


class MaxoutCriticConfig(CriticConfig):
    """Dense layers of which each unit is the largest of several (Goodfellow et al. 2014)."""

    kind: Literal["maxout-critic"] = setting("maxout-critic", "which discriminator")
    size: int = setting(28, "side of the square pictures in pixels", ge=4, le=1024)
    channels: Literal[1, 3] = setting(1, "channels of the pictures: 3 colour, 1 gray")
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = setting((240, 240), "units of each hidden layer")
    pieces: int = setting(5, "values of which each unit is the largest", ge=2)
    input_dropout: float = setting(0.2, "share of the pixels that is dropped", ge=0, lt=1)
    dropout: float = setting(0.5, "share of the hidden units that is dropped", ge=0, lt=1)
    embedding: int = setting(50, "numbers that stand for a class beside the pixels; no effect without classes", ge=1)
    init: Init = setting("uniform", "distribution of the initial weights")
    init_gain: float = setting(0.005, GAIN, gt=0)


class Halving(CriticConfig):
    """What critics share that halve the picture until its side is 4 to 7."""

    filters: int = setting(
        64, "channels after the first convolution; twice as many at each smaller size, at most 8 times", ge=1
    )
    conditioning: Literal["projection", "embedding"] = setting("projection", CONDITIONING)
    attention: bool = setting(False, ATTENTION)
    stddev: bool = setting(
        False, "a channel with the deviation over groups of four samples before the end (Karras et al. 2018)"
    )

    @model_validator(mode="after")
    def _the_size_can_be_halved(self) -> Self:
        check_size(self.size, self.attention)
        return self


class DCGANCriticConfig(Halving):
    """Strided convolutions (Radford et al. 2016, DCGAN)."""

    kind: Literal["dcgan-critic"] = setting("dcgan-critic", "which discriminator")
    conditioning: Literal["projection", "embedding"] = setting("embedding", CONDITIONING)
    norm: Literal["batch", "layer", "none"] = setting(
        "batch", "normalisation after each inner convolution; layer: over channels and pixels of each sample"
    )
    dense: int = setting(
        0, "units of a dense layer between the smallest map and the logit, 0: none; 1024 in Chen et al. 2016", ge=0
    )


class ResNetCriticConfig(Halving):
    """Residual blocks with mean pooling (Gulrajani et al. 2017)."""

    kind: Literal["resnet-critic"] = setting("resnet-critic", "which discriminator")
    norm: Literal["layer", "none"] = setting(
        "layer", "normalisation before each convolution; layer: over channels and pixels of each sample"
    )
    init: Init = setting("xavier-uniform", RESIDUAL_INIT)
    init_gain: float = setting(1.0, GAIN, gt=0)


NoiseGenerator = Annotated[PerceptronConfig | DCGANConfig | NoiseResNetConfig, Field(discriminator="kind")]
Critic = Annotated[
    PerceptronCriticConfig | MaxoutCriticConfig | DCGANCriticConfig | ResNetCriticConfig, Field(discriminator="kind")
]
NOISE_GENERATORS = (PerceptronConfig, DCGANConfig, NoiseResNetConfig)
CRITICS = (PerceptronCriticConfig, MaxoutCriticConfig, DCGANCriticConfig, ResNetCriticConfig)
