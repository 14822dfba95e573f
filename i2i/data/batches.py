"""Typed batches: what a method asks its feed for. N samples, C channels, H x W pixels.

Pictures travel as uint8 or uint16 and reach the method as floats in the method's `value_range`: the engine converts.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Photos(NamedTuple):
    """Crops of photos at full resolution."""

    real: Tensor  # (N, 3, H, W)


class Labelled(NamedTuple):
    """Pictures of one size, each with the number of its class."""

    real: Tensor  # (N, C, H, W)
    label: Tensor  # (N,) int64; 0 where there are no classes


class Masked(NamedTuple):
    """Crops of photos, and what of each is to be painted."""

    real: Tensor  # (N, 3, H, W)
    mask: Tensor  # (N, 1, H, W) bool, true in the hole


class Paired(NamedTuple):
    """An input and the target that belongs to it, whichever of the data's domains they are."""

    real_a: Tensor  # (N, C_a, H, W) the input
    real_b: Tensor  # (N, C_b, H, W) the target


class Unpaired(NamedTuple):
    """Unrelated pictures of two domains."""

    real_a: Tensor  # (N, C_a, H, W)
    real_b: Tensor  # (N, C_b, H, W)
