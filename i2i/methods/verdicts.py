"""Losses of a discriminator of several scales, from its verdicts (`networks.patchgan.Verdict`), one for each scale."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, stack

from i2i.config.losses import Adversarial
from i2i.losses.adversarial import discriminator_loss, generator_loss
from i2i.losses.feature_matching import feature_matching
from i2i.networks.patchgan import Verdict

Verdicts = Sequence[Verdict]


def telling(kind: Adversarial, reals: Verdicts, fakes: Verdicts) -> Tensor:
    """What a discriminator learns from: half of its losses, summed over the scales."""
    pairs = zip(reals, fakes, strict=True)
    return 0.5 * stack([discriminator_loss(kind, real.logits, fake.logits) for real, fake in pairs]).sum()


def fooling(kind: Adversarial, reals: Verdicts, fakes: Verdicts) -> Tensor:
    """What a generator learns from it: its losses, summed over the scales. Only relativistic kinds look at `reals`."""
    pairs = zip(reals, fakes, strict=True)
    return stack([generator_loss(kind, fake.logits, real.logits) for real, fake in pairs]).sum()


def matching(reals: Verdicts, fakes: Verdicts) -> Tensor:
    """The differences of the hidden layers (`feature_matching`)."""
    return feature_matching([fake.features for fake in fakes], [real.features for real in reals])
