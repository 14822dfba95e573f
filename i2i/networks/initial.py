"""Initial weights (SPECS: N(0, 0.02) for convolutions, N(1, 0.02) for batch norm, biases zero).

The gain is a deviation for normal weights alone: batch norms of networks with other weights are drawn as by default.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from i2i.config.network_base import Init, NetworkConfig
from i2i.networks.spectral import ClassVectors

BATCH_NORM_DEVIATION = 0.02


def initialise(network: nn.Module, config: NetworkConfig) -> None:
    """Draw all weights of a network anew, from torch's global generator."""
    if next(network.parameters()).is_meta:  # nothing to draw; asking torch all the same takes it a second to prepare
        return
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            _draw(module.weight, config.init, config.init_gain)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, ClassVectors):  # small: they meet sums over whole maps
            nn.init.normal_(module.weight, 0.0, 1e-3)
        elif isinstance(module, nn.BatchNorm2d):
            deviation = config.init_gain if config.init == "normal" else BATCH_NORM_DEVIATION
            nn.init.normal_(module.weight, 1.0, deviation)
            nn.init.zeros_(module.bias)


def shrink(network: nn.Module) -> None:
    """Initial weights to a tenth: deep residual networks are easier to train so (Wang et al. 2018, section 3.1)."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.mul_(0.1)


def _draw(weight: Tensor, init: Init, gain: float) -> None:
    match init:
        case "normal":
            nn.init.normal_(weight, 0.0, gain)
        case "xavier":
            nn.init.xavier_normal_(weight, gain)
        case "xavier-uniform":
            nn.init.xavier_uniform_(weight, gain)
        case "kaiming":
            nn.init.kaiming_normal_(weight, a=0, mode="fan_in")
        case "orthogonal":
            nn.init.orthogonal_(weight, gain)
        case "uniform":
            nn.init.uniform_(weight, -gain, gain)
