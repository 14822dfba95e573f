"""One picture to any larger size: the network once or twice, then the rest of the way by resampling in float.

H x W pixels, C channels, s the network's scale.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import interpolate

from i2i.errors import ModelError, NoMemoryError, UsageError
from i2i.images.picture import Samples
from i2i.inference.canvas import resized
from i2i.inference.translator import Translator, pick_device
from i2i.inference.ways import Running, Way, is_out_of_memory
from i2i.models.info import ModelInfo, call_of, choose_direction, sha256
from i2i.models.modelfile import load_model
from i2i.models.shipped import resolve

MOST_PASSES = 2
MOST_OF_MEMORY = 0.8  # of the machine's, for the floats of one result
LOW_BAND = 8  # pixels of the input that the colour correction averages over
# of each of the eight positions of a square: quarter turns, mirrored or not
POSITIONS = tuple((turns, mirrored) for mirrored in (False, True) for turns in range(4))


@dataclass(frozen=True)
class Target:
    """How large results are: `scale` times the input, or `width` or `height` pixels with the aspect kept, or both."""

    scale: float | None = None
    width: int | None = None
    height: int | None = None

    def __post_init__(self) -> None:
        wrong = [value for value in (self.scale, self.width, self.height) if value is not None and not 0 < value < 1e6]
        if wrong:
            raise UsageError(f"{wrong[0]:g} is no size: a scale, width or height is a number above 0.")

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
        second = load_model(other)
        refuse_other_tasks(second.info, other)
        if second.info.value_range != file.info.value_range:
            raise ModelError("is a network of another value range: --texture cannot be.", where=other)
        network = interpolated(network, second.networks["up"], enlarging.texture, other)
        digest = f"{digest} {sha256(other)}"
    return Upscaler(network, file.info, enlarging, pick_device(device), sha256=digest, running=running)


def refuse_other_tasks(info: ModelInfo, model: str | PathLike[str]) -> None:
    """Raises UsageError for a model that does not enlarge."""
    if info.task != "upscale":
        what = f"{model} is a model that does not enlarge pictures."
        raise UsageError(what, hint=f"Use: {call_of(info, model)}")


def texture_model(path: Path) -> Path:
    """The texture model that belongs to a fidelity model. Raises UsageError where there is none."""
    other = path.with_name(f"{path.stem}-gan.safetensors")
    if not other.is_file():
        what = f"--texture needs a second model {other.name} beside {path.name}, and there is none."
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
        if enlarging.target.scale == self.scale:  # said or not, it is the same work
            enlarging = replace(enlarging, target=Target())
        self.enlarging = enlarging
        self.name = f"{self.name} {enlarging}"
        most = self.scale**MOST_PASSES
        if (enlarging.target.scale or 1) > most:
            what = f"the scale {enlarging.target.scale:g} is beyond this model, which reaches {most} in two passes."
            raise UsageError(what, hint=f"Use --scale {most} or less.")

    def _result(self, pixels: Samples, kind: str, as_luma: bool, known: Way | None) -> tuple[Samples, Way | None]:
        """(H, W, C_in) -> (H', W', C_out), see `Translator._result`. Raises NoMemoryError where it does not fit."""
        height, width = pixels.shape[:2]
        target = self.enlarging.target.size(height, width, self.scale)
        passes = self._passes(max(target[0] / height, target[1] / width))
        is_own = passes == 1 and target == (self.scale * height, self.scale * width)
        small = self._shrunk(pixels) if passes else None
        if is_own and small is None and not self._is_in_float:
            return self._run(pixels, kind, as_luma, known)  # written as it is: no floats of the whole result
        self._refuse_too_large(target, max(height * width * self.scale ** (2 * passes), target[0] * target[1]))
        try:
            result, way = self._in_float(pixels if small is None else small, passes, as_luma, known)
            if self.enlarging.color_fix and passes:
                add_colours_of(pixels, result)
            return resized(result, target, kind), way
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise self._no_memory(target) from error

    def _in_float(self, pixels: Samples, passes: int, as_luma: bool, known: Way | None) -> tuple[Samples, Way | None]:
        """So many times through the network, and the way of the first time."""
        if not passes:
            return (pixels[:, :, :1] if as_luma else pixels), known
        result, way = self._passed(pixels, as_luma, known)
        for _ in range(passes - 1):  # larger, so it finds a way of its own
            result, _ = self._passed(result, as_luma, None)
        return result, way

    def _refuse_too_large(self, target: tuple[int, int], pixels: int) -> None:
        """Floats of all channels, once more for what is added up or resized, must fit into most of the memory."""
        if 2 * 4 * 3 * pixels > MOST_OF_MEMORY * self.ways.memory:
            raise self._no_memory(target)

    def _no_memory(self, target: tuple[int, int]) -> NoMemoryError:
        what = f"a result of {target[1]}x{target[0]} pixels needs more memory than there is."
        return NoMemoryError(what, hint="Use a smaller --scale, or the model's own without --ensemble and --color-fix.")

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
        total: Any = None
        for turns, mirrored in POSITIONS:
            shown = np.rot90(pixels[:, ::-1] if mirrored else pixels, turns)
            result, way = self._run(np.ascontiguousarray(shown), "float32", as_luma, way)
            back = np.rot90(result, -turns)
            back = back[:, ::-1] if mirrored else back
            total = back.copy() if total is None else np.add(total, back, out=total)
        assert way is not None
        return np.multiply(total, 1 / len(POSITIONS), out=total), way


def add_colours_of(pixels: Samples, result: Samples) -> None:
    """Corrects slow changes of colour and shade in the result to those of the input.

    What the shrunk result lacks of the input is averaged over LOW_BAND pixels, enlarged smoothly and added.
    """
    height, width = pixels.shape[:2]
    coarse = (max(1, height // LOW_BAND), max(1, width // LOW_BAND))
    source = resized(pixels[:, :, : result.shape[2]], (height, width), "float32")
    missing = source - resized(result, (height, width), "float32")
    for channel in range(result.shape[2]):
        plane = torch.from_numpy(np.ascontiguousarray(missing[:, :, channel]))[None, None]
        low = interpolate(plane, size=coarse, mode="bilinear", antialias=True, align_corners=False)
        smooth = interpolate(low, size=result.shape[:2], mode="bicubic", align_corners=False)
        result[:, :, channel] += smooth[0, 0].numpy()


def _rounded(value: float) -> int:
    return int(value + 0.5)
