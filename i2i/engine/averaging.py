"""Exponential moving average of the deployed networks: what is measured and shipped."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import nn


class Average:
    """Averaged copies of networks. Parameters move by the half-life, buffers are copied.

    After t updates the decay is min(beta, (1 + t) / (10 + t)): the first, random weights are soon forgotten. With
    half-life h in images and N images a step, beta = 0.5^(N / h). Half-life 0 follows the networks without averaging.
    """

    def __init__(self, networks: Mapping[str, nn.Module], half_life: float, images: int) -> None:
        self.networks = {
            name: copy.deepcopy(network).eval().requires_grad_(False) for name, network in networks.items()
        }
        self.beta = 0.5 ** (images / half_life) if half_life else 0.0
        self.updates = 0

    @torch.no_grad()
    def update(self, networks: Mapping[str, nn.Module]) -> None:
        """Moves towards the networks' present weights."""
        self.updates += 1
        decay = min(self.beta, (1 + self.updates) / (10 + self.updates))
        for name, network in networks.items():
            mine, theirs = self.networks[name], network
            torch._foreach_lerp_(list(mine.parameters()), list(theirs.parameters()), 1 - decay)
            for own, buffer in zip(mine.buffers(), theirs.buffers(), strict=True):
                own.copy_(buffer)

    @torch.no_grad()
    def copy_to(self, networks: Mapping[str, nn.Module]) -> None:
        """Sets the networks to the averaged weights: the start of a method's next stage."""
        for name, network in networks.items():
            network.load_state_dict(self.networks[name].state_dict())

    def reset(self, networks: Mapping[str, nn.Module]) -> None:
        """Forgets the past: the average is the present weights."""
        self.updates = 0
        for name, network in networks.items():
            self.networks[name].load_state_dict(network.state_dict())
