from __future__ import annotations

import io
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from i2i.errors import ImageError
from i2i.images.decoding import decode
from i2i.images.encoding import encode
from i2i.images.formats import AVIF, JPEG, JPEG2000, PNG, PPM, TIFF, WEBP, Format, loses_depth
from i2i.images.limits import Limits

LIMITS = Limits()
DRAW = np.random.default_rng(0)
DEEP = {
    "gray": DRAW.integers(0, 65536, (7, 5), dtype=np.uint16),
    "gray and alpha": DRAW.integers(0, 65536, (7, 5, 2), dtype=np.uint16),
    "RGB": DRAW.integers(0, 65536, (7, 5, 3), dtype=np.uint16),
    "RGBA": DRAW.integers(0, 65536, (7, 5, 4), dtype=np.uint16),
}


def tiff(samples: np.ndarray, **options: object) -> bytes:
    stream = io.BytesIO()
    colour = samples.ndim == 3 and samples.shape[2] > 2
    options = {"photometric": "rgb" if colour else "minisblack"} | options
    if samples.ndim == 3:
        options = {"planarconfig": "contig"} | options
        if samples.shape[2] in (2, 4) and "extrasamples" not in options:
            options["extrasamples"] = ["unassalpha"]
    tifffile.imwrite(stream, samples, **options)
    return stream.getvalue()


def written(data: bytes, format: Format) -> np.ndarray:
    """The samples of a file after reading and writing, by a decoder that is not ours."""
    again = encode(decode(data, LIMITS), format)
    match format.name:
        case "PNG":
            return imagecodecs.png_decode(again)
        case "JPEG2000":
            return imagecodecs.jpeg2k_decode(again)
    return tifffile.imread(io.BytesIO(again))


def scaled(values: np.ndarray, bits: int) -> np.ndarray:
    return np.floor(values * (65535 / (2**bits - 1)) + 0.5)


@pytest.mark.parametrize("format", [PNG, TIFF, JPEG2000], ids=lambda format: format.name)
@pytest.mark.parametrize("mode", DEEP)
def test_16_bit_stays_16_bit_in_every_mode(mode: str, format: Format):
    samples = DEEP[mode]
    for data in (bytes(imagecodecs.png_encode(samples)), tiff(samples)):
        picture = decode(data, LIMITS)
        assert picture.pixels.dtype == np.uint16
        assert picture.is_gray == mode.startswith("gray")
        assert np.array_equal(picture.channels().squeeze(), samples)
        assert np.array_equal(written(data, format), samples)


@pytest.mark.parametrize("mode", ["gray", "RGB"])
def test_a_16_bit_png_with_one_transparent_colour_gets_alpha(mode: str):
    samples = DEEP[mode]
    key = np.array(samples[2, 3]).astype(">u2").tobytes()
    data = bytes(imagecodecs.png_encode(samples))
    chunk = len(key).to_bytes(4, "big") + b"tRNS" + key
    picture = decode(data[:33] + chunk + zlib.crc32(chunk[4:]).to_bytes(4, "big") + data[33:], LIMITS)
    hole = (samples == samples[2, 3]).reshape(7, 5, -1).all(axis=2)
    assert np.array_equal(picture.alpha, np.where(hole, 0, 65535))
    assert np.array_equal(picture.pixels.squeeze(), samples)


@pytest.mark.parametrize("header", [b"P6 5 7 65535\n", b"P6\n# made by hand\n5 7\n65535\n"])
def test_a_ppm_of_16_bit(header: bytes):
    data = header + DEEP["RGB"].astype(">u2").tobytes()
    assert np.array_equal(decode(data, LIMITS).pixels, DEEP["RGB"])
    assert encode(decode(data, LIMITS), PPM) == b"P6\n5 7\n65535\n" + DEEP["RGB"].astype(">u2").tobytes()


def test_a_ppm_counts_to_the_white_that_it_names():
    binary = b"P6 1 2 1000\n" + np.array([0, 500, 1000, 1, 2, 3], dtype=">u2").tobytes()
    text = b"P3\n1 2 # size\n1000\n0 500 1000\n# a remark\n1 2 3\n"
    for data in (binary, text):
        assert decode(data, LIMITS).pixels.ravel().tolist() == [0, 32768, 65535, 66, 131, 197]
    gray = b"P5 2 1 1000\n" + np.array([500, 1000], dtype=">u2").tobytes()
    assert decode(gray, LIMITS).pixels.ravel().tolist() == [32768, 65535]


def test_a_pgm_of_16_bit():
    data = b"P5 5 7 65535\n" + DEEP["gray"].astype(">u2").tobytes()
    assert np.array_equal(decode(data, LIMITS).pixels[:, :, 0], DEEP["gray"])
    assert encode(decode(data, LIMITS), PPM) == b"P5\n5 7\n65535\n" + DEEP["gray"].astype(">u2").tobytes()


@pytest.mark.parametrize("bits", [10, 12])
def test_avif_of_more_than_8_bit_is_read_whole(bits: int):
    samples = DEEP["RGBA"] >> (16 - bits)
    picture = decode(bytes(imagecodecs.avif_encode(samples, level=100, bitspersample=bits)), LIMITS)
    assert np.array_equal(picture.channels(), scaled(samples, bits))


@pytest.mark.parametrize("bits", [9, 10, 12, 16])
def test_jpeg_2000_counts_to_its_own_white(bits: int):
    samples = DEEP["RGB"] >> (16 - bits)
    data = bytes(imagecodecs.jpeg2k_encode(samples, level=0, reversible=True, bitspersample=bits))
    assert np.array_equal(decode(data, LIMITS).pixels, scaled(samples, bits))


def test_a_12_bit_tiff_counts_to_4095():
    samples = DEEP["RGB"] >> 4
    assert np.array_equal(decode(tiff(samples, bitspersample=12), LIMITS).pixels, scaled(samples, 12))


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_a_tiff_whose_white_is_zero_is_no_negative(kind: str):
    white = {"uint8": 255, "uint16": 65535, "float32": 1}[kind]
    samples = (DEEP["gray"] / 65535 * white).astype(kind)
    picture = decode(tiff(samples, photometric="miniswhite"), LIMITS)
    assert np.array_equal(picture.pixels[:, :, 0], (white - samples).astype(kind))


@pytest.mark.parametrize(
    "options", [{"byteorder": ">"}, {"bigtiff": True}, {"tile": (16, 16)}, {"compression": "zlib"}]
)
@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_tiffs_of_every_layout(kind: str, options: dict[str, object]):
    white = {"uint8": 255, "uint16": 65535, "float32": 1}[kind]
    samples = (DEEP["RGB"] / 65535 * white).astype(kind)
    assert np.array_equal(decode(tiff(samples, **options), LIMITS).pixels, samples)


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_a_tiff_with_its_channels_one_after_the_other(kind: str):
    samples = DEEP["RGB"].astype(kind)
    data = tiff(np.moveaxis(samples, -1, 0), planarconfig="separate", photometric="rgb")
    assert np.array_equal(decode(data, LIMITS).pixels, samples)


@pytest.mark.parametrize("mode", ["gray", "RGB", "RGBA"])
@pytest.mark.parametrize("kind", ["float16", "float32", "float64", "int32", "uint32", "uint64"])
def test_other_tiff_samples_come_back_in_their_own_type(kind: str, mode: str):
    samples = (DEEP[mode] / 65535).astype(kind) if kind.startswith("float") else DEEP[mode].astype(kind)
    picture = decode(tiff(samples), LIMITS)
    assert picture.pixels.dtype == np.float32
    assert np.abs(picture.channels().squeeze() - DEEP[mode] / 65535).max() < 1e-3
    again = written(tiff(samples), TIFF)
    assert again.dtype == kind
    assert np.abs(again.astype(float) - samples).max() <= (1e-7 if kind == "float64" else 0)


def test_fractions_may_count_to_255():
    samples = np.linspace(0, 255, 30, dtype=np.float32).reshape(5, 6)
    assert decode(tiff(samples), LIMITS).pixels.max() == 1
    assert np.allclose(written(tiff(samples), TIFF), samples, atol=1e-4)


def test_a_few_highlights_above_1_do_not_make_white_of_255():
    samples = np.full((20, 20), 0.5, dtype=np.float32)
    samples[0, 0] = 1.2
    picture = decode(tiff(samples), LIMITS)
    assert picture.pixels[1, 1, 0] == 0.5
    assert picture.pixels[0, 0, 0] == 1.0
    assert picture.carried.notes == ("values above white were cut",)
    assert decode(tiff(samples * 200), LIMITS).carried.notes == ("white was taken to be 255",)


def test_values_that_are_not_finite_are_refused():
    with pytest.raises(ImageError, match="it holds values that are not finite"):
        decode(tiff(np.array([[0, np.nan]], dtype=np.float32)), LIMITS)
    with pytest.raises(ImageError, match="it holds values that are not finite"):
        decode(b"Pf\n2 1\n-1.0\n" + np.array([0, np.inf], dtype="<f4").tobytes(), LIMITS)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (tiff(np.zeros((4, 4, 100), np.uint16), photometric="minisblack"), "TIFF with 100 channels and the axes YXS"),
        (tiff(np.zeros((1, 16, 16, 16), np.uint16), volumetric=True, tile=(16, 16, 16)), "1 channels and the axes ZYX"),
        (tiff(np.zeros((4, 4), np.int8)), "TIFF with 8-bit samples of kind INT is not read."),
        (tiff(np.zeros((4, 4), np.complex64)), "samples of kind COMPLEXIEEEFP is not read."),
        (tiff(np.zeros((4, 4, 4), np.uint16), photometric="separated", extrasamples=()), "photometric SEPARATED"),
    ],
)
def test_a_tiff_that_is_not_read_is_named(data: bytes, reason: str):
    with pytest.raises(ImageError) as caught:
        decode(data, LIMITS)
    assert reason in str(caught.value)


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_premultiplied_alpha_of_a_tiff_is_divided_out(kind: str):
    white = np.iinfo(kind).max
    for channels in (2, 4):
        samples = np.full((2, 2, channels), white * 50 // 255, dtype=kind)
        samples[:, :, -1] = white * 100 // 255
        samples[0, 0] = 0
        picture = decode(tiff(samples, extrasamples=["assocalpha"]), LIMITS)
        assert picture.is_gray == (channels == 2)
        assert abs(int(picture.pixels[1, 1, 0]) - white // 2) <= white // 255
        assert picture.alpha.ravel().tolist() == [0] + [white * 100 // 255] * 3


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_a_channel_of_unknown_meaning_is_no_alpha(kind: str):
    samples = DEEP["RGBA"].astype(kind)
    picture = decode(tiff(samples, extrasamples=["unspecified"]), LIMITS)
    assert np.array_equal(picture.pixels, samples[:, :, :3])
    assert picture.alpha is None
    assert picture.carried.notes == ("its further channels were left out",)


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_further_pages_are_told_of(kind: str):
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as file:
        for _ in range(3):
            file.write(DEEP["RGB"].astype(kind), photometric="rgb")
    assert decode(stream.getvalue(), LIMITS).carried.notes == ("the first of 3 frames or pages",)


def test_one_bit_becomes_black_and_white():
    stream = io.BytesIO()
    Image.fromarray(np.array([[True, False]])).save(stream, "PNG")
    assert decode(stream.getvalue(), LIMITS).pixels.ravel().tolist() == [255, 0]


@pytest.mark.parametrize("format", [JPEG, WEBP, AVIF], ids=lambda format: format.name)
def test_a_format_of_8_bit_gets_rounded_values_and_is_known_to_lose_depth(format: Format):
    picture = decode(bytes(imagecodecs.png_encode(np.full((16, 16, 3), 128 * 257 + 100, dtype=np.uint16))), LIMITS)
    assert loses_depth(picture, format)
    assert not loses_depth(picture, TIFF)
    assert np.abs(decode(encode(picture, format), LIMITS).pixels.astype(int) - 128).max() <= 1


def test_8_bit_is_rounded_not_cut():
    picture = decode(bytes(imagecodecs.png_encode(np.array([[128, 129, 257 * 7 + 129]], dtype=np.uint16))), LIMITS)
    assert picture.in_eight_bits().pixels.ravel().tolist() == [0, 1, 8]
