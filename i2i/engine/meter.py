"""Means of the losses, summed on the device and read only when somebody looks: reading waits for the device."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class Meter:
    """Sums losses over steps. Losses may come and go between steps."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._last: Mapping[str, Tensor] = {}

    def add(self, losses: Mapping[str, Tensor]) -> None:
        """One step's scalars."""
        self._last = losses
        for name, value in losses.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._counts[name] = self._counts.get(name, 0) + 1

    def latest(self) -> dict[str, float]:
        """The last step's values."""
        return _to_host(self._last)

    def read(self) -> dict[str, float]:
        """Means since the last call, each over the steps that had the loss."""
        means = _to_host({name: total / self._counts[name] for name, total in self._sums.items()})
        self._sums, self._counts = {}, {}
        return means


def _to_host(values: Mapping[str, Tensor]) -> dict[str, float]:
    """One transfer for all."""
    if not values:
        return {}
    return dict(zip(values, torch.stack(list(values.values())).tolist(), strict=True))
