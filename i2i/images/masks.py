"""Mask files: which pixels of a picture are a hole. H x W pixels, true = hole."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2i.errors import ImageError
from i2i.images.decoding import decode
from i2i.images.files import read_content
from i2i.images.limits import Limits
from i2i.images.picture import Picture

Mask = NDArray[np.bool_]  # (H, W), true in the hole
BRIGHTEST_KNOWN = 127  # of 255: what is brighter is the hole


def read_mask(path: str | os.PathLike[str], limits: Limits = Limits()) -> Mask:  # noqa: B008  frozen
    """The hole (H, W) that a picture file of any format and mode paints in white, upright.

    See `mask_of` for what counts as white. Raises ImageError with the path and the reason for everything that cannot be
    read; an empty mask is none of that.
    """
    content = read_content(Path(path), limits)
    try:
        return decode_mask(content.data, limits)
    except ImageError as error:
        raise ImageError(error.what, where=path, hint=error.hint) from error.__cause__


def decode_mask(data: bytes, limits: Limits = Limits()) -> Mask:  # noqa: B008  frozen
    """The hole (H, W) of a file's bytes, upright; of the first frame of several. Raises ImageError.

    A file that is cut off is never taken, whatever the limits allow: what it lacks would be kept in silence.
    """
    return mask_of(_decoded(data, limits))


def brightest(data: bytes, limits: Limits = Limits()) -> int:  # noqa: B008  frozen
    """The highest level, 0 to 255, that `decode_mask` finds in a file's bytes. Raises ImageError."""
    return int(_unit(_decoded(data, limits)).max() * 255 + 0.5)


def _decoded(data: bytes, limits: Limits) -> Picture:
    try:
        return decode(data, replace(limits, allow_truncated=False))
    except ImageError as error:
        if error.what.startswith("truncated"):
            raise ImageError(error.what, hint="A mask has to be whole: save it again.") from error
        raise


def mask_of(picture: Picture) -> Mask:
    """The hole (H, W) that a picture paints: brighter than 127 of 255, where transparent pixels count as black.

    Colours count by their luma, more than 8 bits as if rounded to 8.
    """
    if picture.alpha is None and picture.pixels.dtype == np.uint8:
        return picture.gray()[:, :, 0] > BRIGHTEST_KNOWN
    return _unit(picture) >= np.float32((BRIGHTEST_KNOWN + 0.5) / 255)


def _unit(picture: Picture) -> NDArray[np.float32]:
    """(H, W), from 0 to 1: how white each pixel is on black."""
    unit = picture.gray()[:, :, 0].astype(np.float32) / np.float32(picture.white)
    if picture.alpha is not None:
        unit *= picture.alpha.astype(np.float32) / np.float32(picture.white)
    return unit


def encode_mask(mask: Mask) -> bytes:
    """A PNG file of one bit a pixel: white in the hole."""
    stream = io.BytesIO()
    Image.fromarray(mask).save(stream, "PNG")
    return stream.getvalue()
