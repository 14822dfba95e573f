"""EXIF of a picture file: the orientation, and what may go into another file."""

from __future__ import annotations

from PIL import ExifTags, Image

# Tags that describe how the old file stored its pixels, or that are wrong once the picture is another.
STRUCTURE = frozenset(
    {
        *(*range(254, 260), *range(262, 267), 273, 274, *range(277, 280), 284),
        *(317, 318, *range(322, 326), 330, 338, 339, 347, *range(529, 533), 700, 34377, 34675),
    }
)
SIZE_AND_MAKER = frozenset({ExifTags.Base.MakerNote, 0xA002, 0xA003})


def orientation(image: Image.Image) -> int:
    """1 to 8 as EXIF (or XMP) says; 1 where it says nothing or nonsense."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # broken EXIF raises nearly any type; the pixels are as good without
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def clean_exif(image: Image.Image) -> bytes | None:
    """EXIF bytes without orientation, thumbnail, maker notes, storage tags and what cannot be written."""
    kept = Image.Exif()
    try:
        source = image.getexif()
        for tag, value in source.items():
            if tag not in STRUCTURE and tag not in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo) and _writable(tag, value):
                kept[tag] = value
        for part in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            inner = source.get_ifd(part)
            good = {tag: value for tag, value in inner.items() if tag not in SIZE_AND_MAKER and _writable(tag, value)}
            if good:
                kept[part] = good
        return kept.tobytes() if len(kept) else None
    except Exception:  # broken EXIF raises nearly any type; the pixels are as good without
        return None


def _writable(tag: int, value: object) -> bool:
    alone = Image.Exif()
    alone[tag] = value
    try:
        alone.tobytes()
    except Exception:  # the encoder raises whatever the broken value leads to
        return False
    return True
