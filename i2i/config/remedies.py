"""Settings of the known remedies against unstable training, shared by all methods with a discriminator.

Those that are part of a network (spectral norm, self-attention, minibatch standard deviation) stand in its settings.
"""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from i2i.config.base import Settings, setting
from i2i.config.losses import LABELLED, Adversarial
from i2i.config.network_base import NetworkConfig
from i2i.config.networks import PatchGANConfig, PixelConfig, SRGANDiscriminatorConfig
from i2i.config.noise_networks import DCGANCriticConfig, Halving

Augmentation = Literal["color", "translation", "cutout"]


class RemediesConfig(Settings):
    """All off; names and values from the papers."""

    discriminators: int = setting(
        1,
        "discriminators of the same settings, each drawn and trained by itself; the generator learns from their mean "
        "(Durugkar et al. 2017)",
        ge=1,
        le=16,
    )
    updates: int = setting(
        1,
        "updates of the discriminator for each of the generator, each on a fresh batch; 5 in Arjovsky et al. 2017",
        ge=1,
    )
    discriminator_rate: float = setting(
        1.0,
        "learning rate of the discriminator as a multiple of train.lr; 4 in Zhang et al. 2019 "
        "(Heusel et al. 2017, TTUR)",
        gt=0,
    )
    penalty: Literal["none", "gradient", "r1"] = setting(
        "none",
        "penalty on the discriminator's gradient: gradient: its norm is to be 1 between real and fake "
        "(Gulrajani et al. 2017); r1: 0 at real pictures (Mescheder et al. 2018)",
    )
    penalty_weight: float = setting(10.0, "weight of that penalty: lambda, or gamma of r1", gt=0)
    penalty_every: int = setting(
        1, "steps between penalties, which weigh as many times more; 16 in Karras et al. 2020 (lazy)", ge=1
    )
    label_smoothing: float = setting(
        0.0,
        "what real pictures lack of a full 1 as the discriminator's target; 0.1 in Salimans et al. 2016",
        ge=0,
        lt=0.5,
    )
    instance_noise: float = setting(
        0.0,
        "deviation of the noise on all pictures that the discriminator sees, at the first step "
        "(Soenderby et al. 2017; Arjovsky and Bottou 2017)",
        ge=0,
    )
    instance_noise_steps: int = setting(10_000, "steps until that noise has faded to nothing, evenly", ge=1)
    augment: tuple[Augmentation, ...] = setting(
        (),
        "random changes of all pictures that the discriminator sees, which the generator learns through: color, "
        "translation, cutout (Zhao et al. 2020, DiffAugment)",
    )

    @model_validator(mode="after")
    def _no_setting_is_idle(self) -> RemediesConfig:
        if not self.instance_noise and self._changed("instance_noise_steps"):
            what = f"instance_noise_steps={self.instance_noise_steps} has no effect without instance_noise"
            raise ValueError(f"{what}: set method.remedies.instance_noise=0.1, or leave it out")
        return self

    def idle_penalty(self) -> str | None:
        """The name of a setting that says how to penalise where nothing asks for a penalty."""
        names = ("penalty_weight", "penalty_every")
        return next((name for name in names if self.penalty == "none" and self._changed(name)), None)

    def _changed(self, name: str) -> bool:
        return bool(getattr(self, name) != type(self).model_fields[name].default)

    @model_validator(mode="after")
    def _every_change_is_named_once(self) -> RemediesConfig:
        for name in self.augment:
            if self.augment.count(name) > 1:
                raise ValueError(f"augment names {name} twice: leave one of them out")
        return self


NO_REMEDIES = RemediesConfig()


def check_remedies(
    remedies: RemediesConfig,
    discriminator: NetworkConfig,
    adversarial: Adversarial,
    *,
    gradient_penalty: float = 0.0,
) -> None:
    """Raises ValueError, with what to set instead, where remedies do not go with discriminator and loss.

    `gradient_penalty` is the weight of the penalty that the loss wgan-gp brings by itself.
    """
    own = adversarial == "wgan-gp" and gradient_penalty > 0
    if own and remedies.penalty != "none":
        raise ValueError(
            "wgan-gp has a penalty of its own: set method.gradient_penalty to its weight, and leave "
            "method.remedies.penalty out"
        )
    if idle := remedies.idle_penalty():
        name, usual = f"method.remedies.{idle}", RemediesConfig.model_fields[idle].default
        otherwise = f"set method.remedies.penalty=r1, or {name}={usual:g}"
        instead = "method.gradient_penalty is the weight of its own" if own else otherwise
        raise ValueError(f"{name} has no effect without method.remedies.penalty: {instead}")
    if own or remedies.penalty != "none":
        _refuse_batch_norm(discriminator)
    if remedies.label_smoothing and adversarial not in LABELLED:
        raise ValueError(
            f"the adversarial loss {adversarial} has no label that could be smoothed: "
            "leave method.remedies.label_smoothing out"
        )


def check_there_is_a_discriminator(remedies: RemediesConfig, *, otherwise: str) -> None:
    """Raises ValueError where there are remedies; `otherwise` says what to set for a discriminator. There is none."""
    if remedies != NO_REMEDIES:
        raise ValueError(
            f"method.remedies are for a discriminator, and there is none: leave them out, or set {otherwise}"
        )


def check_samples(discriminator: NetworkConfig, samples: int, parts: int) -> None:
    """Raises ValueError where minibatch standard deviation finds no groups in `samples`, which each part has."""
    compares = isinstance(discriminator, PatchGANConfig | Halving) and discriminator.stddev
    if compares and all(samples % group for group in (2, 3, 4)):
        raise ValueError(
            f"minibatch standard deviation compares groups of 2 to 4 samples, and {samples} cannot be cut into them: "
            f"set train.batch={4 * parts}"
        )


def _refuse_batch_norm(discriminator: NetworkConfig) -> None:
    what = "the gradient penalty is one of single samples, which batch norm mixes"
    match discriminator:
        case PatchGANConfig(norm="batch") | PixelConfig(norm="batch"):
            raise ValueError(f"{what}: set method.discriminator.norm=instance")
        case DCGANCriticConfig(norm="batch"):
            raise ValueError(f"{what}: set method.discriminator.norm=layer")
        case SRGANDiscriminatorConfig():
            raise ValueError(f"{what}: set method.discriminator.kind=unet-sn")
