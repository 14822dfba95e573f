"""onnxruntime, which is optional: used where it is quicker on this machine and gives the same picture."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from i2i.errors import UsageError
from i2i.inference.export import load_onnxruntime, onnx_bytes
from i2i.inference.tiling import Source, Window
from i2i.networks.base import Network

ENOUGH = 1.05  # times as quick: less is noise
TRIAL_SIDE = 256  # px, or the least that the network takes
ROUNDS = 3
MANY = 32  # pictures, for which a trial is worth while
INSTALL = "Install it: pip install 'i2i-toolkit[fast]'"


@dataclass(frozen=True)
class Trial:
    """How many times as quick, and the largest difference in steps of 8 bit."""

    ratio: float
    difference: float

    @property
    def is_passed(self) -> bool:
        """Whether it is worth it, and right."""
        return self.ratio >= ENOUGH and self.difference <= 1

    def __str__(self) -> str:
        found = f"{self.ratio:.2f} times as quick as torch here, differs by {self.difference:.3f}/255"
        return f"onnxruntime: {found}"


class QuickError(Exception):
    """onnxruntime failed where torch may not."""


class Quick(nn.Module):
    """A network on the CPU, computed by onnxruntime. The network is its child: both have the same extent."""

    def __init__(self, network: Network, channels: int) -> None:
        super().__init__()
        onnxruntime = load_onnxruntime()
        self.network = network
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        model = onnx_bytes(network, channels, network.multiple, network.minimum)
        self.session: Any = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', sH, sW)."""
        try:
            (result,) = self.session.run(None, {"x": x.contiguous().numpy()})
        except Exception as error:  # its own classes have no other base
            raise QuickError(str(error)) from error
        return torch.from_numpy(result)


def is_installed() -> bool:
    """Whether the optional runtime is there."""
    return all(find_spec(name) for name in ("onnx", "onnxruntime"))


def require() -> None:
    """Raise UsageError where it is not installed."""
    if not is_installed():
        raise UsageError("onnxruntime is not installed.", hint=INSTALL)


def tried(quick: Quick, plain: Callable[[Tensor], Tensor], picture: Source, value_range: tuple[float, float]) -> Trial:
    """Both in turn on a part of a picture."""
    network = quick.network
    side = max(TRIAL_SIDE, network.minimum) // network.multiple * network.multiple
    x = picture.read(Window(0, 0, min(side, picture.height), min(side, picture.width)))
    low, high = value_range
    expected, result = plain(x), quick(x)
    difference = float((result - expected).abs().max()) * 255 / (high - low)
    ratios = [_seconds(plain, x) / _seconds(quick, x) for _ in range(ROUNDS)]
    return Trial(statistics.median(ratios), difference if bool(torch.isfinite(result).all()) else float("inf"))


def _seconds(function: Callable[[Tensor], Tensor], x: Tensor) -> float:
    start = time.perf_counter()
    function(x)
    return time.perf_counter() - start
