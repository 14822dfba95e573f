"""Batch norms with running statistics are a part of the convolution before them once a network is trained."""

from __future__ import annotations

import copy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from i2i.networks.norm import PictureNorm


def folded(network: nn.Module) -> nn.Module:
    """The evaluated network without such norms: the same function but for rounding, with fewer passes over its maps.

    Itself where it has none; a copy otherwise.
    """
    if not any(_is_foldable(module) for module in network.modules()):
        return network
    result = copy.deepcopy(network)
    for stack in [module for module in result.modules() if isinstance(module, nn.Sequential)]:
        for place in range(1, len(stack)):
            before, norm = stack[place - 1], stack[place]
            if isinstance(before, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d) and _is_foldable(norm):
                stack[place - 1] = fuse_conv_bn_eval(before, norm)
                stack[place] = nn.Identity()
    return result


def _is_foldable(module: nn.Module) -> bool:
    return isinstance(module, nn.BatchNorm2d) and not isinstance(module, PictureNorm) and not module.training
