"""Why a file is no picture for us, in words."""

from __future__ import annotations

import re

from PIL import Image, UnidentifiedImageError

from i2i.images import sniffing
from i2i.images.formats import DECODERS
from i2i.images.limits import Limits


class RefusedError(Exception):
    """A file that is sound and is refused all the same; the text says why."""


class TooLargeError(RefusedError):
    """More pixels than are allowed."""


def over(limits: Limits) -> str:
    """That there are too many pixels."""
    return f"over the limit of {limits.max_pixels / 1e6:.0f} Mpx"


def reason(error: Exception, data: bytes, limits: Limits) -> str:
    """What is wrong with a file, by what a decoder raised and by its bytes."""
    if isinstance(error, RefusedError):
        return str(error)
    if isinstance(error, Image.DecompressionBombError):  # found later than by the header
        pixels = re.search(r"\d+", str(error))
        return f"{int(pixels[0]) / 1e6:.0f} Mpx: {over(limits)}." if pixels else f"{over(limits)}."
    return _damage(error, data)


def remedy(error: Exception, data: bytes, limits: Limits) -> str | None:
    """The option of the picture commands that helps."""
    if isinstance(error, (TooLargeError, Image.DecompressionBombError)):
        return "--max-pixels allows more."
    told = reason(error, data, limits).startswith("truncated") and isinstance(error, OSError)
    if told and not sniffing.is_cut(data) and not limits.allow_truncated:
        return "--allow-truncated takes what is there."
    return None


def _damage(error: Exception, data: bytes) -> str:
    text = str(error).lower()
    if not data:
        return "the file is empty."
    if isinstance(error, UnidentifiedImageError) and sniffing.is_heic(data) and "HEIF" not in DECODERS:
        return "HEIC is read with an addition: pip install 'i2i-toolkit[heif]'."
    cut = sniffing.is_cut(data)
    if isinstance(error, UnidentifiedImageError) and not cut:
        return f"no picture in a known format ({', '.join(DECODERS)}), or damaged at its beginning."
    if isinstance(error, MemoryError):
        return "there is not enough memory for it."
    if "max_text_chunk" in text or "max_text_memory" in text:
        return "its compressed text or profile is larger than any real one."
    if cut or any(words in text for words in ("truncated", "too small", "not enough")):
        return "truncated: the file ends before its picture does."
    return f"damaged: {first_line(error)}."


def first_line(error: Exception) -> str:
    """What an error of a library says, on one line."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")
