"""Device and number format of a training."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from i2i.errors import UsageError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Precision:
    """What the networks compute in: parameters stay float32, autocast lowers the arithmetic."""

    device: torch.device
    name: Literal["fp32", "bf16", "fp16"]

    def autocast(self) -> AbstractContextManager[object]:
        """Entered anew for each resumption of a step: autocast caches weights that the optimiser changes."""
        if self.name == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=DTYPES[self.name])

    def scaler(self) -> torch.amp.GradScaler:
        """One per player. float16 needs a moving scale; the others stay at 1 and only skip non-finite gradients."""
        return torch.amp.GradScaler(self.device.type, init_scale=2.0**16 if self.name == "fp16" else 1.0)


def choose_device(wanted: str) -> torch.device:
    """`auto` takes CUDA, then MPS, then the CPU. Raises UsageError for a device that is not there."""
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    device = torch.device(wanted)
    match device.type:
        case "cuda":
            there = (device.index or 0) < torch.cuda.device_count()
        case "mps":
            there = torch.backends.mps.is_available()
        case _:
            there = True
    if not there:
        raise UsageError(f"device {wanted} is not there.", hint="Use --device auto or --device cpu.")
    return device


def choose_precision(device: torch.device, wanted: str) -> Precision:
    """`auto` is bfloat16 on CUDA devices that have it, float32 elsewhere."""
    if wanted == "auto":
        wanted = "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
    match wanted:
        case "fp32" | "bf16" | "fp16":
            return Precision(device, wanted)
    raise UsageError(f"precision {wanted} is unknown.", hint="Use fp32, bf16 or fp16.")


def to_range(pictures: Tensor, value_range: tuple[float, float]) -> Tensor:
    """uint8 or uint16 pictures to float32 in a range, exactly invertible by rounding; other types stay as they are."""
    if pictures.dtype not in (torch.uint8, torch.uint16):
        return pictures
    low, high = value_range
    top = torch.iinfo(pictures.dtype).max
    return pictures.float().mul_((high - low) / top).add_(low)


def batch_converter(
    device: torch.device, value_range: tuple[float, float], channels_last: bool
) -> Callable[[tuple[Tensor, ...]], tuple[Tensor, ...]]:
    """Moves a typed batch to the device, into the method's range and memory format: the engine owns layouts."""
    layout = torch.channels_last if channels_last else torch.contiguous_format

    def convert(tensor: Tensor) -> Tensor:
        moved = to_range(tensor.to(device, non_blocking=True), value_range)
        return moved.contiguous(memory_format=layout) if moved.dim() == 4 else moved

    return lambda batch: type(batch)(*map(convert, batch))


def place(method: nn.Module, device: torch.device, channels_last: bool) -> None:
    """Moves a method to its device and its weights into the memory format, ready to train."""
    method.to(device).train()
    if channels_last:
        for param in method.parameters():
            if param.dim() == 4:
                param.data = param.data.contiguous(memory_format=torch.channels_last)
