"""One picture in memory: its pixels, its transparency and what its file carried. H x W pixels, C channels."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Samples = NDArray[Any]  # uint8, uint16 or float32
# White of each type that samples come in.
WHITE = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


@dataclass(frozen=True)
class JpegTables:
    """How a JPEG file was compressed: its quantisation tables and how much its colours were halved (0, 1 or 2)."""

    quantisation: dict[int, list[int]]
    sampling: int


@dataclass(frozen=True)
class Carried:
    """What a file holds beside its pixels and what goes back into the file that is written.

    The orientation is applied to the pixels and left out of `exif` and `xmp`. `icc` is the profile of the file's own
    colours: pixels in memory are sRGB, and are converted back when they are written. `stored` is the file's own type
    of sample where it is none of a picture's (such as int32, float64), and `white` its value of white there.
    `notes` say what of the file was left out or guessed.
    """

    format: str | None = None
    mode: str | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    tables: JpegTables | None = None
    lossless: bool = False
    stored: str | None = None
    white: float = 1.0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Picture:
    """Upright pixels (H, W, C) with C = 1 (gray) or 3 (RGB) in sRGB, and alpha (H, W) of the same type or None.

    uint8 from 0 to 255, uint16 from 0 to 65535, or float32 from 0 to 1. `mask` is true where a hole is to be painted,
    and in a result where something was. `own` are the pixels in the colours of the file's profile, where these are not
    sRGB and the file is to get them back wherever the mask is false. Raises ValueError for arrays of another shape or
    type.
    """

    pixels: Samples
    alpha: Samples | None = None
    carried: Carried = field(default_factory=Carried)
    way: str = ""  # that it took through a network, see i2i/inference/ways.py
    mask: NDArray[np.bool_] | None = None
    own: Samples | None = None

    def __post_init__(self) -> None:
        kind, shape = self.pixels.dtype, self.pixels.shape
        if kind.name not in WHITE or len(shape) != 3 or shape[2] not in (1, 3):
            raise ValueError(f"pixels are uint8, uint16 or float32 (H, W, 1 or 3), got {kind} {tuple(shape)}")
        if self.alpha is not None and (self.alpha.dtype != kind or self.alpha.shape != shape[:2]):
            raise ValueError(f"alpha is {kind} {shape[:2]}, got {self.alpha.dtype} {self.alpha.shape}")
        if self.mask is not None and (self.mask.dtype != np.bool_ or self.mask.shape != shape[:2]):
            raise ValueError(f"the mask is bool {shape[:2]}, got {self.mask.dtype} {self.mask.shape}")

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

    @property
    def white(self) -> float:
        """The value of white: 255, 65535 or 1."""
        return WHITE[self.pixels.dtype.name]

    @property
    def is_opaque(self) -> bool:
        """Whether nothing shines through."""
        return self.alpha is None or bool(self.alpha.min() >= self.white)

    def rgb(self) -> Samples:
        """(H, W, 3); gray is repeated."""
        return np.repeat(self.pixels, 3, axis=2) if self.is_gray else self.pixels

    def gray(self) -> Samples:
        """(H, W, 1); colour becomes luma (ITU-R BT.601)."""
        if self.is_gray:
            return self.pixels
        if self.pixels.dtype == np.uint8:
            return np.asarray(Image.fromarray(self.pixels).convert("L"))[:, :, None]
        luma = self.pixels.astype(np.float32) @ LUMA
        return rounded(luma / np.float32(self.white), self.pixels.dtype.name)[:, :, None]

    def in_eight_bits(self) -> Picture:
        """The same picture in uint8, rounded to the nearest value."""
        return self.stored_as("uint8")

    def stored_as(self, kind: str) -> Picture:
        """The same picture with samples of type uint8, uint16 or float32, rounded to the nearest value."""
        if self.pixels.dtype.name == kind:
            return self
        alpha = None if self.alpha is None else converted(self.alpha, kind)
        return replace(self, pixels=converted(self.pixels, kind), alpha=alpha)

    def with_pixels(self, pixels: Samples) -> Picture:
        """The same picture with other pixels of the same size; alpha and what the file carried stay."""
        return replace(self, pixels=pixels)

    def noting(self, *notes: str) -> Picture:
        """The same picture with something more to tell about it."""
        return replace(self, carried=replace(self.carried, notes=(*self.carried.notes, *notes)))

    @classmethod
    def from_pil(cls, image: Image.Image) -> Picture:
        """The picture of an opened Pillow image of any mode, as it is: its profile and what it carries are left out.

        1-bit, 16-bit gray and palettes of grays stay gray, 16 bit in uint16; other palettes, CMYK and Lab become RGB;
        32-bit gray becomes uint16, cut at 65535, and float32 stays as it is.
        """
        if image.mode == "La":  # premultiplied
            image = image.convert("LA")
        gray = image.mode in ("L", "LA", "1") or (image.mode == "P" and _is_gray_palette(image))
        if image.has_transparency_data and not image.mode.startswith(("I", "F")):
            rgba = np.asarray(image.convert("RGBA"))  # (H, W, 4)
            pixels = rgba[:, :, :1] if gray else rgba[:, :, :3]
            return cls(np.ascontiguousarray(pixels), np.ascontiguousarray(rgba[:, :, 3]))
        if image.mode in ("L", "1"):
            return cls(np.array(image.convert("L"))[:, :, None])
        if gray:
            return cls(np.array(image.convert("RGB"))[:, :, :1])
        if image.mode == "F":
            return cls(np.array(image, dtype=np.float32)[:, :, None])
        if image.mode.startswith("I"):
            whole = np.clip(np.asarray(image), 0, 65535).astype(np.uint16)
            return cls(whole[:, :, None])
        return cls(np.array(image if image.mode == "RGB" else image.convert("RGB")))  # convert always copies

    def to_pil(self) -> Image.Image:
        """A Pillow image of mode L, RGB, LA or RGBA, in 8 bit."""
        small = self.in_eight_bits()
        image = Image.fromarray(small.pixels[:, :, 0] if small.is_gray else small.pixels)
        if small.alpha is not None:
            image.putalpha(Image.fromarray(small.alpha))
        return image

    def channels(self) -> Samples:
        """(H, W, 1 to 4): gray or RGB, and alpha as the last channel where there is one."""
        return self.pixels if self.alpha is None else np.dstack([self.pixels, self.alpha])


def _is_gray_palette(image: Image.Image) -> bool:
    palette = np.array(image.getpalette("RGB") or [0, 0, 1]).reshape(-1, 3)
    return bool((palette == palette[:, :1]).all())


def converted(samples: Samples, kind: str) -> Samples:
    """The samples as another type, black and white kept, rounded to the nearest value."""
    if samples.dtype.name == kind:
        return samples
    unit = samples.astype(np.float32) / np.float32(WHITE[samples.dtype.name])
    return rounded(unit, kind)


def rounded(unit: NDArray[Any], kind: str) -> Samples:
    """Values from 0 to 1 as uint8, uint16 (rounded to the nearest, cut at black and white) or float32 (as they are)."""
    if kind == "float32":
        return unit.astype(np.float32)
    scaled = np.clip(unit * np.float32(WHITE[kind]) + np.float32(0.5), 0, WHITE[kind])
    return scaled.astype(kind)
