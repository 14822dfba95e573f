"""Losses of a discriminator of several scales, from its verdicts (`networks.patchgan.Verdict`), one for each scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, stack

from i2i.config.losses import Adversarial
from i2i.losses.adversarial import RELATIVISTIC, discriminator_loss, generator_loss
from i2i.losses.feature_matching import feature_matching
from i2i.networks.patchgan import Verdict

Verdicts = Sequence[Verdict]


def telling(kind: Adversarial, reals: Verdicts, fakes: Verdicts) -> Tensor:
    """What a discriminator learns from: half of its losses, summed over the scales."""
    pairs = zip(reals, fakes, strict=True)
    return 0.5 * stack([discriminator_loss(kind, real.logits, fake.logits) for real, fake in pairs]).sum()


def fooling(
    kind: Adversarial,
    judge: Callable[[Tensor], Verdicts],
    real: Tensor,
    fake: Tensor,
    *,
    weight: float,
    matching: float,
) -> dict[str, Tensor]:
    """What a generator learns from it, by name: "gan", and "features" where the hidden layers are to match.

    `judge` gives the verdicts on pictures (N, C, H, W); only `fake` gets a gradient. `weight` and `matching` are the
    weights of the two losses, which are sums over the scales.
    """
    fakes = judge(fake)
    with torch.no_grad():  # the generator has no part in them
        reals = judge(real) if kind in RELATIVISTIC or matching else fakes
    pairs = zip(reals, fakes, strict=True)
    gan = stack([generator_loss(kind, fake.logits, real.logits) for real, fake in pairs]).sum()
    losses = {"gan": weight * gan}
    if matching:
        matched = feature_matching([fake.features for fake in fakes], [real.features for real in reals])
        losses["features"] = matching * matched
    return losses
