"""What the settings of all networks share."""

from __future__ import annotations

from typing import Literal

from i2i.config.base import Settings, setting

Norm = Literal["instance", "batch", "none"]
Init = Literal["normal", "xavier", "kaiming", "orthogonal", "uniform", "xavier-uniform"]
GAIN = "deviation (normal), bound (uniform) or gain (xavier, orthogonal) of the initial weights"


class NetworkConfig(Settings):
    """What all networks share."""

    init: Init = setting("normal", "distribution of the initial convolution weights")
    init_gain: float = setting(0.02, GAIN, gt=0)
