"""From a degradation's settings to the degradation."""

from __future__ import annotations

from i2i.config.degradation import BicubicConfig, FirstOrderConfig, SecondOrderConfig
from i2i.degradations.base import Degrade
from i2i.degradations.first_order import Bicubic, FirstOrder
from i2i.degradations.second_order import SecondOrder


def degradation(config: BicubicConfig | FirstOrderConfig | SecondOrderConfig, scale: int) -> Degrade:
    """What makes pictures of 1/scale of the photos' sides."""
    match config:
        case BicubicConfig():
            return Bicubic(scale)
        case FirstOrderConfig():
            return FirstOrder(config, scale)
        case SecondOrderConfig():
            return SecondOrder(config, scale)
