"""Feature matching: fake and real pictures compared by what a discriminator sees in them (Wang et al. 2018, pix2pixHD).

N batch, C channels, H x W pixels of a map.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from i2i.losses.reconstruction import l1_loss

LAYERS = 4  # hidden ones of the published discriminator: at a single scale each of them weighs 1


def feature_matching(fake: Sequence[Sequence[Tensor]], real: Sequence[Sequence[Tensor]]) -> Tensor:
    """4 times the mean over scales and hidden layers of the mean absolute differences of their maps.

    `fake` and `real` hold for each scale the (N, C, H, W) activations of each hidden layer, logits left out: with K
    scales of L layers a map weighs 4/(K L), as in the authors' release. Only `fake` gets a gradient. Raises ValueError
    where the two have not the same scales and layers.
    """
    scales = [
        torch.stack([l1_loss(f, r.detach()) for f, r in zip(*layers, strict=True)]).mean()
        for layers in zip(fake, real, strict=True)
    ]
    return LAYERS * torch.stack(scales).mean()
