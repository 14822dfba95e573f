"""What every network says about itself."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from i2i.config.network_base import NetworkConfig


class Network(nn.Module):
    """A module that is built from its settings and states which sizes it takes."""

    config: NetworkConfig  # rebuilds it
    multiple: int  # sides of its input are multiples of this, in pixels
    minimum: int  # and at least this

    def stages(self) -> Sequence[nn.Module] | None:
        """What the network does, one after the other, so that a picture can go through it in blocks.

        Each is a norm that looks at the whole picture (`PictureNorm`), a `Residual`, or anything whose output depends
        on its input nearby; child modules stand in the order that they are called in. None: each pixel depends on all
        others, or nearly so, and the picture must stay whole.
        """
        return None


class Residual(nn.Module):
    """x + convolve(x); nothing after the sum."""

    convolve: nn.Sequential

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        return x + self.convolve(x)
