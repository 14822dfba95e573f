"""One picture through one network: any size, any channels, nothing of it lost. H x W pixels, C channels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from typing import cast, overload

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from i2i.errors import ImageError, UsageError
from i2i.images.files import read
from i2i.images.picture import Picture, Pixels
from i2i.models.info import Direction, ModelInfo, choose_direction
from i2i.models.modelfile import load_model
from i2i.models.shipped import resolve


def load(model: str | PathLike[str], *, device: str = "auto", direction: Direction | None = None) -> Translator:
    """The translator of a model file, a run folder or a shipped model.

    Without a direction it is a2b, or the only one that the model has. Raises UsageError for an unknown model, device
    or direction, ModelError for a file that cannot be used.
    """
    path = resolve(model)
    file = load_model(path)
    chosen = choose_direction(file.info, direction)
    return Translator(file.networks[chosen], file.info, chosen, pick_device(device))


def pick_device(name: str) -> torch.device:
    """The device of a name; auto takes CUDA, then MPS, then the CPU. Raises UsageError for one that is not there."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda:0")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, ValueError) as error:
        raise UsageError(f"no device '{name}' here.", hint="Take --device auto.") from error
    return device


class Translator:
    """A generator with what it needs to take any picture: call it with a picture, an array, a PIL image or a path."""

    def __init__(self, network: nn.Module, info: ModelInfo, direction: Direction, device: torch.device) -> None:
        self.network = network.to(device).eval()
        self.info, self.direction, self.device = info, direction, device
        self.channels_in = info.networks[direction].input_channels

    @overload
    def __call__(self, picture: Picture | str | PathLike[str]) -> Picture: ...
    @overload
    def __call__(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]: ...
    @overload
    def __call__(self, picture: Image.Image) -> Image.Image: ...
    def __call__(
        self, picture: Picture | str | PathLike[str] | NDArray[np.uint8] | Image.Image
    ) -> Picture | NDArray[np.uint8] | Image.Image:
        """The translated picture, of the same kind and size; a path gives a `Picture`.

        Arrays are uint8 (H, W), (H, W, 1) or (H, W, 3). Alpha is kept as it is, gray stays gray where the network's
        input and output are colour. Raises ImageError for what cannot be read or translated.
        """
        match picture:
            case Picture():
                return self._translate(picture)
            case Image.Image():
                return self._translate(Picture.from_pil(picture)).to_pil()
            case np.ndarray():
                return self._translate_array(picture)
        return self._translate(read(picture))

    def place(self) -> str:
        """The device, and on CUDA the most memory that was taken there so far."""
        if self.device.type != "cuda":
            return str(self.device)
        return f"{self.device} {torch.cuda.max_memory_allocated(self.device) / 1e9:.1f} GB"

    def _translate_array(self, array: NDArray[np.uint8]) -> NDArray[np.uint8]:
        try:
            picture = Picture(array[:, :, None] if array.ndim == 2 else array)
        except ValueError as error:
            raise ImageError(f"the array cannot be translated: {error}.") from error
        pixels = self._translate(picture).pixels
        return pixels[:, :, 0] if array.ndim == 2 and pixels.shape[2] == 1 else pixels

    def _translate(self, picture: Picture) -> Picture:
        pixels = picture.gray() if self.channels_in == 1 else picture.rgb()
        translated = self._run(pixels)
        if picture.is_gray and self.channels_in == 3 and translated.shape[2] == 3:
            translated = replace(picture, pixels=translated, alpha=None).gray()
        return picture.with_pixels(translated)

    def _run(self, pixels: Pixels) -> Pixels:
        """(H, W, C_in) -> (H, W, C_out), padded for the network and cropped back."""
        height, width = pixels.shape[:2]
        padded = self._pad(pixels)
        try:
            with torch.inference_mode(), _repeatable():
                output = self.network(self._to_network(padded))[0, :, :height, :width]  # (C, H, W)
                return self._to_pixels(output)
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if "memory" not in str(error).lower():
                raise
            raise ImageError(f"{width}x{height} pixels need more memory than {self.device} has.") from error

    def _pad(self, pixels: Pixels) -> Pixels:
        """Reflected to the right and below, over and over where the picture is small; one pixel is repeated."""
        multiple, minimum = self.info.multiple, self.info.minimum
        missing = [max(-(-side // multiple), -(-minimum // multiple)) * multiple - side for side in pixels.shape[:2]]
        if not any(missing):
            return pixels
        return np.pad(pixels, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="reflect")

    def _to_network(self, pixels: Pixels) -> Tensor:
        """(H, W, C) uint8 -> (1, C, H, W) float32 in the model's value range."""
        low, high = self.info.value_range
        batch = torch.from_numpy(np.array(pixels.transpose(2, 0, 1), order="C"))[None].to(self.device)
        return batch.float() * ((high - low) / 255) + low

    def _to_pixels(self, output: Tensor) -> Pixels:
        """(C, H, W) in the model's value range -> (H, W, C) uint8, rounded to the nearest value."""
        if not bool(torch.isfinite(output).all()):
            raise ImageError("the network's output is not finite: the model is damaged or was trained badly.")
        low, high = self.info.value_range
        rounded = ((output - low) * (255 / (high - low)) + 0.5).clamp(0, 255).to(torch.uint8)
        return cast("Pixels", rounded.permute(1, 2, 0).contiguous().cpu().numpy())


@contextmanager
def _repeatable() -> Iterator[None]:
    """cuDNN takes deterministic algorithms, and the same ones each time; afterwards all is as it was."""
    # torch.backends.cudnn.flags() would also touch the TF32 switches, and raises where they were set one by one
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before
