"""Past pictures for a discriminator (Shrivastava et al. 2017, section 2.3)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from i2i.methods.base import StepInfo


class History(nn.Module):
    """A fixed store of past pictures on the training device: no host reads, no generator state.

    Each new picture is stored and returned while the store is filling; then, with probability 1/2, it takes the
    place of a random stored one, which is returned instead. A picture with a non-finite value is never stored.
    Size 0 passes everything through.
    """

    images: Tensor  # (size, C, H, W), allocated by the first picture
    seen: Tensor  # pictures stored while filling, at most `size`

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("images", torch.empty(0))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def forward(self, pictures: Tensor, at: StepInfo) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W), detached: each picture, or a past one in its place."""
        pictures = pictures.detach()
        if not self.size:
            return pictures
        if self.images.shape != (self.size, *pictures.shape[1:]):  # the first picture, or the first of another size
            self.images = torch.zeros_like(pictures[:1]).repeat(self.size, 1, 1, 1)
            self.seen.zero_()
        swap, slot = at.draws.uniform(len(pictures)), at.draws.uniform(len(pictures))
        returned = [self._exchange(*one) for one in zip(torch.split(pictures, 1), swap, slot, strict=True)]
        return torch.cat(returned)

    def _exchange(self, picture: Tensor, swap: Tensor, slot: Tensor) -> Tensor:
        filling = self.seen < self.size
        place = torch.where(filling, self.seen, (slot * self.size).long().clamp(max=self.size - 1)).view(1)
        stored = self.images.index_select(0, place)
        store = (filling | (swap > 0.5)) & torch.isfinite(picture).all()
        self.images.index_copy_(0, place, torch.where(store, picture, stored))
        returned = torch.where(store & ~filling, stored, picture)
        self.seen += filling & store
        return returned

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        saved = state_dict.get(f"{prefix}images")
        if saved is not None:  # the saved store decides the shape: this one may not have seen a picture yet
            self.images = torch.empty_like(saved, device=self.images.device)
        super()._load_from_state_dict(state_dict, prefix, *rest)
