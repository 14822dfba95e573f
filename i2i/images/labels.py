"""Label maps: pictures whose values are numbers of classes, not brightness. H x W pixels."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFile

from i2i.errors import ImageError
from i2i.images import decoding, sniffing, tiff
from i2i.images.files import read_content
from i2i.images.limits import Limits
from i2i.images.metadata import orientation
from i2i.images.picture import Picture, Samples

Labels = NDArray[np.uint8]  # (H, W, 1)
HIGHEST_CLASS = 255
BITS_OF_TIFF = 258
SAVE_AS = "Save it as a palette or gray picture, the number of its class at each pixel."


def read_labels(path: str | os.PathLike[str], limits: Limits = Limits()) -> Labels:  # noqa: B008  frozen
    """The class numbers (H, W, 1) of a file, upright: the index at each pixel of a palette, the value of a gray one.

    Raises ImageError with the path and the reason for everything that is no label map or cannot be read.
    """
    content = read_content(Path(path), limits)
    try:
        return decode_labels(content.data, limits)
    except ImageError as error:
        raise ImageError(error.what, where=path, hint=error.hint) from error.__cause__


def decode_labels(data: bytes, limits: Limits) -> Labels:
    """The class numbers (H, W, 1) of a file's bytes, upright; of the first frame of several.

    Values are those that the file stores: neither a profile nor the scale of fewer bits changes them. Transparency is
    left out. Raises ImageError for colour, fractions, numbers above 255, and what `decode` refuses.
    """
    values = decoding.guarded(data, limits, _stored)
    if values.shape[2] != 1:
        raise ImageError("is a colour picture, no label map.", hint=SAVE_AS)
    if values.dtype == np.float32:
        raise ImageError("has samples of 32 bit or more, no class numbers.", hint=SAVE_AS)
    highest = int(values.max())
    if highest > HIGHEST_CLASS:
        raise ImageError(f"holds the value {highest}: class numbers go from 0 to {HIGHEST_CLASS}.", hint=SAVE_AS)
    return values.astype(np.uint8)


def _stored(data: bytes, limits: Limits) -> Samples:
    """(H, W, C) as the file stores it, upright. Raises nearly any type for a damaged file."""
    page = decoding.deep_tiff(data)
    if page is not None:
        decoding.refuse_large(*tiff.size_of(page), 1, limits)
        _refuse_cut(data, limits)
        picture, _, turned = decoding.deep_tiff_picture(data, page)
        values = _unscaled(picture.pixels, 2**page.bitspersample - 1)
        return decoding.upright(Picture(values), turned).pixels
    with decoding.opened(data) as image:
        decoding.size_within(image, limits)
        values = _indices(image) if image.mode in ("P", "PA") else _gray(image, data)
        if image.format == "JPEG2000":
            _refuse_cut(data, limits)  # its decoder makes something of what is there
        return decoding.upright(Picture(values), orientation(image)).pixels


def _refuse_cut(data: bytes, limits: Limits) -> None:
    if sniffing.is_cut(data) and not limits.allow_truncated:
        raise ValueError("truncated")


def _indices(image: ImageFile.ImageFile) -> Samples:
    """(H, W, 1): which colour of its palette each pixel has."""
    image.load()
    return np.array(image).reshape(image.height, image.width, -1)[:, :, :1]


def _gray(image: ImageFile.ImageFile, data: bytes) -> Samples:
    """(H, W, C) of a file without a palette."""
    white = _stored_white(image, data)  # before it is decoded: decoding takes its description away
    return _unscaled(decoding.pixels_of(image, data).pixels, white)


def _stored_white(image: ImageFile.ImageFile, data: bytes) -> int | None:
    """The highest number that fits into a sample of the file, where decoders scale it to that of 8 or 16 bit."""
    if image.mode == "1":
        return 1
    match image.format:
        case "PNG":
            return 2 ** data[24] - 1
        case "TIFF":
            return 2 ** getattr(image, "tag_v2", {}).get(BITS_OF_TIFF, (8,))[0] - 1
        case "JPEG2000" if (depth := sniffing.depth_of_jpeg2000(data)) > 8:
            return 2**depth - 1
        case "PPM" if image.tile[0].codec_name != "raw":
            return decoding.maxval(image)
    return None


def _unscaled(values: Samples, stored_white: int | None) -> Samples:
    """Whole numbers as they were before decoding made `stored_white` the white of 8 or 16 bit; else as they are."""
    if values.dtype == np.float32 or stored_white in (None, np.iinfo(values.dtype).max):
        return values
    return np.rint(values * (stored_white / np.iinfo(values.dtype).max)).astype(values.dtype)
