"""Losses between a picture and its reconstruction: any shape, any common range."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from i2i.losses.precise import precise


def l1_loss(fake: Tensor, real: Tensor) -> Tensor:
    """Mean absolute difference: the cycle loss |F(G(x)) - x| and the identity loss |G(y) - y| of Zhu et al. 2017."""
    return F.l1_loss(precise(fake), precise(real))
