"""One picture through one network: any size, depth and channels, nothing of it lost.

H x W pixels, C channels, s the network's scale.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import interpolate

from i2i.errors import ImageError, UsageError
from i2i.images.files import read
from i2i.images.picture import LUMA, WHITE, Picture, Samples
from i2i.images.transparency import filled
from i2i.models.info import Direction, ModelInfo, choose_direction
from i2i.models.info import sha256 as sha256_of
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
    return Translator(file.networks[chosen], file.info, chosen, pick_device(device), sha256=sha256_of(path))


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

    def __init__(
        self, network: nn.Module, info: ModelInfo, direction: Direction, device: torch.device, *, sha256: str = ""
    ) -> None:
        self.network = network.to(device).eval()
        self.info, self.direction, self.device = info, direction, device
        self.name = f"{sha256} {direction}"  # of the file's content: what a journal knows a model by
        generator = info.generator(direction)
        self.channels_in, self.scale = generator.input_channels, generator.scale

    @overload
    def __call__(self, picture: Picture | str | PathLike[str]) -> Picture: ...
    @overload
    def __call__(self, picture: NDArray[Any]) -> NDArray[Any]: ...
    @overload
    def __call__(self, picture: Image.Image) -> Image.Image: ...
    def __call__(
        self, picture: Picture | str | PathLike[str] | NDArray[Any] | Image.Image
    ) -> Picture | NDArray[Any] | Image.Image:
        """The translated picture, of the same kind and depth and s times the size; a path gives a `Picture`.

        Arrays are uint8, uint16 or float32 from 0 to 1, (H, W), (H, W, 1) or (H, W, 3), in sRGB. Alpha is kept as it
        is (enlarged for s > 1); wholly transparent pixels are shown to the network in the colours around them. Gray
        stays gray where the network's input and output are colour. Raises ImageError for what cannot be read or
        translated.
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

    def _translate_array(self, array: NDArray[Any]) -> NDArray[Any]:
        try:
            picture = Picture(array[:, :, None] if array.ndim == 2 else array)
        except ValueError as error:
            raise ImageError(f"the array cannot be translated: {error}.") from error
        pixels = self._translate(picture).pixels
        return pixels[:, :, 0] if array.ndim == 2 and pixels.shape[2] == 1 else pixels

    def _translate(self, picture: Picture) -> Picture:
        try:
            with torch.inference_mode(), _repeatable():
                unit = self._through_network(picture)
                alpha = self._enlarged(picture.alpha)
                return replace(picture, pixels=_stored(unit, picture.pixels.dtype.name), alpha=alpha)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not isinstance(error, MemoryError) and "memory" not in str(error).lower():
                raise
            size = f"{picture.width}x{picture.height} pixels"
            raise ImageError(f"{size} need more memory than {self.device} has.") from error

    def _through_network(self, picture: Picture) -> Tensor:
        """(1, C, sH, sW) from 0 to 1; luma where the network turned gray into colours."""
        shown = picture.with_pixels(filled(picture))
        unit = self._run(shown.gray() if self.channels_in == 1 else shown.rgb())
        if picture.is_gray and self.channels_in == 3 and unit.shape[1] == 3:
            return (unit * torch.from_numpy(LUMA).to(unit.device).reshape(1, 3, 1, 1)).sum(dim=1, keepdim=True)
        return unit

    def _run(self, pixels: Samples) -> Tensor:
        """(H, W, C_in) -> (1, C_out, sH, sW) from 0 to 1, padded for the network and cropped back."""
        height, width = pixels.shape[:2]
        output = self.network(self._to_network(self._pad(pixels)))[:, :, : height * self.scale, : width * self.scale]
        if not bool(torch.isfinite(output).all()):
            raise ImageError("the network's output is not finite: the model is damaged or was trained badly.")
        low, high = self.info.value_range
        return (output - low) / (high - low)

    def _pad(self, pixels: Samples) -> Samples:
        """Reflected to the right and below, over and over where the picture is small; one pixel is repeated."""
        multiple, minimum = self.info.multiple, self.info.minimum
        missing = [max(-(-side // multiple), -(-minimum // multiple)) * multiple - side for side in pixels.shape[:2]]
        if not any(missing):
            return pixels
        return np.pad(pixels, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="reflect")

    def _to_network(self, pixels: Samples) -> Tensor:
        """(H, W, C) samples -> (1, C, H, W) float32 in the model's value range."""
        low, high = self.info.value_range
        planes = np.array(pixels.transpose(2, 0, 1), order="C")
        batch = torch.from_numpy(planes)[None].to(self.device).float()
        return batch * ((high - low) / WHITE[pixels.dtype.name]) + low

    def _enlarged(self, alpha: Samples | None) -> Samples | None:
        """(H, W) -> (sH, sW): apart from the colours, so that nothing of what it hides gets into the border."""
        if alpha is None or self.scale == 1:
            return alpha
        unit = torch.from_numpy(np.array(alpha))[None, None].to(self.device).float() / WHITE[alpha.dtype.name]
        large = interpolate(unit, scale_factor=self.scale, mode="bicubic", align_corners=False)
        return _stored(large.clamp(0, 1), alpha.dtype.name)[:, :, 0]


def _stored(unit: Tensor, kind: str) -> Samples:
    """(1, C, H, W) from 0 to 1 -> (H, W, C) samples of a type: rounded to the nearest and cut, or float as it is."""
    planes = unit[0].permute(1, 2, 0)
    if kind == "float32":
        return planes.contiguous().cpu().numpy()
    whole = (planes * WHITE[kind] + 0.5).clamp(0, WHITE[kind])
    # torch knows uint16 on few devices: as int32 to the CPU, and there as uint16
    return whole.to(torch.uint8 if kind == "uint8" else torch.int32).contiguous().cpu().numpy().astype(kind, copy=False)


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
