"""From the bytes of a picture file to a picture, by the decoder that keeps all of its depth."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import imagecodecs
import numpy as np
from PIL import ExifTags, Image, ImageFile, JpegImagePlugin

from i2i.errors import ImageError, printable
from i2i.images import sniffing, tiff
from i2i.images.formats import DECODERS
from i2i.images.limits import Limits
from i2i.images.metadata import clean_exif, clean_xmp, dpi_of, exif_of_tiff, orientation, xmp_of
from i2i.images.picture import Carried, JpegTables, Picture, Samples
from i2i.images.profiles import ProfileError, check_way_back, fits, print_to_srgb, to_srgb
from i2i.images.quiet import quiet_pillow
from i2i.images.reasons import RefusedError, TooLargeError, over, reason, remedy

if "HEIF" in DECODERS:
    import pi_heif

    pi_heif.register_heif_opener()

# Formats that hold pictures one after the other in time; the others with several hold pages.
ANIMATED = ("GIF", "PNG", "WEBP")
ADOBE_RGB_BY_EXIF = "R03"  # InteropIndex of cameras that name Adobe RGB without its profile
COMMENT = re.compile(rb"#[^\n]*")
CUT = "truncated: what is there was taken"
T = TypeVar("T")


@dataclass(frozen=True)
class Frames:
    """Pictures shown one after the other, each for so many milliseconds; the whole `loop` times, 0 for ever."""

    pictures: tuple[Picture, ...]
    durations: tuple[int, ...]
    loop: int

    def noting(self, *notes: str) -> Frames:
        """The same frames with something more to tell about them."""
        return replace(self, pictures=tuple(picture.noting(*notes) for picture in self.pictures))


def decode(data: bytes, limits: Limits, *, own: bool = False) -> Picture:
    """The picture of a file's bytes, upright and in sRGB; the first of several. Raises ImageError.

    `own` keeps the pixels in the colours of the file's profile too, see `Picture.own`.
    """
    return _whole_or_noted(data, limits, partial(_decode_first, own=own), lambda picture: picture.noting(CUT))


def decode_frames(data: bytes, limits: Limits, *, own: bool = False) -> Frames | Picture:
    """All frames of an animated GIF, PNG or WebP; for every other file its picture. Raises ImageError."""
    return _whole_or_noted(data, limits, partial(_decode_all, own=own), lambda found: found.noting(CUT))


def header(data: bytes, limits: Limits) -> tuple[int, int, int]:
    """Width, height and number of frames of a file whose beginning is `data`, before anything is decoded.

    Raises ImageError for what is no picture or over the limits.
    """
    return guarded(data, limits, _header)


def _header(data: bytes, limits: Limits) -> tuple[int, int, int]:
    page = deep_tiff(data)
    if page is None:
        return size_within(opened(data), limits)
    refuse_large(*tiff.size_of(page), 1, limits)
    return (*tiff.size_of(page), 1)


def guarded(data: bytes, limits: Limits, function: Callable[[bytes, Limits], T]) -> T:
    """What a function makes of a file's bytes; whatever it raises becomes an ImageError in words."""
    try:
        with quiet_pillow(limits.max_pixels, limits.allow_truncated):
            return function(data, limits)
    except Exception as error:  # a damaged file makes the decoders raise nearly any type
        with quiet_pillow():
            raise ImageError(printable(reason(error, data, limits)), hint=remedy(error, data, limits)) from error


def _whole_or_noted(data: bytes, limits: Limits, function: Callable[[bytes, Limits], T], noted: Callable[[T], T]) -> T:
    """A file that is cut off is taken only where that is allowed, and noted; one that is whole is read as ever."""
    try:
        return guarded(data, replace(limits, allow_truncated=False), function)
    except ImageError:
        if not limits.allow_truncated:
            raise
    return noted(guarded(data, limits, function))


def _decode_first(data: bytes, limits: Limits, own: bool = False) -> Picture:
    page = deep_tiff(data)
    if page is not None:
        refuse_large(*tiff.size_of(page), 1, limits)
        if sniffing.is_cut(data) and not limits.allow_truncated:  # strips that are not there would become black
            raise ValueError("truncated")
        picture, icc, turned = deep_tiff_picture(data, page)
        return _finished(picture.noting(*_first_of(tiff.count_pages(data))), icc, turned, own)
    with opened(data) as image:
        _, _, count = size_within(image, limits)
        picture = pixels_of(image, data)
        if image.format == "JPEG2000" and not limits.allow_truncated and sniffing.is_cut(data):
            raise ValueError("truncated")  # its decoder makes something of what is there
        noted = (*picture.carried.notes, *_first_of(count))
        picture = replace(picture, carried=_carried(image, data)).noting(*noted)
        return _finished(picture, image.info.get("icc_profile"), orientation(image), own)


def _first_of(count: int) -> tuple[str, ...]:
    return (f"the first of {count} frames or pages",) if count > 1 else ()


def _decode_all(data: bytes, limits: Limits, own: bool = False) -> Frames | Picture:
    if data.startswith(tiff.MAGIC):
        return _decode_first(data, limits, own)
    with opened(data) as image:
        width, height, count = size_within(image, limits)
        if image.format == "GIF" and sniffing.is_cut_gif(data) and not limits.allow_truncated:
            raise OSError("truncated")
        if count == 1 or image.format not in ANIMATED or getattr(image, "_n_frames", count) == 1:
            return _decode_first(data, limits, own)
        refuse_large(width, height, count, limits)
        carried, profile, loop = _carried(image, data), image.info.get("icc_profile"), _loop(image)
        if image.format == "PNG" and sniffing.is_deep_png(data):
            carried = replace(carried, notes=(*carried.notes, "its frames of 16 bit were read in 8"))
        first = 1 if image.info.get("default_image") else 0  # a PNG may show a still where animations are not known
        pictures, durations = [], []
        for index in range(first, count):
            image.seek(index)
            refuse_large(*image.size, count, limits)  # a frame may be larger than its file says
            image.load()
            frame = replace(Picture.from_pil(image), carried=carried)
            pictures.append(_finished(frame, profile, orientation(image), own))
            durations.append(round(float(image.info.get("duration", 0))))
        return Frames(_alike(pictures), tuple(durations), loop)


def _loop(image: Image.Image) -> int:
    """How often an animation is shown; a GIF counts the repetitions after the first time."""
    loop = int(image.info.get("loop", 1))
    return loop + 1 if image.format == "GIF" and loop and "loop" in image.info else loop


def _alike(pictures: list[Picture]) -> tuple[Picture, ...]:
    """All in colour and with alpha where one of them is: a GIF's frames come as their palettes are."""
    if any(picture.alpha is not None for picture in pictures):
        opaque = np.full(pictures[0].pixels.shape[:2], 255, dtype=np.uint8)
        pictures = [p if p.alpha is not None else replace(p, alpha=opaque) for p in pictures]
    if not all(picture.is_gray for picture in pictures):
        pictures = [picture.with_pixels(picture.rgb()) for picture in pictures]
    return tuple(pictures)


def opened(data: bytes) -> ImageFile.ImageFile:
    """The file as Pillow sees it, not decoded yet."""
    return Image.open(io.BytesIO(data), formats=DECODERS)


def size_within(image: Image.Image, limits: Limits) -> tuple[int, int, int]:
    """Width, height and number of frames. Raises TooLargeError."""
    refuse_large(*image.size, 1, limits)
    return (*image.size, int(getattr(image, "n_frames", 1)))


def refuse_large(width: int, height: int, count: int, limits: Limits) -> None:
    """Raises TooLargeError for more pixels than the limits allow."""
    if width * height * count > limits.max_pixels:
        frames = f"{count} frames of " if count > 1 else ""
        size = f"{frames}{width}x{height}, {width * height * count / 1e6:.0f} Mpx"
        raise TooLargeError(f"{size}: {over(limits)}.")


def deep_tiff(data: bytes) -> Any:
    """The page of a TIFF that is not for Pillow; None for all else. Raises RefusedError."""
    if not data.startswith(tiff.MAGIC):
        return None
    try:
        return tiff.deep_page(data)
    except tiff.UnsupportedTiff as error:
        raise RefusedError(f"{error}.") from error


def deep_tiff_picture(data: bytes, page: Any) -> tuple[Picture, bytes | None, int]:
    """The picture of that page, not upright yet, its profile, and its orientation. Raises RefusedError."""
    try:
        picture, stored, white = tiff.decode_deep(data, page)
    except tiff.UnsupportedTiff as error:
        raise RefusedError(f"{error}.") from error
    exif, damaged = clean_exif(exif_of_tiff(data))
    tags = {tag.code: tag.value for tag in page.tags if tag.code in (274, 282, 283, 296, 700, 34675)}
    carried = Carried(
        format="TIFF",
        mode=f"{'gray' if picture.is_gray else 'RGB'} {page.bitspersample} bit",
        exif=exif,
        xmp=clean_xmp(_bytes_or_none(tags.get(700))),
        dpi=_tiff_dpi(tags),
        lossless=True,
        stored=stored,
        white=white,
        notes=(*picture.carried.notes, *(["damaged EXIF was left out"] if damaged else [])),
    )
    turned = tags.get(274, 1)
    icc = _bytes_or_none(tags.get(34675))
    return replace(picture, carried=carried), icc, int(turned) if isinstance(turned, int) else 1


def _bytes_or_none(value: Any) -> bytes | None:
    return bytes(value) if isinstance(value, (bytes, bytearray, np.ndarray, tuple)) else None


def _tiff_dpi(tags: dict[int, Any]) -> tuple[float, float] | None:
    try:
        unit = {2: 1.0, 3: 2.54}[int(tags[296])]
        across, down = (tags[code][0] / tags[code][1] * unit for code in (282, 283))
    except (KeyError, TypeError, ValueError, ZeroDivisionError, IndexError):
        return None
    return (across, down) if 1 <= across < 1e5 and 1 <= down < 1e5 else None


def pixels_of(image: ImageFile.ImageFile, data: bytes) -> Picture:
    """The pixels as the file has them, not upright yet; CMYK and Lab already in sRGB."""
    deep = _deep(image, data)
    if deep is not None:
        return deep
    image.load()  # by Pillow: the only one here that names every JPEG whose end is missing or whose middle is broken
    if image.mode in ("CMYK", "LAB"):
        return _from_print(image)
    if image.mode == "F" and not np.isfinite(np.asarray(image)).all():
        raise RefusedError("it holds values that are not finite.")
    return Picture.from_pil(image)


def _deep(image: ImageFile.ImageFile, data: bytes) -> Picture | None:
    """The picture where Pillow would cut it to 8 bit."""
    match image.format:
        case "PNG" if sniffing.is_deep_png(data):
            return _of_planes(imagecodecs.png_decode(data))
        case "PPM" if image.mode == "RGB" and data[:2] in (b"P3", b"P6") and maxval(image) > 255:
            return _of_planes(_deep_ppm(image, data), highest=maxval(image))
        case "JPEG2000" if (depth := sniffing.depth_of_jpeg2000(data)) > 8:
            return _of_planes(imagecodecs.jpeg2k_decode(data), highest=2**depth - 1)
        case "AVIF" if (depth := sniffing.depth_of_avif(data)) > 8:
            return _of_planes(imagecodecs.avif_decode(data, index=0), highest=2**depth - 1)
        case "HEIF" if image.info.get("bit_depth", 8) > 8:
            whole = pi_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
            return _of_planes(np.asarray(whole))
    return None


def _of_planes(values: Any, highest: int = 65535) -> Picture:
    """The picture of (H, W) or (H, W, 1 to 4) samples that count to `highest`."""
    planes: Samples = values[:, :, None] if values.ndim == 2 else values
    if planes.dtype != np.uint8 and highest != 65535:
        planes = np.clip(planes * (65535 / highest) + 0.5, 0, 65535).astype(np.uint16)
    colours = 3 if planes.shape[2] > 2 else 1
    alpha = np.ascontiguousarray(planes[:, :, -1]) if planes.shape[2] in (2, 4) else None
    return Picture(np.ascontiguousarray(planes[:, :, :colours]), alpha)


def maxval(image: ImageFile.ImageFile) -> int:
    """The value of white that a PPM file names, as Pillow hands it to its decoder."""
    arguments = image.tile[0].args
    return int(arguments[1]) if isinstance(arguments, tuple) and len(arguments) > 1 else 255


def _deep_ppm(image: ImageFile.ImageFile, data: bytes) -> Samples:
    """(H, W, 3) of a PPM file of two bytes for each sample, or of numbers in text."""
    count, place = image.width * image.height * 3, image.tile[0].offset
    if data[:2] == b"P6":
        values = np.frombuffer(data[place : place + (len(data) - place) // 2 * 2], dtype=">u2")[:count]
    else:
        values = np.array(COMMENT.sub(b"", data[place:]).split()[:count], dtype=np.int64).clip(0, 65535)
    if len(values) < count:
        raise ValueError("truncated")
    return values.reshape(image.height, image.width, 3).astype(np.uint16)


def _from_print(image: Image.Image) -> Picture:
    profile, notes = image.info.get("icc_profile"), []
    if image.mode == "CMYK" and image.format == "JPEG" and "adobe" not in image.info:
        notes.append("CMYK without Adobe's marker: its colours may be inverted")
    try:
        if profile:
            return Picture.from_pil(print_to_srgb(image, profile)).noting(*notes)
    except ProfileError as error:
        notes.append(f"{error}: ignored")
    return Picture.from_pil(image.convert("RGB")).noting(*notes)


def _carried(image: Image.Image, data: bytes) -> Carried:
    exif, damaged = clean_exif(_exif(image))
    return Carried(
        format="JPEG" if image.format == "MPO" else image.format,
        mode=image.mode,
        exif=exif,
        xmp=clean_xmp(xmp_of(image)),
        dpi=dpi_of(image),
        tables=_tables(image),
        lossless=_is_lossless(image, data),
        notes=(*(["damaged EXIF was left out"] if damaged else []), *_colour_notes(image, data)),
    )


def _colour_notes(image: Image.Image, data: bytes) -> tuple[str, ...]:
    """What a file says about its colours that is not followed."""
    named = bool(image.info.get("icc_profile"))
    if image.format == "PNG":
        return sniffing.colour_notes_of_png(data, image.info.get("gamma"), named=named or "srgb" in image.info)
    if image.format == "TIFF" and getattr(image, "tag_v2", {}).get(277, 1) > len(image.getbands()):
        return (tiff.CHANNELS_LEFT_OUT,)
    try:
        index = image.getexif().get_ifd(ExifTags.IFD.Interop).get(1)
    except Exception:  # broken EXIF, as below
        index = None
    if not named and isinstance(index, str) and index.startswith(ADOBE_RGB_BY_EXIF):
        return ("its EXIF names Adobe RGB, without a profile: read as sRGB",)
    return ()


def _exif(image: Image.Image) -> Image.Exif:
    try:
        return image.getexif()
    except Exception:  # broken EXIF raises nearly any type; the pixels are as good without
        return Image.Exif()


def _tables(image: Image.Image) -> JpegTables | None:
    if not isinstance(image, JpegImagePlugin.JpegImageFile) or image.mode not in ("L", "RGB"):
        return None
    numbers = [layer[3] for layer in image.layer[:2]]  # of the tables of brightness and of the first colour
    if not all(min(image.quantization.get(n, [0])) > 0 and max(image.quantization[n]) < 256 for n in numbers):
        return None
    tables = {place: list(image.quantization[number]) for place, number in enumerate(numbers)}
    return JpegTables(tables, max(JpegImagePlugin.get_sampling(image), 0))


def _is_lossless(image: Image.Image, data: bytes) -> bool:
    if image.format == "WEBP":
        return sniffing.is_lossless_webp(data)
    return image.format not in ("JPEG", "MPO", "AVIF", "HEIF")


def _finished(picture: Picture, icc: Any, turned: int, own: bool) -> Picture:
    """Upright, in sRGB."""
    picture = upright(picture, turned)
    if not isinstance(icc, bytes) or not icc:
        return picture
    carried, stored = picture.carried, picture.pixels
    if carried.mode in ("CMYK", "LAB"):  # was used on the way to RGB, or told of
        return picture
    try:
        picture = picture.with_pixels(to_srgb(picture.pixels, icc))
    except ProfileError as error:
        return picture.noting(f"{error}: ignored")
    if not fits(icc, gray=picture.is_gray):
        return picture
    try:
        check_way_back(icc)
    except ProfileError as error:
        return picture.noting(f"{error}: the result is in sRGB")
    kept = stored if own and picture.pixels is not stored else None  # the same object: the profile is sRGB
    return replace(picture, carried=replace(carried, icc=icc), own=kept)


# EXIF orientation -> (transpose first, then flip up-down, then flip left-right)
TURNS = {
    2: (False, False, True), 3: (False, True, True), 4: (False, True, False),
    5: (True, False, False), 6: (True, False, True), 7: (True, True, True), 8: (True, True, False),
}  # fmt: skip


def upright(picture: Picture, turned: int) -> Picture:
    """The picture turned as its orientation says."""
    if turned not in TURNS:
        return picture
    transpose, up_down, left_right = TURNS[turned]

    def turn(array: Any) -> Any:
        array = array.swapaxes(0, 1) if transpose else array
        return np.ascontiguousarray(array[:: -1 if up_down else 1, :: -1 if left_right else 1])

    alpha = None if picture.alpha is None else turn(picture.alpha)
    return replace(picture, pixels=turn(picture.pixels), alpha=alpha)
