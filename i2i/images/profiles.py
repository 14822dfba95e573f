"""Colour profiles: from a file's own colours to sRGB and back."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any, Literal, cast

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from i2i.images.picture import Samples

ProfileKept = Literal["keep", "srgb"]
SMALLEST = 128  # bytes of an ICC header
DATE_OF_SRGB = bytes.fromhex("07cf 0001 0001 0000 0000 0000")  # Little CMS writes the time of the call
GRID = 9  # grays and colours per channel that decide whether a profile is sRGB
RELATIVE_COLORIMETRIC = 1
NO_SHORT_CUTS = 0x100  # cmsFLAGS_NOOPTIMIZE


class ProfileError(Exception):
    """A profile that is damaged or describes something else than the pixels."""


def space(icc: bytes) -> str:
    """The colour space that a profile describes: RGB, GRAY, CMYK, Lab; empty for something that is no profile."""
    if len(icc) < SMALLEST or icc[36:40] != b"acsp":
        return ""
    name = icc[16:20].decode("latin-1").strip()
    return name if name.isalnum() and name.isascii() else ""


@lru_cache(maxsize=1)
def srgb() -> bytes:
    """The profile of sRGB, the same bytes on every day."""
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return made[:24] + DATE_OF_SRGB + made[36:]


def to_srgb(pixels: Samples, icc: bytes) -> Samples:
    """Pixels (H, W, 1 or 3) in the colours of a profile as sRGB, of the same type; what sRGB cannot show is cut.

    Raises ProfileError for a damaged profile and for one of another colour space.
    """
    _check(pixels, icc)
    if is_srgb(icc):
        return pixels
    if pixels.shape[2] == 3:
        return _transformed(pixels, icc, srgb(), "rgb", "rgb")
    if space(icc) == "GRAY":
        return _transformed(pixels[:, :, 0], icc, srgb(), "gray", "rgb")[:, :, 1:2]
    # gray whose file names a profile of colours, as programs leave behind that turn a photo gray: its neutral axis
    return _transformed(np.repeat(pixels, 3, axis=2), icc, srgb(), "rgb", "rgb")[:, :, 1:2]


def from_srgb(pixels: Samples, icc: bytes) -> Samples:
    """Pixels (H, W, 1 or 3) in sRGB as the colours of a profile, of the same type.

    Raises ProfileError for a damaged profile and for one of another colour space.
    """
    _check(pixels, icc)
    if is_srgb(icc):
        return pixels
    if pixels.shape[2] == 3:
        return _transformed(pixels, srgb(), icc, "rgb", "rgb")
    return _transformed(np.repeat(pixels, 3, axis=2), srgb(), icc, "rgb", "gray")[:, :, None]


@lru_cache(maxsize=64)
def check_way_back(icc: bytes) -> None:
    """Raises ProfileError for a profile that leads to sRGB and not back, as those of scanners may be."""
    try:
        from_srgb(np.zeros((1, 1, 1 if space(icc) == "GRAY" else 3), np.uint8), icc)
    except ProfileError as error:
        raise ProfileError("its colour profile has no way back from sRGB") from error


def fits(icc: bytes, *, gray: bool) -> bool:
    """Whether a profile may be stored with such pixels."""
    return space(icc) == ("GRAY" if gray else "RGB")


@lru_cache(maxsize=64)
def is_srgb(icc: bytes) -> bool:
    """Whether a profile means sRGB: then nothing is converted, and every value stays exactly as it is."""
    steps = np.linspace(0, 255, GRID).round().astype(np.uint8)
    try:
        if space(icc) == "GRAY":
            grays = _transformed(steps[None, :], icc, srgb(), "gray", "rgb")[0, :, 1]
            return bool(np.abs(grays.astype(int) - steps).max() <= 1)
        grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
        return bool(np.abs(_transformed(grid, icc, srgb(), "rgb", "rgb").astype(int) - grid).max() <= 1)
    except ProfileError:
        return False


def print_to_srgb(image: Image.Image, icc: bytes) -> Image.Image:
    """A CMYK or Lab image of Pillow as RGB through its profile. Raises ProfileError."""
    if space(icc) != {"CMYK": "CMYK", "LAB": "Lab"}.get(image.mode):
        raise ProfileError(f"its colour profile is for {space(icc) or 'nothing known'}, not for {image.mode}")
    try:
        source, target = (ImageCms.ImageCmsProfile(io.BytesIO(profile)) for profile in (icc, srgb()))
        made = ImageCms.profileToProfile(
            image, source, target, renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC, outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        raise ProfileError("its colour profile is damaged") from error
    return cast("Image.Image", made)


def _check(pixels: Samples, icc: bytes) -> None:
    found, gray = space(icc), pixels.shape[2] == 1
    if not found:
        raise ProfileError("its colour profile is damaged")
    if found != "RGB" and not (gray and found == "GRAY"):
        raise ProfileError(f"its colour profile is for {found}, not for {'gray' if gray else 'RGB'}")


def _transformed(pixels: NDArray[Any], icc: bytes, target: bytes, space_in: str, space_out: str) -> Any:
    """Little CMS on samples of any type. Its short cuts are exact to 1 step between 8-bit values, there and back;
    between 16-bit ones they are off by up to 4/255, and without them by 0.4/255."""
    try:
        made = imagecodecs.cms_transform(
            np.ascontiguousarray(pixels),
            icc,
            target,
            colorspace=space_in,
            outcolorspace=space_out,
            outdtype=pixels.dtype.name,
            intent=RELATIVE_COLORIMETRIC,
            flags=NO_SHORT_CUTS if pixels.dtype == np.uint16 else None,
        )
    except Exception as error:  # Little CMS raises its own type, and others for what it cannot do
        raise ProfileError("its colour profile is damaged") from error
    if pixels.dtype != np.float32:
        return made
    if not np.isfinite(made).all():
        raise ProfileError("its colour profile is damaged")
    return np.clip(made, 0, 1)
