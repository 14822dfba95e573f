"""Adversarial losses on logits: means over all elements, before the 1/2 of the translation methods.

r and f are logits on real and fake pictures, any shape; a bar is the mean over all of them. "vanilla" is the
non-saturating loss of Goodfellow et al. 2014 and "saturating" their minimax one; "lsgan" Mao et al. 2017; "hinge"
Lim and Ye 2017; "wgan-gp" Gulrajani et al. 2017 (its penalty is in `penalties`); "ragan", "ralsgan" and "rahinge"
Jolicoeur-Martineau 2019. The relativistic ones compare samples: their means are per micro-batch and process.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from i2i.config.losses import LABELLED, Adversarial
from i2i.losses.precise import precise

RELATIVISTIC = frozenset({"ragan", "ralsgan", "rahinge"})


def discriminator_loss(kind: Adversarial, real: Tensor, fake: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """Scalar loss of a discriminator from its logits on real and fake pictures.

    With `smoothing`, the label of real pictures is 1 - smoothing (Salimans et al. 2016, section 3.4); raises ValueError
    for kinds that have none (`LABELLED`).
    """
    if smoothing and kind not in LABELLED:
        raise ValueError(f"the {kind} loss has no label that could be smoothed")
    r, f = precise(real), precise(fake)
    match kind:
        case "vanilla" | "saturating":
            return _bce(r, 1 - smoothing) + _bce(f, 0)
        case "lsgan":
            return (r - (1 - smoothing)).square().mean() + f.square().mean()
        case "hinge":
            return F.relu(1 - r).mean() + F.relu(1 + f).mean()
        case "wgan-gp":
            return f.mean() - r.mean()
        case "ragan":
            return _bce(r - f.mean(), 1) + _bce(f - r.mean(), 0)
        case "ralsgan":
            return (r - f.mean() - 1).square().mean() + (f - r.mean() + 1).square().mean()
        case "rahinge":
            return F.relu(1 - (r - f.mean())).mean() + F.relu(1 + (f - r.mean())).mean()


def generator_loss(kind: Adversarial, fake: Tensor, real: Tensor | None = None) -> Tensor:
    """Scalar loss of a generator from the logits on its pictures; relativistic kinds need those on real ones too."""
    f = precise(fake)
    match kind:
        case "vanilla":
            return _bce(f, 1)
        case "saturating":
            return -_bce(f, 0)
        case "lsgan":
            return (f - 1).square().mean()
        case "hinge" | "wgan-gp":
            return -f.mean()
    if real is None:
        raise TypeError(f"the {kind} loss of a generator needs the logits on real pictures")
    r = precise(real)
    match kind:
        case "ragan":
            return 0.5 * (_bce(f - r.mean(), 1) + _bce(r - f.mean(), 0))
        case "ralsgan":
            return 0.5 * ((f - r.mean() - 1).square().mean() + (r - f.mean() + 1).square().mean())
        case "rahinge":
            return 0.5 * (F.relu(1 + (r - f.mean())).mean() + F.relu(1 - (f - r.mean())).mean())


def _bce(logits: Tensor, target: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))
