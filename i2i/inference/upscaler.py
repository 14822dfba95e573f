"""One picture to any larger size: the network once or twice, then the rest of the way by resampling in float.

H x W pixels, C channels, s the network's scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import interpolate

from i2i.errors import ModelError, UsageError
from i2i.images.picture import Samples
from i2i.inference.canvas import resized
from i2i.inference.translator import Translator, pick_device
from i2i.inference.ways import Running, Way
from i2i.models.info import ModelInfo, choose_direction, sha256
from i2i.models.modelfile import load_model
from i2i.models.shipped import resolve

MOST_PASSES = 2
LOW_BAND = 8  # pixels of the input that the colour correction averages over
# of each of the eight positions of a square: quarter turns, mirrored or not
POSITIONS = tuple((turns, mirrored) for mirrored in (False, True) for turns in range(4))


@dataclass(frozen=True)
class Target:
    """How large results are: `scale` times the input, or `width` or `height` pixels with the aspect kept, or both."""

    scale: float | None = None
    width: int | None = None
    height: int | None = None

    def size(self, height: int, width: int, scale: int) -> tuple[int, int]:
        """(H', W') for an input of (H, W); `scale` is the network's, for a target that says nothing."""
        if self.width and self.height:
            return self.height, self.width
        if self.width:
            return max(1, _rounded(height * self.width / width)), self.width
        if self.height:
            return self.height, max(1, _rounded(width * self.height / height))
        factor = self.scale or scale
        return max(1, _rounded(height * factor)), max(1, _rounded(width * factor))

    def __str__(self) -> str:
        if self.width or self.height:
            return f"{self.width or 'auto'}x{self.height or 'auto'} pixels"
        return f"x{self.scale:g}" if self.scale else "the network's scale"


@dataclass(frozen=True)
class Enlarging:
    """What is done beside the network.

    `ensemble`: the mean over the eight positions of the picture (Timofte et al. 2016), eight times the work.
    `color_fix`: colours and shades that the network has shifted are put back. `texture`: from 0, the model itself, to
    1, its counterpart NAME-gan (network interpolation, Wang et al. 2018); None: the model as it is.
    """

    target: Target = Target()
    ensemble: bool = False
    color_fix: bool = False
    texture: float | None = None


def load_upscaler(
    model: str | PathLike[str],
    *,
    enlarging: Enlarging = Enlarging(),
    device: str = "auto",
    running: Running = Running(),  # noqa: B008  frozen
) -> Upscaler:
    """The upscaler of a model file, a run folder or a shipped model.

    Raises UsageError for an unknown model or device, for a model that is for something else, or a scale that is beyond
    it, ModelError for a file that cannot be used.
    """
    path = resolve(model)
    file = load_model(path)
    refuse_other_tasks(file.info, model)
    network, digest = file.networks[choose_direction(file.info, "up")], sha256(path)
    if enlarging.texture is not None:
        other = texture_model(path)
        network = interpolated(network, load_model(other).networks["up"], enlarging.texture, other)
        digest = f"{digest} {sha256(other)}"
    return Upscaler(network, file.info, enlarging, pick_device(device), sha256=digest, running=running)


def refuse_other_tasks(info: ModelInfo, model: str | PathLike[str]) -> None:
    """Raises UsageError for a model that does not enlarge."""
    if info.task != "upscale":
        hint = f"Use: i2i {info.task} {model} INPUT... -o OUT"
        raise UsageError(f"{model} is a model that does not enlarge pictures.", hint=hint)


def texture_model(path: Path) -> Path:
    """The texture model that belongs to a fidelity model. Raises UsageError where there is none."""
    other = path.with_name(f"{path.stem}-gan.safetensors")
    if not other.is_file():
        what = f"--texture needs a second model {other.stem} beside {path.stem}, and there is none."
        raise UsageError(what, hint="Leave it out.")
    return other


def interpolated(network: nn.Module, other: nn.Module, share: float, where: Path) -> nn.Module:
    """The network with weights (1 - share) of its own and share of the other's. Raises ModelError where they differ."""
    mine, theirs = network.state_dict(), other.state_dict()
    if {key: tensor.shape for key, tensor in mine.items()} != {key: tensor.shape for key, tensor in theirs.items()}:
        raise ModelError("is a network of other layers: --texture cannot be.", where=where)
    mixed = {
        key: torch.lerp(tensor, theirs[key], share) if tensor.is_floating_point() else tensor
        for key, tensor in mine.items()
    }
    network.load_state_dict(mixed)
    return network


class Upscaler(Translator):
    """A Translator to any larger size. A picture that is as large already is resampled and passes no network."""

    def __init__(
        self,
        network: nn.Module,
        info: ModelInfo,
        enlarging: Enlarging,
        device: torch.device,
        *,
        sha256: str = "",
        running: Running = Running(),  # noqa: B008  frozen
        memory: int | None = None,
    ) -> None:
        super().__init__(network, info, "up", device, sha256=sha256, running=running, memory=memory)
        self.enlarging = enlarging
        self.name = f"{self.name} {enlarging}"
        most = self.scale**MOST_PASSES
        if (enlarging.target.scale or 1) > most:
            what = f"the scale {enlarging.target.scale:g} is beyond this model, which reaches {most} in two passes."
            raise UsageError(what, hint=f"Use --scale {most} or less.")

    def _result(self, pixels: Samples, kind: str, as_luma: bool, known: Way | None) -> tuple[Samples, Way | None]:
        """(H, W, C_in) -> (H', W', C_out), see `Translator._result`."""
        height, width = pixels.shape[:2]
        target = self.enlarging.target.size(height, width, self.scale)
        passes = self._passes(max(target[0] / height, target[1] / width))
        small = self._shrunk(pixels)
        source = pixels if small is None else small
        is_all = target == (self.scale * height, self.scale * width) and small is None and not self._is_in_float
        if passes == 1 and is_all:  # written as it is: no floats of the whole result
            return self._run(pixels, kind, as_luma, known)
        result, way = np.asarray(source), known
        if not passes and as_luma:
            result = result[:, :, :1]
        for _ in range(passes):
            result, way = self._passed(result, as_luma, way)
        if self.enlarging.color_fix and passes:
            result = _with_colours_of(pixels, result)
        return resized(result, target, kind), way

    def _passes(self, factor: float) -> int:
        """How often the network must enlarge; what is beyond two passes is left to the resampling."""
        passes = 0
        while passes < MOST_PASSES and self.scale**passes < factor:
            passes += 1
        return passes

    @property
    def _is_in_float(self) -> bool:
        return self.enlarging.ensemble or self.enlarging.color_fix

    def _passed(self, pixels: Samples, as_luma: bool, way: Way | None) -> tuple[Samples, Way]:
        """One time through the network, in float; with the ensemble eight times."""
        if pixels.shape[2] != self.channels_in:  # luma, for a second pass
            pixels = np.repeat(pixels, self.channels_in, axis=2)
        if not self.enlarging.ensemble:
            return self._run(pixels, "float32", as_luma, way)
        total: Any = 0.0
        for turns, mirrored in POSITIONS:
            shown = np.rot90(pixels[:, ::-1] if mirrored else pixels, turns)
            result, way = self._run(np.ascontiguousarray(shown), "float32", as_luma, way)
            back = np.rot90(result, -turns)
            total = total + (back[:, ::-1] if mirrored else back)
        assert way is not None
        return np.asarray(total / len(POSITIONS), np.float32), way


def _with_colours_of(pixels: Samples, result: Samples) -> Samples:
    """The result, its slow changes of colour and shade corrected to those of the input.

    What the shrunk result lacks of the input is averaged over LOW_BAND pixels, enlarged smoothly and added.
    """
    height, width = pixels.shape[:2]
    source = resized(pixels[:, :, : result.shape[2]], (height, width), "float32")
    missing = source - resized(result, (height, width), "float32")
    planes = torch.from_numpy(np.ascontiguousarray(missing.transpose(2, 0, 1)))[None]
    coarse = (max(1, height // LOW_BAND), max(1, width // LOW_BAND))
    low = interpolate(planes, size=coarse, mode="bilinear", antialias=True, align_corners=False)
    smooth = interpolate(low, size=result.shape[:2], mode="bicubic", align_corners=False)
    return np.asarray(result + smooth[0].permute(1, 2, 0).numpy(), np.float32)


def _rounded(value: float) -> int:
    return int(value + 0.5)
