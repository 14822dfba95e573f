"""What a file says about its picture: EXIF, XMP, resolution; the orientation, and what may go into another file."""

from __future__ import annotations

import re
from dataclasses import replace
from io import BytesIO
from typing import Any, Literal

from PIL import ExifTags, Image

from i2i.images.picture import Carried

MetadataKept = Literal["keep", "no-gps", "none"]

# Tags that describe how the old file stored its pixels, or that are wrong once the picture is another.
STRUCTURE = frozenset(
    {
        *(*range(254, 260), *range(262, 267), 273, 274, *range(277, 285), 287, 292, 293, 296, 297, 301),
        *(*range(317, 326), 330, 332, 334, 336, 338, 339, 340, 341, 347, *range(512, 533)),
        *(700, 33723, 34377, 34675, 37724),
    }
)
SIZE_AND_MAKER = frozenset({ExifTags.Base.MakerNote, 0xA002, 0xA003, 0xA005})
LARGEST_XMP = 16_000_000
ORIENTATION = re.compile(
    rb"""\s*tiff:Orientation\s*=\s*(["'])[^"']*\1|<tiff:Orientation[^>]*>[^<]*</tiff:Orientation>"""
)
THUMBNAILS = re.compile(rb"<(xmp|xap):Thumbnails\b.*?</\1:Thumbnails>", re.DOTALL)
GPS = re.compile(rb"""\s*exif:GPS\w+\s*=\s*("[^"]*"|'[^']*')|<exif:(GPS\w+)\b[^>]*?(/>|>.*?</exif:\2>)""", re.DOTALL)

PLACE = re.compile(rb"gps|latitude|longitude|geo:", re.IGNORECASE)


def orientation(image: Image.Image) -> int:
    """1 to 8 as EXIF (or XMP) says; 1 where it says nothing or nonsense."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # broken EXIF raises nearly any type; the pixels are as good without
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def clean_exif(source: Image.Exif) -> tuple[bytes | None, bool]:
    """EXIF bytes for another file, and whether something of it was damaged and left out.

    Orientation, thumbnail, maker notes (their offsets would be wrong) and tags of storage are left out in silence.
    """
    try:
        clean, damaged = _clean_exif(source)
        return (clean.tobytes() if len(clean) else None), damaged
    except Exception:  # broken EXIF raises nearly any type; the pixels are as good without
        return None, True


def clean_xmp(xmp: bytes | None) -> bytes | None:
    """An XMP packet for another file: without orientation and thumbnails."""
    if not xmp or len(xmp) > LARGEST_XMP:
        return None
    return THUMBNAILS.sub(b"", ORIENTATION.sub(b"", xmp.strip(b"\0")))


def reduced(carried: Carried, kept: MetadataKept) -> Carried:
    """What was carried, as far as it may be kept: all of it, all but the place, or the colours alone."""
    if kept == "keep":
        return carried
    if kept == "none":
        return replace(carried, exif=None, xmp=None, dpi=None)
    return replace(carried, exif=_exif_without_place(carried.exif), xmp=_xmp_without_place(carried.xmp))


def _exif_without_place(exif: bytes | None) -> bytes | None:
    if exif is None:
        return None
    tags = Image.Exif()
    tags.load(exif)
    tags.get_ifd(ExifTags.IFD.Exif)  # read now: what is not read is not written
    if ExifTags.IFD.GPSInfo in tags:
        del tags[ExifTags.IFD.GPSInfo]
    return tags.tobytes() if len(tags) else None


def _xmp_without_place(xmp: bytes | None) -> bytes | None:
    stripped = GPS.sub(b"", xmp) if xmp else None
    # place in a form that is not known, or letters of two bytes: better nothing at all
    return None if stripped is None or b"\0" in stripped or PLACE.search(stripped) else stripped


def xmp_of(image: Image.Image) -> bytes | None:
    """The XMP packet of an opened image."""
    found = image.info.get("xmp", image.info.get("XML:com.adobe.xmp"))
    if found is None and image.format == "TIFF":
        found = getattr(image, "tag_v2", {}).get(700)
    return found.encode() if isinstance(found, str) else found if isinstance(found, bytes) else None


def dpi_of(image: Image.Image) -> tuple[float, float] | None:
    """Dots per inch across and down, where the file names sensible ones."""
    try:
        across, down = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 1 <= across < 1e5 and 1 <= down < 1e5 else None


def exif_of_tiff(data: bytes) -> Image.Exif:
    """The EXIF tags of a TIFF file, also of one that Pillow does not open."""
    exif = Image.Exif()
    try:
        exif.load_from_fp(BytesIO(data))
    except Exception:  # broken EXIF raises nearly any type, and so does a BigTIFF
        return Image.Exif()
    return exif


def _clean_exif(source: Image.Exif) -> tuple[Image.Exif, bool]:
    clean, damaged = Image.Exif(), False
    parts = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
    for tag, value in source.items():
        if tag not in STRUCTURE and tag not in parts:
            if _writable(tag, value):
                clean[tag] = value
            else:
                damaged = True
    for part in parts:
        try:
            inner = {tag: value for tag, value in source.get_ifd(part).items() if tag not in SIZE_AND_MAKER}
        except Exception:  # broken EXIF raises nearly any type
            damaged = True
            continue
        good = {tag: value for tag, value in inner.items() if _writable(part, {tag: value})}
        damaged |= len(good) < len(inner)
        if good:
            clean[part] = good
    return clean, damaged


def _writable(tag: int, value: Any) -> bool:
    alone = Image.Exif()
    alone[tag] = value
    try:
        alone.tobytes()
    except Exception:  # the encoder raises whatever the broken value leads to
        return False
    return True
