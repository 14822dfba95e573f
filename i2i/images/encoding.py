"""From a picture to the bytes of its file: in the colours of its profile, with all that the source carried."""

from __future__ import annotations

import io
import os
import struct
import zlib
from dataclasses import replace
from typing import Any, BinaryIO

import imagecodecs
import numpy as np
from PIL import Image, PngImagePlugin

from i2i.errors import ImageError
from i2i.images.decoding import Frames
from i2i.images.formats import AVIF, BMP, GIF, JPEG, PNG, TIFF, WEBP, CannotHoldError, Format, fitted, misfit
from i2i.images.metadata import MetadataKept, reduced
from i2i.images.picture import Carried, Picture, Samples
from i2i.images.profiles import ProfileKept, fits, from_srgb, srgb
from i2i.images.quiet import quiet_pillow
from i2i.images.reasons import first_line
from i2i.images.tiff import encode_tiff

QUALITY = 95
LARGEST_JPEG_SEGMENT = 65_000
PNG_LEVEL = 1  # a sixth of the time of level 6 for a tenth more bytes
WEBP_METHOD, AVIF_SPEED = 2, 8


def encode(
    picture: Picture,
    format: Format,
    *,
    quality: int | None = None,
    metadata: MetadataKept = "keep",
    profile: ProfileKept = "keep",
) -> bytes:
    """The bytes of a picture's file.

    `quality` (1 to 100) is that of the lossy formats; None takes the tables of a JPEG source for a JPEG, else 95.
    `profile` keep goes back to the colours of the source's profile, srgb stays in sRGB and says so in the file.
    Raises CannotHoldError when the format cannot hold the picture, ImageError when the encoder fails.
    """
    try:
        reason = misfit(picture, format)
        if reason:
            raise CannotHoldError(f"{format.name} cannot hold {reason}.", hint=_others(format, PNG, WEBP, TIFF))
        picture = fitted(replace(picture, carried=reduced(picture.carried, metadata)), format)
        with quiet_pillow():
            picture, icc = _in_own_colours(picture, format, profile)
            return _encode(picture, format, icc, quality)
    except CannotHoldError:
        raise
    except Exception as error:  # the encoders' limits come as ValueError, OSError, RuntimeError, OverflowError
        raise ImageError(f"cannot be written as {format.name}: {first_line(error)}.") from error


def encode_frames(
    frames: Frames,
    format: Format,
    *,
    quality: int | None = None,
    metadata: MetadataKept = "keep",
    profile: ProfileKept = "keep",
) -> bytes:
    """The bytes of an animation as GIF, PNG or WebP, each frame as long as it was. Raises as `encode` does."""
    try:
        if format not in (GIF, PNG, WEBP):
            raise CannotHoldError(f"{format.name} cannot hold an animation.", hint=_others(format, PNG, WEBP, GIF))
        reason = next(filter(None, (misfit(picture, format) for picture in frames.pictures)), None)
        if reason:
            raise CannotHoldError(f"{format.name} cannot hold {reason}.", hint=_others(format, PNG, WEBP))
        with quiet_pillow():
            return _encode_frames(frames, format, quality, metadata, profile)
    except CannotHoldError:
        raise
    except Exception as error:  # as above
        raise ImageError(f"cannot be written as {format.name}: {first_line(error)}.") from error


def _others(format: Format, *formats: Format) -> str:
    names = [other.name for other in formats if other is not format]
    return f"Write it as {', '.join(names[:-1])} or {names[-1]}."


def _in_own_colours(picture: Picture, format: Format, profile: ProfileKept) -> tuple[Picture, bytes | None]:
    """The picture as the file will store it, and the profile that the file will name."""
    icc = picture.carried.icc
    if picture.is_gray and not format.gray:
        picture = picture.with_pixels(picture.rgb())
    if not format.profile:
        return picture, None
    if profile == "srgb":
        return picture, None if picture.is_gray else srgb()
    if icc is None or not fits(icc, gray=picture.is_gray):
        return picture, None
    return picture.with_pixels(_with_own(picture, from_srgb(picture.pixels, icc))), icc


def _with_own(picture: Picture, stored: Samples) -> Samples:
    """The file's own samples wherever nothing was painted: what went to sRGB and back may be off by a level."""
    own, mask = picture.own, picture.mask
    if own is None or mask is None or (own.shape, own.dtype) != (stored.shape, stored.dtype):
        return stored
    return np.where(mask[:, :, None], stored, own)


def _encode(picture: Picture, format: Format, icc: bytes | None, quality: int | None) -> bytes:
    match format.name:
        case "PNG":
            return _png(picture, icc)
        case "TIFF":
            return encode_tiff(picture, icc)
        case "PPM" if picture.pixels.dtype == np.uint16:
            kind = "P5" if picture.is_gray else "P6"
            head = f"{kind}\n{picture.width} {picture.height}\n65535\n"
            return head.encode() + picture.pixels.astype(">u2").tobytes()
        case "JPEG2000" if picture.pixels.dtype == np.uint16:
            planes = picture.channels()
            planes = planes[:, :, 0] if planes.shape[2] == 1 else planes
            container = "j2k" if format.bare else "jp2"
            return bytes(imagecodecs.jpeg2k_encode(planes, level=0, reversible=True, codecformat=container))
        case "GIF":
            return _saved(_palette_image(picture), "GIF", {})
    return _saved(picture.to_pil(), format.name, _options(picture.carried, format, icc, quality))


def _saved(image: Image.Image, format: str, options: dict[str, Any]) -> bytes:
    with _file_in_memory() as file:
        image.save(file, format, **options)
        file.seek(0)
        return file.read()


def _file_in_memory() -> BinaryIO:
    """Pillow encodes a JPEG without Python's lock, beside other threads, where it is given a file of the system."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("picture"), "w+b")
    return io.BytesIO()


def _options(carried: Carried, format: Format, icc: bytes | None, quality: int | None) -> dict[str, Any]:
    options: dict[str, Any] = {}
    match format.name:
        case "JPEG":
            options |= _jpeg_options(carried, quality)
        case "WEBP":
            options |= {"lossless": carried.lossless and quality is None, "exact": True, "method": WEBP_METHOD}
            # a lossless file takes its quality as effort
            options["quality"] = 70 if options["lossless"] else quality or QUALITY
        case "AVIF":
            options |= {"quality": quality or QUALITY, "subsampling": "4:4:4", "speed": AVIF_SPEED}
        case "JPEG2000":
            options["no_jp2"] = format.bare
    if format in (JPEG, WEBP, AVIF):
        longest = LARGEST_JPEG_SEGMENT if format is JPEG else 2**31
        named = {"icc_profile": icc, "exif": carried.exif, "xmp": carried.xmp}
        options |= {key: value for key, value in named.items() if value}
        for key in ("exif", "xmp"):
            if len(options.get(key, b"")) > longest:
                del options[key]
    if format in (JPEG, BMP) and carried.dpi:
        options["dpi"] = carried.dpi
    return options


def _jpeg_options(carried: Carried, quality: int | None) -> dict[str, Any]:
    if carried.tables and quality is None:
        return {"qtables": carried.tables.quantisation, "subsampling": carried.tables.sampling}
    return {"quality": quality or QUALITY, "subsampling": "4:4:4"}


def _png(picture: Picture, icc: bytes | None) -> bytes:
    planes = picture.channels()
    planes = planes[:, :, 0] if planes.shape[2] == 1 else planes
    rows = planes.nbytes + planes.shape[0]  # one byte more for each row; imagecodecs itself forgets it
    data = bytes(imagecodecs.png_encode(np.ascontiguousarray(planes), level=PNG_LEVEL, out=rows + rows // 50 + 8192))
    after_header = 8 + 25  # signature, IHDR
    return data[:after_header] + _png_chunks(picture.carried, icc) + data[after_header:]


def _png_chunks(carried: Carried, icc: bytes | None) -> bytes:
    chunks = []
    if icc:
        chunks.append(_chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc)))
    if carried.dpi:
        per_metre = [round(dpi / 0.0254) for dpi in carried.dpi]
        chunks.append(_chunk(b"pHYs", struct.pack(">IIB", *per_metre, 1)))
    if carried.exif:
        chunks.append(_chunk(b"eXIf", carried.exif.removeprefix(b"Exif\0\0")))
    if carried.xmp:
        chunks.append(_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + carried.xmp))
    return b"".join(chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _palette_image(picture: Picture) -> Image.Image:
    """A palette image of exactly the picture's colours, which are at most 256 with the transparent one."""
    if picture.is_gray and picture.is_opaque:
        return picture.to_pil()
    rgb = picture.rgb()
    visible = np.ones(rgb.shape[:2], bool) if picture.alpha is None else picture.alpha > 0
    colours, index = np.unique(rgb[visible], axis=0, return_inverse=True)
    indices = np.full(rgb.shape[:2], len(colours), dtype=np.uint8 if len(colours) < 256 else np.uint16)
    indices[visible] = index.ravel()
    image = Image.fromarray(indices.astype(np.uint8), "P")
    image.putpalette(np.vstack([colours, np.zeros((int(not picture.is_opaque), 3))]).astype(np.uint8).tobytes())
    if not picture.is_opaque:
        image.info["transparency"] = len(colours)
    return image


def _encode_frames(
    frames: Frames, format: Format, quality: int | None, metadata: MetadataKept, profile: ProfileKept
) -> bytes:
    pictures = [fitted(replace(p, carried=reduced(p.carried, metadata)), format) for p in frames.pictures]
    stored = [_in_own_colours(picture, format, profile) for picture in pictures]
    carried, icc = pictures[0].carried, stored[0][1]
    images = [_palette_image(p) if format is GIF else p.to_pil() for p, _ in stored]
    options: dict[str, Any] = {"save_all": True, "append_images": images[1:], "duration": list(frames.durations)}
    if format is GIF:
        options |= {"disposal": 2, "optimize": False} | ({} if frames.loop == 1 else {"loop": max(frames.loop - 1, 0)})
    else:
        options |= {"loop": frames.loop} | _options(carried, format, icc, quality)
    if format is PNG and carried.dpi:
        options["dpi"] = carried.dpi
    if format is PNG:
        options |= {"compress_level": PNG_LEVEL, "pnginfo": _png_info(carried)}
        options |= {key: value for key, value in (("icc_profile", icc), ("exif", carried.exif)) if value}
    return _saved(images[0], format.name, options)


def _png_info(carried: Carried) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    if carried.xmp:
        info.add_itxt("XML:com.adobe.xmp", carried.xmp.decode("utf-8", "replace"))
    return info
