"""Whether a batch that is cut into parts is the same as the whole one, and if not, why."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.parametrizations import _SpectralNorm

from i2i.methods.base import Method
from i2i.methods.history import History


def differences(method: Method, *, micro_batches: int, world: int) -> list[str]:
    """A line for each reason why parts of a batch do not add up to the whole batch; none: they do, to rounding.

    Losses that are means over samples add up. Losses that compare samples, batch statistics, spectral norm, dropout
    and, for several processes, a history of each process's own do not.
    """
    if micro_batches * world == 1:
        return []
    lines = []
    if method.coupled:
        lines.append(f"these losses compare the samples of a part, not of the batch: {', '.join(method.coupled)}")
    if any(isinstance(module, nn.BatchNorm2d) for module in method.modules()):
        lines.append("batch norm sees the samples of a part, not of the batch")
    if micro_batches > 1 and any(isinstance(module, _SpectralNorm) for module in method.modules()):
        lines.append("spectral norm takes a step of its own with each part")
    if any(isinstance(module, nn.Dropout) and module.p for module in method.modules()):
        lines.append("dropout draws masks of its own in each part")
    if world > 1 and any(isinstance(module, History) and module.size for module in method.modules()):
        lines.append("each process keeps an image history of its own")
    return lines
