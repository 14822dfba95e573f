"""The formats of picture files: their suffixes, and what each can hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from i2i.errors import ImageError
from i2i.images.picture import Picture


@dataclass(frozen=True)
class Format:
    """What a format can hold: 8, 16 or 32 bits for each sample, transparency, profile and metadata, sides in pixels."""

    name: str  # Pillow's
    depths: tuple[str, ...] = ("uint8",)
    alpha: bool = True
    profile: bool = True  # and EXIF and XMP
    gray: bool = True
    largest: int = 2**31 - 1
    bare: bool = False  # a code stream without a container around it


JPEG = Format("JPEG", alpha=False, largest=65_500)
PNG = Format("PNG", ("uint8", "uint16"))
WEBP = Format("WEBP", gray=False, largest=16_383)
TIFF = Format("TIFF", ("uint8", "uint16", "float32"))
AVIF = Format("AVIF", gray=False, largest=32_768)  # what its own decoder takes
BMP = Format("BMP", alpha=False, profile=False)
GIF = Format("GIF", profile=False, largest=65_535)
JPEG2000 = Format("JPEG2000", ("uint8", "uint16"), profile=False)
J2K = replace(JPEG2000, bare=True)
PPM = Format("PPM", ("uint8", "uint16"), alpha=False, profile=False)
TGA = Format("TGA", profile=False, largest=65_535)

FORMAT_OF_SUFFIX = {
    ".jpg": JPEG, ".jpeg": JPEG, ".jpe": JPEG, ".jfif": JPEG,
    ".png": PNG, ".apng": PNG,
    ".webp": WEBP,
    ".tif": TIFF, ".tiff": TIFF,
    ".bmp": BMP,
    ".gif": GIF,
    ".avif": AVIF,
    ".jp2": JPEG2000, ".j2k": J2K,
    ".ppm": PPM, ".pgm": PPM, ".pbm": PPM, ".pnm": PPM,
    ".tga": TGA,
}  # fmt: skip
BY_NAME = {format.name: format for format in FORMAT_OF_SUFFIX.values() if not format.bare}
# Read only, each with the suffix that its translation gets: Pillow cannot write them.
WRITTEN_AS = {".mpo": ".jpg", ".heic": ".jpg", ".heif": ".jpg"}
SUFFIXES = frozenset(FORMAT_OF_SUFFIX) | frozenset(WRITTEN_AS)
# Only these decoders run: a file's content chooses its decoder, and some (EPS, FLI, PSD ...) start other programs or
# are doors for attacks. MPO comes with JPEG.
DECODERS = (*BY_NAME, *(["HEIF"] if find_spec("pi_heif") else []))
COLOURS_OF_GIF = 256


class CannotHoldError(ImageError):
    """The format of a file cannot hold the picture without loss of what was not asked to be lost."""


def format_of(path: Path) -> Format:
    """The format of a path's suffix. Raises ImageError for a suffix that nothing can be written as."""
    try:
        return FORMAT_OF_SUFFIX[path.suffix.lower()]
    except KeyError:
        known = " ".join(sorted(FORMAT_OF_SUFFIX))
        what = f"no picture can be written with the suffix '{path.suffix}'."
        raise ImageError(what, where=path, hint=f"Known: {known}") from None


def misfit(picture: Picture, format: Format) -> str | None:
    """Why a format cannot hold a picture; None where it can. Depth is not asked about: `fitted` reduces it."""
    if not format.alpha and not picture.is_opaque:
        return "its transparency"
    if max(picture.width, picture.height) > format.largest:
        return f"{picture.width}x{picture.height} pixels"
    if format is GIF:
        if not _is_cut_out(picture):
            return "its half transparency"
        if not _few_colours(picture):
            return f"more than {COLOURS_OF_GIF} colours"
    return None


def fitted(picture: Picture, format: Format) -> Picture:
    """The picture in the greatest depth that the format has and the picture needs, without an alpha that says nothing.

    An alpha that the format cannot hold is left out; `misfit` tells whether it is in use.
    """
    depth = picture.pixels.dtype.name
    if depth not in format.depths:
        picture = picture.stored_as("uint16" if depth == "float32" and "uint16" in format.depths else "uint8")
    return picture if format.alpha else Picture(picture.pixels, None, picture.carried)


def loses_depth(picture: Picture, format: Format) -> bool:
    """Whether a picture of more than 8 bit would be cut to 8."""
    return picture.pixels.dtype != np.uint8 and format.depths == ("uint8",)


def _is_cut_out(picture: Picture) -> bool:
    alpha = picture.in_eight_bits().alpha
    return alpha is None or bool(np.isin(alpha, (0, 255)).all())


def _few_colours(picture: Picture) -> bool:
    """Whether a GIF's palette has room for each colour, and for one that is transparent."""
    room = COLOURS_OF_GIF - (not picture.is_opaque)
    colours = picture.in_eight_bits().rgb().astype(np.uint32)
    codes = (colours[:, :, 0] << 16 | colours[:, :, 1] << 8 | colours[:, :, 2]).ravel()
    if picture.alpha is not None:
        codes = codes[picture.alpha.ravel() > 0]
    if len(np.unique(codes[:100_000])) > COLOURS_OF_GIF:  # a photo is told from a few rows
        return False
    return len(np.unique(codes)) <= room
