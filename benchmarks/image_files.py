"""Decoders and encoders side by side: what i2i uses for picture files, and what it might use.

    python benchmarks/image_files.py PHOTO
    python benchmarks/image_files.py PHOTO --rounds 15 --json

PHOTO is a large photograph; it is tiled to 12 megapixels, and cut to 256x256 for the small rows. All candidates of a
group take turns in one process; given are medians and quartiles of process CPU seconds (the machine may be busy), and
the ratio to the first of the group. Before anything is measured each lossless candidate must give back the pixels, and
each JPEG decoder the same pixels as Pillow. Beside the time of a JPEG decoder stands what it does with half of a file,
and with one in whose middle stands the mark of a beginning: whoever gives a picture then gives one that is half gray.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import cv2
import imagecodecs
import numpy as np
from PIL import Image

from i2i.images.decoding import decode
from i2i.images.encoding import encode
from i2i.images.formats import JPEG, PNG
from i2i.images.limits import Limits
from i2i.images.picture import Picture
from i2i.images.profiles import from_srgb, to_srgb

LARGE = (3000, 4000)
SMALL = (256, 256)
ADOBE_RGB = imagecodecs.cms_profile("adobergb")


@dataclass(frozen=True)
class Row:
    """One candidate: quartiles in milliseconds, size in bytes where it writes, and what it does with damaged files."""

    group: str
    candidate: str
    low: float
    median: float
    high: float
    ratio: float
    bytes: int | None
    damaged: str


def pillow(data: bytes) -> np.ndarray:
    """Decoded by Pillow alone."""
    return np.asarray(Image.open(io.BytesIO(data)))


def opencv(data: bytes) -> np.ndarray:
    """Decoded by OpenCV as RGB."""
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)


def ours(data: bytes) -> np.ndarray:
    """By i2i: with everything that the file carries."""
    return decode(data, Limits()).pixels


def saved(pixels: np.ndarray, format: str, **options: Any) -> bytes:
    """Encoded by Pillow."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format, **options)
    return buffer.getvalue()


def groups(photo: np.ndarray) -> dict[str, dict[str, Callable[[], Any]]]:
    """Group -> candidate -> what is timed."""
    named: dict[str, dict[str, Callable[[], Any]]] = {}
    for name, (height, width) in {"12 Mpx": LARGE, "256x256": SMALL}.items():
        pixels = np.ascontiguousarray(photo[:height, :width])
        picture = Picture(pixels)
        jpeg, png = saved(pixels, "JPEG", quality=92), saved(pixels, "PNG", compress_level=1)
        named[f"read JPEG {name}"] = {
            "Pillow": lambda jpeg=jpeg: pillow(jpeg),
            "i2i": lambda jpeg=jpeg: ours(jpeg),
            "OpenCV": lambda jpeg=jpeg: opencv(jpeg),
            "imagecodecs": lambda jpeg=jpeg: imagecodecs.jpeg8_decode(jpeg),
        }
        named[f"read PNG {name}"] = {
            "Pillow": lambda png=png: pillow(png),
            "i2i": lambda png=png: ours(png),
            "OpenCV": lambda png=png: opencv(png),
            "imagecodecs": lambda png=png: imagecodecs.png_decode(png),
        }
        named[f"write JPEG {name}"] = {
            "Pillow, quality 95, 4:4:4": lambda p=pixels: saved(p, "JPEG", quality=95, subsampling="4:4:4"),
            "i2i": lambda p=picture: encode(p, JPEG),
        }
        named[f"write PNG {name}"] = {
            "Pillow, level 6": lambda p=pixels: saved(p, "PNG"),
            "Pillow, level 1": lambda p=pixels: saved(p, "PNG", compress_level=1),
            "OpenCV": lambda p=pixels: cv2.imencode(".png", p[:, :, ::-1])[1].tobytes(),
            "i2i": lambda p=picture: encode(p, PNG),
        }
        deep = Picture(pixels.astype(np.uint16) * 257)
        deep_png = encode(deep, PNG)
        named[f"16-bit PNG {name}"] = {
            "i2i, write": lambda p=deep: encode(p, PNG),
            "i2i, read": lambda data=deep_png: ours(data),
        }
        named[f"Adobe RGB {name}"] = {
            "to sRGB, 8 bit": lambda p=pixels: to_srgb(p, ADOBE_RGB),
            "and back": lambda p=pixels: from_srgb(p, ADOBE_RGB),
            "to sRGB, 16 bit": lambda p=deep.pixels: to_srgb(p, ADOBE_RGB),
        }
    return named


def refuses(data: bytes, decoder: Callable[[bytes], Any]) -> bool:
    """Whether a decoder gives no picture."""
    try:
        return decoder(data) is None
    except Exception:
        return True


def verdict(jpeg: bytes, decoder: Callable[[bytes], Any]) -> str:
    """What becomes of a file whose second half is missing, or whose middle is broken."""
    middle = len(jpeg) // 2
    cut, broken = jpeg[:middle], jpeg[:middle] + b"\xff\xd8" + jpeg[middle + 2 :]
    told = {"cut": refuses(cut, decoder), "broken": refuses(broken, decoder)}
    return ", ".join(f"{name}: {'refused' if good else 'half a picture'}" for name, good in told.items())


def check(photo: np.ndarray) -> dict[str, str]:
    """Decoder -> what it does with damaged JPEGs. Raises where candidates do not agree."""
    pixels = np.ascontiguousarray(photo[:512, :512])
    jpeg = saved(pixels, "JPEG", quality=92)
    decoders = {"Pillow": pillow, "i2i": ours, "OpenCV": opencv, "imagecodecs": imagecodecs.jpeg8_decode}
    for name, decoder in decoders.items():
        if not np.array_equal(decoder(jpeg), pillow(jpeg)):
            raise click.ClickException(f"{name} decodes a JPEG to other pixels than Pillow")
    if not np.array_equal(ours(encode(Picture(pixels), PNG)), pixels):
        raise click.ClickException("a PNG does not give back its pixels")
    return {name: verdict(jpeg, decoder) for name, decoder in decoders.items()}


def measure(photo: np.ndarray, rounds: int) -> list[Row]:
    """Every candidate in turn; the first round is not counted."""
    verdicts, rows = check(photo), []
    for group, candidates in groups(photo).items():
        seconds: dict[str, list[float]] = {name: [] for name in candidates}
        sizes: dict[str, int | None] = {}
        for _ in range(rounds + 1):
            for name, candidate in candidates.items():
                start = time.process_time()
                made = candidate()
                seconds[name].append(time.process_time() - start)
                sizes[name] = len(made) if isinstance(made, bytes) else None
        medians = {name: float(np.median(values[1:])) for name, values in seconds.items()}
        first = next(iter(medians.values()))
        for name, values in seconds.items():
            low, median, high = (1000 * np.percentile(values[1:], [25, 50, 75])).tolist()
            told = verdicts.get(name, "") if group.startswith("read JPEG") else ""
            rows.append(Row(group, name, low, median, high, medians[name] / first, sizes[name], told))
    return rows


def table(rows: list[Row]) -> str:
    """For a person."""
    lines = [f"{'CPU milliseconds':<48}{'median':>9}{'quartiles':>18}{'ratio':>7}{'kB':>8}  damaged files"]
    for row in rows:
        size = f"{row.bytes / 1000:.0f}" if row.bytes else ""
        quartiles = f"{row.low:.2f}–{row.high:.2f}"
        name = f"{row.group}: {row.candidate}"
        lines.append(f"{name:<48}{row.median:>9.2f}{quartiles:>18}{row.ratio:>7.2f}{size:>8}  {row.damaged}")
    return "\n".join(lines)


@click.command()
@click.argument("photo", type=click.Path(exists=True, path_type=Path))
@click.option("--rounds", type=click.IntRange(1), default=9, show_default=True, help="Measurements of each candidate.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(photo: Path, rounds: int, as_json: bool) -> None:
    """CPU time of decoders and encoders."""
    cv2.setNumThreads(1)
    pixels = np.asarray(Image.open(photo).convert("RGB"))
    repeats = [-(-wanted // found) for wanted, found in zip(LARGE, pixels.shape, strict=False)]
    rows = measure(np.tile(pixels, (*repeats, 1)), rounds)
    click.echo(json.dumps({"rounds": rounds, "rows": [asdict(row) for row in rows]}) if as_json else table(rows))


if __name__ == "__main__":
    main()
