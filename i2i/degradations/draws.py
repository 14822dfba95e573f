"""The random numbers of a degradation, drawn before any pixel is touched. All are functions of a seed alone."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import Literal, get_args

import numpy as np
from torch import Tensor

from i2i.config.degradation import SecondOrderConfig, StageConfig
from i2i.degradations.kernels import generalized, plateau, sinc

BellKind = Literal[
    "isotropic",
    "anisotropic",
    "generalized-isotropic",
    "generalized-anisotropic",
    "plateau-isotropic",
    "plateau-anisotropic",
]
Mode = Literal["area", "bilinear", "bicubic"]
BELLS: tuple[BellKind, ...] = get_args(BellKind)  # in the order of StageConfig.kernel_weights
MODES: tuple[Mode, ...] = get_args(Mode)
BLOCK = 16  # side of what JPEG compresses at a time, with colours halved


@dataclass(frozen=True)
class Bell:
    """A blur that fades from the middle: deviations in pixels along its axes, turned by `angle` in radians."""

    kind: BellKind
    size: int
    sigma: tuple[float, float]
    angle: float
    beta: float

    def kernel(self) -> Tensor:
        """(size, size), sum 1."""
        shape = plateau if self.kind.startswith("plateau") else generalized
        return shape(self.size, self.sigma, self.angle, self.beta)


@dataclass(frozen=True)
class Ringing:
    """A sinc filter with its cut-off in radians a pixel."""

    size: int
    cutoff: float

    def kernel(self) -> Tensor:
        """(size, size), sum 1."""
        return sinc(self.size, self.cutoff)


@dataclass(frozen=True)
class Noise:
    """Gaussian noise of a deviation in [0, 1], or Poisson noise of a strength; gray: the same in all colours."""

    kind: Literal["gaussian", "poisson"]
    strength: float
    gray: bool


@dataclass(frozen=True)
class Jpeg:
    """A quality, and the pixels (rows, columns) by which the first block begins before the picture."""

    quality: float
    corner: tuple[int, int]


@dataclass(frozen=True)
class Stage:
    """A round of blur (or none), resizing, noise and JPEG."""

    blur: Bell | Ringing | None
    factor: float
    mode: Mode
    noise: Noise
    jpeg: Jpeg


@dataclass(frozen=True)
class Plan:
    """Everything that happens to one picture."""

    first: Stage
    second: Stage
    mode: Mode
    ringing: Ringing | None
    jpeg_last: bool
    noise_seed: int


def draw_plan(config: SecondOrderConfig, rng: np.random.Generator) -> Plan:
    """The plan of one picture."""
    return Plan(
        first=_stage(config.first, rng),
        second=_stage(config.second, rng),
        mode=_mode(rng),
        ringing=_final_ringing(config, rng) if rng.random() < config.final_sinc else None,
        jpeg_last=bool(rng.random() < config.jpeg_last),
        noise_seed=draw_seed(rng),
    )


def draw_seed(rng: np.random.Generator) -> int:
    """A seed for a generator of torch."""
    return int(rng.integers(2**63))


def draw_jpeg(quality: tuple[float, float], rng: np.random.Generator) -> Jpeg:
    """A quality from the range and any place of the blocks: crops begin anywhere in a photo."""
    row, column = rng.integers(BLOCK, size=2)
    return Jpeg(rng.uniform(*quality), (int(row), int(column)))


def _stage(config: StageConfig, rng: np.random.Generator) -> Stage:
    return Stage(
        blur=_blur(config, rng) if rng.random() < config.blur_share else None,
        factor=_factor(config, rng),
        mode=_mode(rng),
        noise=_noise(config, rng),
        jpeg=draw_jpeg(config.quality, rng),
    )


def _mode(rng: np.random.Generator) -> Mode:
    return MODES[rng.integers(len(MODES))]


def _blur(config: StageConfig, rng: np.random.Generator) -> Bell | Ringing:
    size = _odd(config.kernel, rng)
    if rng.random() < config.sinc:
        lowest = pi / 3 if size < 13 else pi / 5  # as published: a small kernel cannot hold slower waves
        return Ringing(size, rng.uniform(lowest, pi))
    weights = np.array(config.kernel_weights)
    kind = BELLS[rng.choice(len(BELLS), p=weights / weights.sum())]
    sigma = rng.uniform(*config.sigma)
    is_oblong = kind.endswith("anisotropic")
    across, angle = (rng.uniform(*config.sigma), rng.uniform(-pi, pi)) if is_oblong else (sigma, 0.0)
    return Bell(kind, size, (sigma, across), angle, _beta(kind, config, rng))


def _beta(kind: BellKind, config: StageConfig, rng: np.random.Generator) -> float:
    if kind in ("isotropic", "anisotropic"):
        return 1.0
    low, high = config.generalized_beta if kind.startswith("generalized") else config.plateau_beta
    return rng.uniform(low, 1) if rng.random() < 0.5 else rng.uniform(1, high)


def _factor(config: StageConfig, rng: np.random.Generator) -> float:
    chance, (low, high) = rng.random(), config.factor
    if chance < config.grow:
        return rng.uniform(1, high)
    return rng.uniform(low, 1) if chance < config.grow + config.shrink else 1.0


def _noise(config: StageConfig, rng: np.random.Generator) -> Noise:
    gray = bool(rng.random() < config.gray_noise)
    if rng.random() < config.gaussian:
        return Noise("gaussian", rng.uniform(*config.noise) / 255, gray)
    return Noise("poisson", rng.uniform(*config.poisson), gray)


def _final_ringing(config: SecondOrderConfig, rng: np.random.Generator) -> Ringing:
    return Ringing(_odd(config.final_kernel, rng), rng.uniform(*config.final_cutoff))


def _odd(sizes: tuple[int, int], rng: np.random.Generator) -> int:
    return 2 * int(rng.integers(sizes[0] // 2, sizes[1] // 2 + 1)) + 1
