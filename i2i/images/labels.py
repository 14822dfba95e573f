"""Label maps: pictures whose values are numbers of classes, not brightness. H x W pixels."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import tifffile
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
BITS_OF_TIFF, PHOTOMETRIC_OF_TIFF = 258, 262
JPEG_IN_TIFF = (6, 7)  # the old and the new way
LOSSY = {"JPEG": "JPEG", "MPO": "JPEG", "AVIF": "AVIF", "HEIF": "HEIF"}
SIZE_OF_JPEG2000, STYLE_OF_JPEG2000 = 2, b"\xff\x52"  # where segments begin; the one that names the wavelet
WAVELET = 13  # its place in that segment; 1: the one that keeps all values
SAVE_AS = "Save label maps as palette or gray PNG: at each pixel the number of its class."


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
    left out. Raises ImageError for colour, loss, fractions, numbers above 255, and what `decode` refuses.
    """
    values = decoding.guarded(data, limits, _stored)
    if values.shape[2] != 1:
        raise ImageError("is a colour picture, no label map.", hint=SAVE_AS)
    if loss := decoding.guarded(data, limits, _loss):
        raise ImageError(f"was compressed with loss ({loss}), which changes class numbers.", hint=SAVE_AS)
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
        inverted = page.photometric == tiff.WHITE_IS_ZERO
        values = _as_stored(picture.pixels, 2**page.bitspersample - 1, inverted=inverted)
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
    inverted = getattr(image, "tag_v2", {}).get(PHOTOMETRIC_OF_TIFF) == tiff.WHITE_IS_ZERO
    return _as_stored(decoding.pixels_of(image, data).pixels, white, inverted=inverted)


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


def _as_stored(values: Samples, stored_white: int | None, *, inverted: bool) -> Samples:
    """Whole numbers as they were before decoding turned `inverted` ones round and made `stored_white` white."""
    if values.dtype == np.float32:
        return values
    white = np.iinfo(values.dtype).max
    if inverted:
        values = white - values
    if stored_white in (None, white):
        return values
    return np.rint(values * (stored_white / white)).astype(values.dtype)


def _loss(data: bytes, limits: Limits) -> str | None:
    """The compression, where the file says by it that values are not those that were compressed."""
    if data.startswith(tiff.MAGIC):
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            return "JPEG" if file.pages.first.compression in JPEG_IN_TIFF else None
    with decoding.opened(data) as image:
        if image.format == "JPEG2000":
            return None if _is_reversible(data) else "JPEG 2000"
        return LOSSY.get(image.format or "")


def _is_reversible(data: bytes) -> bool:
    """Whether a JPEG 2000 file names the wavelet that keeps all values."""
    place = data.find(sniffing.START_OF_CODE_STREAM) + SIZE_OF_JPEG2000
    while data[place : place + 2] not in (STYLE_OF_JPEG2000, b""):
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return data[place + WAVELET : place + WAVELET + 1] == b"\1"
