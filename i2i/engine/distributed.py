"""Several processes that train one method together (torch.distributed)."""

from __future__ import annotations

import hashlib

import torch
import torch.distributed as dist
from torch import Tensor


class Processes:
    """This process among all that train together; alone when torch.distributed was not started."""

    def __init__(self) -> None:
        together = dist.is_available() and dist.is_initialized()
        self.rank = dist.get_rank() if together else 0
        self.world = dist.get_world_size() if together else 1

    def average(self, gradients: list[Tensor], means: Tensor, plan: object) -> Tensor:
        """Replaces gradients by their mean over all processes and returns the mean of `means`.

        Raises RuntimeError as `agree` does.
        """
        if self.world == 1:
            return means
        self.agree(plan, means.device)
        for gradient in gradients:
            dist.all_reduce(gradient)
            gradient.div_(self.world)
        dist.all_reduce(means)
        return means / self.world

    def agree(self, plan: object, device: torch.device) -> None:
        """Raises RuntimeError when processes yield different updates: summing them would be wrong without a word."""
        if self.world == 1:
            return
        # 16 bits: sums of squares are then exact for a thousand processes.
        code = float(int.from_bytes(hashlib.blake2b(repr(plan).encode(), digest_size=2).digest(), "big"))
        codes = torch.tensor([code, code * code], dtype=torch.float64, device=device)
        dist.all_reduce(codes)
        if float(codes[0] ** 2) != float(codes[1] * self.world):
            raise RuntimeError(f"process {self.rank} yields {plan}, another process something else")
