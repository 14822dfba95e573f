"""What every network says about itself."""

from __future__ import annotations

from torch import nn

from i2i.config.networks import NetworkConfig


class Network(nn.Module):
    """A module that is built from its settings and states which sizes it takes."""

    config: NetworkConfig  # rebuilds it
    multiple: int  # sides of its input are multiples of this, in pixels
    minimum: int  # and at least this
