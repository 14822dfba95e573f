"""One picture in memory: its pixels, its transparency and what its file carried. H x W pixels, C channels."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Carried:
    """What a file holds beside its pixels and what goes back into the file that is written.

    The orientation is applied to the pixels and left out of `exif`; `icc` describes the pixels as they are.
    """

    format: str | None = None
    mode: str | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Picture:
    """Upright pixels (H, W, C) uint8 with C = 1 (gray) or 3 (RGB), alpha (H, W) uint8 or None.

    Raises ValueError for arrays of another shape or type.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    carried: Carried = field(default_factory=Carried)

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8 or self.pixels.ndim != 3 or self.pixels.shape[2] not in (1, 3):
            raise ValueError(f"pixels are uint8 (H, W, 1 or 3), got {self.pixels.dtype} {tuple(self.pixels.shape)}")
        if self.alpha is not None and (self.alpha.dtype != np.uint8 or self.alpha.shape != self.pixels.shape[:2]):
            raise ValueError(f"alpha is uint8 {self.pixels.shape[:2]}, got {self.alpha.dtype} {self.alpha.shape}")

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return self.pixels.shape[0]

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return self.pixels.shape[1]

    @property
    def is_gray(self) -> bool:
        """Whether there is one channel."""
        return self.pixels.shape[2] == 1

    def rgb(self) -> Pixels:
        """(H, W, 3); gray is repeated."""
        return np.repeat(self.pixels, 3, axis=2) if self.is_gray else self.pixels

    def gray(self) -> Pixels:
        """(H, W, 1); colour becomes luma (ITU-R 601)."""
        if self.is_gray:
            return self.pixels
        return np.asarray(Image.fromarray(self.pixels).convert("L"))[:, :, None]

    def with_pixels(self, pixels: Pixels) -> Picture:
        """The same picture with other pixels of the same size; alpha and what the file carried stay."""
        return replace(self, pixels=pixels)

    @classmethod
    def from_pil(cls, image: Image.Image) -> Picture:
        """The picture of an opened Pillow image of any mode, as 8 bit gray or RGB, without what it carries.

        1-bit and 16-bit gray stay gray over the full range; palette, CMYK and Lab become RGB.
        """
        if image.has_transparency_data:
            rgba = np.asarray(image.convert("RGBA"))  # (H, W, 4)
            pixels = rgba[:, :, :1] if image.mode in ("L", "LA", "La", "1", "I;16") else rgba[:, :, :3]
            return cls(np.ascontiguousarray(pixels), np.ascontiguousarray(rgba[:, :, 3]))
        if image.mode in ("L", "1"):
            return cls(np.array(image.convert("L"))[:, :, None])
        if image.mode == "F" or image.mode.startswith("I"):
            return cls(_eight_bits(image)[:, :, None])
        return cls(np.array(image.convert("RGB")))

    def to_pil(self) -> Image.Image:
        """A Pillow image of mode L, RGB, LA or RGBA."""
        image = Image.fromarray(self.pixels[:, :, 0] if self.is_gray else self.pixels)
        if self.alpha is not None:
            image.putalpha(Image.fromarray(self.alpha))
        return image


def _eight_bits(image: Image.Image) -> Pixels:
    """(H, W) uint8 of gray with more depth: whole numbers count to 65535, floating point to 1."""
    values: NDArray[Any] = np.asarray(image)
    scale = 255.0 if image.mode == "F" else 255.0 / 65535.0
    return np.clip(np.nan_to_num(values) * scale + 0.5, 0, 255).astype(np.uint8)
