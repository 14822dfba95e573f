"""Picture files of every kind, each with the samples that it was made from; nothing here is read by i2i's own code.

H x W pixels, C channels.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms

Samples = NDArray[Any]

SIZES = ((1, 1), (2, 2), (17, 31), (1, 5000), (5000, 1), (64, 48))  # height, width
WHITE = {"uint8": 255.0, "uint16": 65535.0, "int32": 65535.0, "float16": 1.0, "float32": 1.0, "float64": 1.0}
ADOBE_RGB = imagecodecs.cms_profile("adobergb")
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GRAY_18 = imagecodecs.cms_profile("gray", whitepoint=(0.3127, 0.3290, 1.0), gamma=1.8)
WITH_PROFILE = 2 / 255
LOSSY = {"JPEG": 8 / 255, "WEBP": 12 / 255, "AVIF": 8 / 255}


@dataclass(frozen=True)
class Case:
    """A file, and what it shows: samples (H, W, 1 or 3) from 0 to 1 in its own colours, alpha (H, W) or None.

    `tolerance` is the error that is allowed, as a share of white; 0 means exactly. `kind` is the type of sample that
    the result must have, `icc` the profile of its colours.
    """

    name: str
    format: str
    data: bytes
    samples: Samples
    alpha: Samples | None
    tolerance: float
    kind: str
    icc: bytes | None = None


def cases() -> Iterator[Case]:
    """All of them: every mode in every size, then orientations and profiles."""
    for place, (height, width) in enumerate(SIZES):
        draw = np.random.default_rng(place)
        for make in (_png, _tiff, _webp, _bmp, _gif, _jpeg, _avif, _jpeg2000, _ppm, _tga):
            yield from make(draw, height, width)
    yield from _turned(np.random.default_rng(100))
    for place, (height, width) in enumerate(((17, 31), (1, 300), (64, 48))):
        yield from _profiled(np.random.default_rng(200 + place), height, width)


def noise(draw: np.random.Generator, height: int, width: int, channels: int, kind: str = "uint8") -> Samples:
    """(H, W, C) of every value."""
    if kind.startswith("float"):
        return draw.random((height, width, channels)).astype(kind)
    return draw.integers(0, int(WHITE[kind]) + 1, (height, width, channels)).astype(kind)


def smooth(height: int, width: int, channels: int, kind: str = "uint8") -> Samples:
    """(H, W, C) of slow waves of muted colours, which stay inside every gamut, exchanged ones too."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [0.5 + 0.2 * np.sin(x / 60 + y / 45) + 0.06 * np.sin(x / 80 - y / 70 + 2 * i) for i in range(channels)]
    return (np.stack(waves, axis=-1) * WHITE[kind]).round().astype(kind)


def palette(draw: np.random.Generator, height: int, width: int, colours: int = 16) -> tuple[Samples, Samples]:
    """Indices (H, W) and their colours (N, 3)."""
    table = draw.integers(0, 256, (colours, 3), dtype=np.uint8)
    table[0], table[1] = (255, 0, 10), (0, 200, 255)
    return draw.integers(0, colours, (height, width), dtype=np.uint8), table


def _case(
    name: str, format: str, data: bytes, stored: Samples, *, alpha: bool = False, kind: str = "", **other: Any
) -> Case:
    """A case whose expected samples are the stored ones, (H, W, C) with alpha as the last channel."""
    height, width = stored.shape[:2]
    unit = stored.astype(np.float64) / WHITE[stored.dtype.name]
    kind = kind or stored.dtype.name
    colours, cover = (unit[:, :, :-1], unit[:, :, -1]) if alpha else (unit, None)
    arguments = {"tolerance": 0.0} | other
    return Case(f"{format} {name} {height}x{width}", format, data, colours, cover, kind=kind, **arguments)


def _saved(image: Image.Image, format: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def _image(stored: Samples) -> Image.Image:
    match stored.shape[2]:
        case 1:
            return Image.fromarray(stored[:, :, 0])
        case 2:
            image = Image.fromarray(np.ascontiguousarray(stored[:, :, 0]))
            image.putalpha(Image.fromarray(np.ascontiguousarray(stored[:, :, 1])))
            return image
    return Image.fromarray(stored)


def _tiff_file(stored: Samples, **options: Any) -> bytes:
    stream = io.BytesIO()
    channels = stored.shape[2]
    arguments: dict[str, Any] = {"photometric": "rgb" if channels > 2 else "minisblack"}
    if channels > 1:
        arguments["planarconfig"] = "contig"
    if channels in (2, 4):
        arguments["extrasamples"] = ["unassalpha"]
    tifffile.imwrite(stream, stored[:, :, 0] if channels == 1 else stored, **(arguments | options))
    return stream.getvalue()


def _paletted(draw: np.random.Generator, height: int, width: int, format: str, **options: Any) -> tuple[bytes, Samples]:
    indices, table = palette(draw, height, width)
    image = Image.fromarray(indices, "P")
    image.putpalette(table.tobytes())
    return _saved(image, format, **options), table[indices]


def _png(draw: np.random.Generator, height: int, width: int) -> Iterator[Case]:
    for channels, mode in ((1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")):
        for kind in ("uint8", "uint16"):
            stored = noise(draw, height, width, channels, kind)
            planes = stored.squeeze(2) if channels == 1 else stored
            data = bytes(imagecodecs.png_encode(planes, out=2 * stored.nbytes + 10_000))
            yield _case(f"{mode} {kind}", "PNG", data, stored, alpha=channels in (2, 4))
    data, stored = _paletted(draw, height, width, "PNG")
    yield _case("P", "PNG", data, stored)
    indices, table = palette(draw, height, width)
    cover = draw.integers(0, 256, len(table), dtype=np.uint8)
    image = Image.fromarray(indices, "P")
    image.putpalette(table.tobytes())
    data = _saved(image, "PNG", transparency=cover.tobytes())
    yield _case("P with half transparency", "PNG", data, np.dstack([table[indices], cover[indices]]), alpha=True)
    bits = draw.integers(0, 2, (height, width), dtype=np.uint8)
    data = _saved(Image.fromarray(bits.astype(bool)), "PNG")
    yield _case("1", "PNG", data, bits[:, :, None] * np.uint8(255))
    gray = noise(draw, height, width, 1) // 32
    data = _saved(_image(gray), "PNG", transparency=3)
    yield _case(
        "L with a key", "PNG", data, np.dstack([gray, np.where(gray == 3, 0, 255).astype(np.uint8)]), alpha=True
    )
    colour = noise(draw, height, width, 3) // 128
    hidden = (colour == (1, 0, 1)).all(axis=2)
    data = _saved(_image(colour), "PNG", transparency=(1, 0, 1))
    stored = np.dstack([colour, np.where(hidden, 0, 255).astype(np.uint8)])
    yield _case("RGB with a key", "PNG", data, stored, alpha=True)


def _tiff(draw: np.random.Generator, height: int, width: int) -> Iterator[Case]:
    for channels, mode in ((1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")):
        for kind in ("uint8", "uint16"):
            stored = noise(draw, height, width, channels, kind)
            yield _case(f"{mode} {kind}", "TIFF", _tiff_file(stored), stored, alpha=channels in (2, 4))
    for kind in ("float16", "float32", "float64", "int32"):
        for channels in (1, 3):
            stored = noise(draw, height, width, channels, kind)
            stored.ravel()[0] = WHITE[kind]
            tolerance = 1e-6 if kind in ("float32", "float64") else 0.0
            data = _tiff_file(stored, compression="zlib" if channels == 3 else None)
            yield _case(f"{channels} of {kind}", "TIFF", data, stored, tolerance=tolerance)
    for kind in ("uint8", "uint16"):
        stored = noise(draw, height, width, 1, kind)
        negative = (WHITE[kind] - stored).astype(kind)
        yield _case(f"white is zero, {kind}", "TIFF", _tiff_file(stored, photometric="miniswhite"), negative)
        stored = noise(draw, height, width, 3, kind)
        planar = np.moveaxis(stored, -1, 0)
        stream = io.BytesIO()
        tifffile.imwrite(stream, planar, photometric="rgb", planarconfig="separate")
        yield _case(f"planar, {kind}", "TIFF", stream.getvalue(), stored)
        yield _case(f"big end first, {kind}", "TIFF", _tiff_file(stored, byteorder=">"), stored)
    cyan = noise(draw, height, width, 3)
    ink = np.dstack([255 - cyan, np.zeros_like(cyan[:, :, :1])])
    yield _case("CMYK", "TIFF", _saved(Image.fromarray(ink, "CMYK"), "TIFF"), cyan)
    data, stored = _paletted(draw, height, width, "TIFF")
    yield _case("P", "TIFF", data, stored)
    twelve = noise(draw, height, width, 3, "uint16") >> 4
    expected = np.floor(twelve * (65535 / 4095) + 0.5).astype(np.uint16)
    yield _case("12 bit", "TIFF", _tiff_file(twelve, bitspersample=12), expected)
    stored = noise(draw, height, width, 4, "uint16")
    stored[:, :, 3] |= 0x8000
    product = np.round(stored[:, :, :3] * (stored[:, :, 3:] / 65535.0)).astype(np.uint16)
    data = _tiff_file(np.dstack([product, stored[:, :, 3]]), extrasamples=["assocalpha"])
    yield _case("premultiplied", "TIFF", data, stored, alpha=True, tolerance=2 / 65535)


def _webp(draw: np.random.Generator, height: int, width: int) -> Iterator[Case]:
    for channels in (3, 4):
        stored = noise(draw, height, width, channels)
        if channels == 4:
            stored[0, 0, 3] = 100  # one that is opaque everywhere would come back without alpha
        data = _saved(_image(stored), "WEBP", lossless=True, exact=True)
        yield _case(f"lossless {channels}", "WEBP", data, stored, alpha=channels == 4)
    stored = smooth(height, width, 3)
    yield _case("lossy", "WEBP", _saved(_image(stored), "WEBP", quality=95), stored, tolerance=LOSSY["WEBP"])


def _bmp(draw: np.random.Generator, height: int, width: int) -> Iterator[Case]:
    for channels in (1, 3):
        stored = noise(draw, height, width, channels)
        yield _case(f"{channels}", "BMP", _saved(_image(stored), "BMP"), stored)
    data, stored = _paletted(draw, height, width, "BMP")
    yield _case("P", "BMP", data, stored)


def _gif(draw: np.random.Generator, height: int, width: int) -> Iterator[Case]:
    data, stored = _paletted(draw, height, width, "GIF")
    yield _case("P", "GIF", data, stored)
    indices, table = palette(draw, height, width)
    image = Image.fromarray(indices, "P")
    image.putpalette(table.tobytes())
    cover = np.where(indices == 5, 0, 255).astype(np.uint8)
    data = _saved(image, "GIF", transparency=5, optimize=False)
    yield _case("P with a hole", "GIF", data, np.dstack([table[indices], cover]), alpha=True)
    stored = noise(draw, height, width, 1)
    yield _case("L", "GIF", _saved(_image(stored), "GIF"), stored)


def _jpeg(draw: np.random.Generator, height: int, width: int) -> Iterator[Case]:
    for channels in (1, 3):
        stored = smooth(height, width, channels)
        data = _saved(_image(stored), "JPEG", quality=95, subsampling=0)
        yield _case(f"{channels}", "JPEG", data, stored, tolerance=LOSSY["JPEG"])
    stored = smooth(height, width, 3)
    ink = np.dstack([255 - stored, np.zeros_like(stored[:, :, :1])])
    data = _saved(Image.fromarray(ink, "CMYK"), "JPEG", quality=95)
    yield _case("CMYK", "JPEG", data, stored, tolerance=LOSSY["JPEG"])


def _avif(draw: np.random.Generator, height: int, width: int) -> Iterator[Case]:
    stored = smooth(height, width, 3)
    data = _saved(_image(stored), "AVIF", quality=95, speed=9, subsampling="4:4:4")
    yield _case("RGB", "AVIF", data, stored, tolerance=LOSSY["AVIF"])
    if height * width <= 64 * 48:
        ten = smooth(height, width, 3, "uint16") >> 6
        data = bytes(imagecodecs.avif_encode(ten, level=95, bitspersample=10, speed=9))
        expected = np.floor(ten * (65535 / 1023) + 0.5).astype(np.uint16)
        yield _case("10 bit", "AVIF", data, expected, kind="uint8", tolerance=LOSSY["AVIF"])


def _jpeg2000(draw: np.random.Generator, height: int, width: int) -> Iterator[Case]:
    for channels in (1, 3, 4):
        stored = noise(draw, height, width, channels)
        yield _case(f"{channels}", "JPEG2000", _saved(_image(stored), "JPEG2000"), stored, alpha=channels == 4)
    for channels in (1, 3):
        stored = noise(draw, height, width, channels, "uint16")
        planes = stored[:, :, 0] if channels == 1 else stored
        data = bytes(imagecodecs.jpeg2k_encode(planes, level=0, reversible=True))
        yield _case(f"{channels} of 16 bit", "JPEG2000", data, stored)


def _ppm(draw: np.random.Generator, height: int, width: int) -> Iterator[Case]:
    for channels, magic in ((1, "P5"), (3, "P6")):
        for kind, big in (("uint8", ">u1"), ("uint16", ">u2")):
            stored = noise(draw, height, width, channels, kind)
            data = f"{magic}\n{width} {height}\n{WHITE[kind]:.0f}\n".encode() + stored.astype(big).tobytes()
            yield _case(f"{magic} {kind}", "PPM", data, stored)
    bits = draw.integers(0, 2, (height, width), dtype=np.uint8)
    data = f"P4\n{width} {height}\n".encode() + np.packbits(1 - bits, axis=1).tobytes()
    yield _case("P4", "PPM", data, bits[:, :, None] * np.uint8(255))


def _tga(draw: np.random.Generator, height: int, width: int) -> Iterator[Case]:
    for channels in (1, 2, 3, 4):
        stored = noise(draw, height, width, channels)
        yield _case(f"{channels}", "TGA", _saved(_image(stored), "TGA"), stored, alpha=channels in (2, 4))


# What a viewer does with a picture of each EXIF orientation.
DISPLAYED: dict[int, Callable[[Samples], Samples]] = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: np.swapaxes(a, 0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.swapaxes(np.rot90(a, 2), 0, 1),
    8: lambda a: np.rot90(a, 1),
}


def _turned(draw: np.random.Generator) -> Iterator[Case]:
    for orientation, displayed in DISPLAYED.items():
        exif = Image.Exif()
        exif[0x112] = orientation
        raw = exif.tobytes()
        for format, options, channels in (
            ("PNG", {}, 4), ("TIFF", {}, 3), ("WEBP", {"lossless": True, "exact": True}, 3),
            ("JPEG", {"quality": 95, "subsampling": 0}, 3), ("AVIF", {"quality": 95, "subsampling": "4:4:4"}, 3),
        ):  # fmt: skip
            lossy = LOSSY.get(format, 0.0) if format != "WEBP" else 0.0
            stored = smooth(17, 31, channels) if lossy else noise(draw, 17, 31, channels)
            data = _saved(_image(stored), format, exif=raw, **options)
            shown = np.ascontiguousarray(displayed(stored))
            yield _case(f"turned {orientation}", format, data, shown, alpha=channels == 4, tolerance=lossy)
        stored = noise(draw, 17, 31, 3, "uint16")
        data = _tiff_file(stored, extratags=[(274, "H", 1, orientation, True)])
        yield _case(f"16 bit turned {orientation}", "TIFF", data, np.ascontiguousarray(displayed(stored)))


def _profiled(draw: np.random.Generator, height: int, width: int) -> Iterator[Case]:
    for kind in ("uint8", "uint16"):
        for icc, name in ((ADOBE_RGB, "Adobe RGB"), (SRGB, "sRGB")):
            tolerance = 0.0 if icc is SRGB else WITH_PROFILE
            for channels in (3, 4):
                stored = smooth(height, width, channels, kind)
                data = _tiff_file(stored, iccprofile=icc)
                named = {"alpha": channels == 4, "tolerance": tolerance, "icc": icc}
                yield _case(f"{name} {channels} of {kind}", "TIFF", data, stored, **named)
                if kind == "uint8":
                    data = _saved(_image(stored), "PNG", icc_profile=icc)
                    yield _case(f"{name} {channels}", "PNG", data, stored, **named)
        stored = smooth(height, width, 1, kind)
        data = _tiff_file(stored, iccprofile=GRAY_18)
        yield _case(f"gamma 1.8, {kind}", "TIFF", data, stored, tolerance=WITH_PROFILE, icc=GRAY_18)
    for format, options in (("JPEG", {"quality": 95, "subsampling": 0}), ("WEBP", {"quality": 95})):
        stored = smooth(height, width, 3)
        data = _saved(_image(stored), format, icc_profile=ADOBE_RGB, **options)
        tolerance = LOSSY[format] + WITH_PROFILE
        yield _case("Adobe RGB", format, data, stored, tolerance=tolerance, icc=ADOBE_RGB)


TO_XYZ = {
    "Adobe RGB": np.array([[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]]),
    "sRGB": np.array([[0.41239, 0.35758, 0.18048], [0.21264, 0.71517, 0.07219], [0.01933, 0.11919, 0.95053]]),
}


def exchanged(case: Case) -> Samples:
    """The case's samples with red and blue exchanged in sRGB, in its own colours."""
    if case.samples.shape[2] == 1:
        return case.samples
    if case.icc is not ADOBE_RGB:
        return case.samples[:, :, ::-1]
    there = np.linalg.inv(TO_XYZ["sRGB"]) @ TO_XYZ["Adobe RGB"]
    linear = case.samples ** (563 / 256) @ there.T
    srgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear.clip(0) ** (1 / 2.4) - 0.055)[:, :, ::-1]
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return (linear @ np.linalg.inv(there).T).clip(0, 1) ** (256 / 563)


def twice(samples: Samples) -> Samples:
    """(H, W, ...) -> (2H, 2W, ...): each pixel four times."""
    return samples.repeat(2, axis=0).repeat(2, axis=1)


def cubic(alpha: Samples) -> Samples:
    """(H, W) -> (2H, 2W) by cubic convolution (Keys 1981, a = -0.75), cut at 0 and 1."""
    for axis in (0, 1):
        rows = np.moveaxis(alpha, axis, 0)
        count = len(rows)
        larger = np.zeros((2 * count, rows.shape[1]))
        for odd, weights in enumerate(([-0.03515625, 0.26171875, 0.87890625, -0.10546875],) * 2):
            for tap, weight in enumerate(weights[::-1] if odd else weights):
                source = np.clip(np.arange(count) - 2 + odd + tap, 0, count - 1)
                larger[odd::2] += weight * rows[source]
        alpha = np.moveaxis(larger, 0, axis)
    return alpha.clip(0, 1)


def stored_in(data: bytes, format: str) -> tuple[Samples, Samples, str]:
    """RGB (H, W, 3) and alpha (H, W) from 0 to 1 as a written file has them, and its type of sample."""
    planes = _planes(data, format)
    kind = planes.dtype.name
    unit = planes.astype(np.float64) / WHITE[kind]
    alpha = unit[:, :, -1] if unit.shape[2] in (2, 4) else np.ones(unit.shape[:2])
    colours = unit[:, :, :1].repeat(3, axis=2) if unit.shape[2] < 3 else unit[:, :, :3]
    return colours, alpha, kind


def _planes(data: bytes, format: str) -> Samples:
    if format == "TIFF":
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page = file.pages.first
            values = page.asarray().reshape(page.imagelength, page.imagewidth, page.samplesperpixel)
    elif format == "JPEG2000":
        values = imagecodecs.jpeg2k_decode(data)
    elif format == "PNG":
        values = imagecodecs.png_decode(data)
    elif format == "PPM" and b"\n65535\n" in data[:40]:
        width, height = map(int, data.split(b"\n")[1].split())
        values = np.frombuffer(data[data.index(b"\n65535\n") + 7 :], dtype=">u2").astype(np.uint16)
        values = values.reshape(height, width, -1)
    else:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            values = np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))
    return values[:, :, None] if values.ndim == 2 else values
