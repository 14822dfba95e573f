from __future__ import annotations

import io
from dataclasses import replace

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from i2i.images import profiles
from i2i.images.decoding import decode
from i2i.images.encoding import encode
from i2i.images.formats import AVIF, BMP, JPEG, PNG, TIFF, WEBP, Format
from i2i.images.limits import Limits

LIMITS = Limits()
D65 = (0.3127, 0.3290, 1.0)
ADOBE_RGB = imagecodecs.cms_profile("adobergb")
DISPLAY_P3 = imagecodecs.cms_profile(
    "rgb", whitepoint=D65, primaries=(0.680, 0.320, 1.0, 0.265, 0.690, 1.0, 0.150, 0.060, 1.0), gamma=2.2
)
GRAY_18 = imagecodecs.cms_profile("gray", whitepoint=D65, gamma=1.8)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
JUNK = bytes(36) + b"acsp" + bytes(260)


def stored(pixels: np.ndarray, format: str, icc: bytes | None, **options: object) -> bytes:
    stream = io.BytesIO()
    if pixels.dtype != np.uint8:
        photometric = "rgb" if pixels.ndim == 3 else "minisblack"
        tifffile.imwrite(stream, pixels, photometric=photometric, iccprofile=icc)
    else:
        Image.fromarray(pixels).save(stream, format, icc_profile=icc, **options)
    return stream.getvalue()


def linear(values: np.ndarray) -> np.ndarray:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def srgb_curve(values: np.ndarray) -> np.ndarray:
    values = values.clip(0, 1)
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("icc", [ADOBE_RGB, DISPLAY_P3], ids=["Adobe RGB", "P3"])
def test_colours_go_to_srgb_and_come_back(smooth: np.ndarray, icc: bytes, kind: str):
    white = {"uint8": 255, "uint16": 65535, "float32": 1}[kind]
    pixels = (smooth / 255 * white).astype(kind)
    data = stored(pixels, "PNG", icc)
    picture = decode(data, LIMITS)
    assert picture.pixels.dtype == kind
    assert np.abs(picture.pixels.astype(float) - pixels).max() > 3 / 255 * white  # it was converted
    again = encode(picture, TIFF if kind == "float32" else PNG)
    own = tifffile.imread(io.BytesIO(again)) if kind == "float32" else imagecodecs.png_decode(again)
    assert np.abs(own.astype(float) - pixels).max() <= 2 / 255 * white
    assert decode(again, LIMITS).carried.icc == icc


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_what_is_not_painted_is_written_as_the_file_had_it(smooth: np.ndarray, kind: str):
    pixels = (smooth / 255 * {"uint8": 255, "uint16": 65535, "float32": 1}[kind]).astype(kind)
    picture = decode(stored(pixels, "TIFF", ADOBE_RGB), LIMITS, own=True)
    assert decode(stored(pixels, "TIFF", ADOBE_RGB), LIMITS).own is None
    painted = np.zeros((20, 30), bool)
    painted[4:9, 5:12] = True
    made = replace(picture, pixels=np.zeros_like(picture.pixels), mask=painted)
    again = tifffile.imread(io.BytesIO(encode(made, TIFF)))
    assert np.array_equal(again[~painted], pixels[~painted])
    assert not again[painted].any()


def test_without_a_wide_profile_nothing_is_kept_beside_the_pixels(smooth: np.ndarray):
    for icc in (None, SRGB):
        assert decode(stored(smooth, "PNG", icc), LIMITS, own=True).own is None


def test_adobe_rgb_becomes_srgb_by_its_definition(smooth: np.ndarray):
    to_xyz = np.array([[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]])
    from_xyz = np.linalg.inv([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    expected = 255 * srgb_curve((smooth / 255.0) ** (563 / 256) @ (from_xyz @ to_xyz).T)
    found = decode(stored(smooth, "PNG", ADOBE_RGB), LIMITS).pixels
    assert np.abs(found - expected).max() <= 2


@pytest.mark.parametrize("format", [JPEG, PNG, WEBP, TIFF, AVIF], ids=lambda format: format.name)
def test_the_profile_goes_into_every_format_that_can_name_it(smooth: np.ndarray, format: Format):
    again = decode(encode(decode(stored(smooth, "PNG", ADOBE_RGB), LIMITS), format), LIMITS)
    assert again.carried.icc == ADOBE_RGB
    first = decode(stored(smooth, "PNG", ADOBE_RGB), LIMITS).pixels
    assert np.abs(again.pixels.astype(int) - first).max() <= (2 if format in (PNG, TIFF, WEBP) else 12)


def test_where_the_format_names_no_profile_colours_stay_in_srgb(smooth: np.ndarray):
    picture = decode(stored(smooth, "PNG", ADOBE_RGB), LIMITS)
    assert np.array_equal(decode(encode(picture, BMP), LIMITS).pixels, picture.pixels)


def test_a_result_in_srgb_says_so(smooth: np.ndarray):
    picture = decode(stored(smooth, "PNG", ADOBE_RGB), LIMITS)
    again = decode(encode(picture, PNG, profile="srgb"), LIMITS)
    assert profiles.is_srgb(again.carried.icc)
    assert np.array_equal(again.pixels, picture.pixels)


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_an_srgb_profile_changes_nothing_at_all(noise: np.ndarray, kind: str):
    pixels = noise if kind == "uint8" else noise.astype(np.uint16) * 199
    picture = decode(stored(pixels, "PNG", SRGB), LIMITS)
    assert np.array_equal(picture.pixels, pixels)
    again = decode(encode(picture, PNG), LIMITS)
    assert np.array_equal(again.pixels, pixels)
    assert again.carried.icc == SRGB


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_gray_in_its_own_gamma_goes_to_srgb_and_comes_back(kind: str):
    white = {"uint8": 255, "uint16": 65535}[kind]
    ramp = np.linspace(20 * white // 255, white, 200).astype(kind)[None, :]
    picture = decode(stored(ramp, "PNG", GRAY_18), LIMITS)
    expected = srgb_curve((ramp / white) ** 1.8) * white
    assert np.abs(picture.pixels[:, :, 0] - expected).max() <= 2 / 255 * white
    again = encode(picture, PNG)
    assert np.abs(imagecodecs.png_decode(again).astype(float) - ramp).max() <= 2 / 255 * white
    assert decode(again, LIMITS).carried.icc == GRAY_18


@pytest.mark.parametrize("format", [WEBP, AVIF], ids=lambda format: format.name)
def test_a_profile_of_gray_is_not_put_on_a_format_without_gray(format: Format):
    ramp = np.linspace(20, 255, 200).astype(np.uint8)[None, :].repeat(8, axis=0)
    picture = decode(stored(ramp, "PNG", GRAY_18), LIMITS)
    again = decode(encode(picture, format), LIMITS)
    assert again.carried.icc is None
    assert np.abs(again.pixels.astype(int) - picture.pixels).max() <= 6


def test_gray_with_a_profile_of_colours_follows_its_neutral_axis():
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(decode(stored(ramp, "JPEG", SRGB, quality=100), LIMITS).pixels.shape, (16, 16, 1))
    picture = decode(stored(ramp, "PNG", ADOBE_RGB), LIMITS)
    assert np.abs(picture.pixels[:, :, 0] - 255 * srgb_curve((ramp / 255.0) ** (563 / 256))).max() <= 2
    assert decode(encode(picture, PNG), LIMITS).carried.icc is None  # a gray file cannot name it


@pytest.mark.parametrize(
    ("icc", "note"),
    [
        (GRAY_18, "its colour profile is for GRAY, not for RGB: ignored"),
        (LAB, "its colour profile is for Lab, not for RGB: ignored"),
        (b"nothing of a profile", "its colour profile is damaged: ignored"),
        (JUNK, "its colour profile is damaged: ignored"),
        (ADOBE_RGB[:200], "its colour profile is damaged: ignored"),
    ],
    ids=["gray", "lab", "text", "junk", "cut"],
)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_a_wrong_profile_is_ignored_with_a_note_and_not_passed_on(
    smooth: np.ndarray, icc: bytes, note: str, format: str
):
    if format == "WEBP" and icc.startswith(b"nothing"):
        pytest.skip("Pillow writes no such file")
    with_profile, without = (decode(stored(smooth, format, profile), LIMITS) for profile in (icc, None))
    assert with_profile.carried.notes == (note,)
    assert np.array_equal(with_profile.pixels, without.pixels)
    assert decode(encode(with_profile, PNG), LIMITS).carried.icc is None


def test_a_profile_without_a_way_back_gives_a_result_in_srgb(smooth: np.ndarray, monkeypatch: pytest.MonkeyPatch):
    def closed(pixels: np.ndarray, icc: bytes) -> np.ndarray:
        raise profiles.ProfileError("its colour profile is damaged")

    profiles.check_way_back.cache_clear()
    monkeypatch.setattr(profiles, "from_srgb", closed)
    picture = decode(stored(smooth, "PNG", ADOBE_RGB), LIMITS)
    profiles.check_way_back.cache_clear()
    assert picture.carried.notes == ("its colour profile has no way back from sRGB: the result is in sRGB",)
    assert picture.carried.icc is None


def test_alpha_is_no_colour(smooth: np.ndarray):
    alpha = np.arange(600).reshape(20, 30).astype(np.uint8)
    picture = decode(stored(np.dstack([smooth, alpha]), "PNG", ADOBE_RGB), LIMITS)
    assert np.array_equal(picture.alpha, alpha)
    assert np.array_equal(imagecodecs.png_decode(encode(picture, PNG))[:, :, 3], alpha)


def test_cmyk_without_a_profile_becomes_rgb_by_formula():
    for format in ("TIFF", "JPEG"):
        stream = io.BytesIO()
        Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(stream, format)
        assert decode(stream.getvalue(), LIMITS).pixels[0, 0].tolist() == [255, 0, 0]
        assert not decode(stream.getvalue(), LIMITS).carried.notes


def test_cmyk_without_the_marker_of_adobe_is_told_of():
    stream = io.BytesIO()
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(stream, "JPEG")
    data = stream.getvalue()
    marker = data.index(b"\xff\xee")
    picture = decode(data[:marker] + data[marker + 16 :], LIMITS)
    assert picture.carried.notes == ("CMYK without Adobe's marker: its colours may be inverted",)


def test_cmyk_with_a_wrong_profile_becomes_rgb_by_formula_with_a_note():
    stream = io.BytesIO()
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(stream, "TIFF", icc_profile=ADOBE_RGB)
    picture = decode(stream.getvalue(), LIMITS)
    assert picture.pixels[0, 0].tolist() == [255, 0, 0]
    assert picture.carried.notes == ("its colour profile is for RGB, not for CMYK: ignored",)
    assert decode(encode(picture, PNG), LIMITS).carried.icc is None


def test_cmyk_goes_through_its_profile():
    stream = io.BytesIO()
    Image.new("CMYK", (8, 8), (0, 200, 200, 40)).save(stream, "TIFF", icc_profile=printer())
    picture = decode(stream.getvalue(), LIMITS)
    assert not picture.carried.notes
    by_formula = np.asarray(Image.new("CMYK", (1, 1), (0, 200, 200, 40)).convert("RGB"))[0, 0].astype(int)
    assert np.abs(picture.pixels[0, 0] - by_formula).max() > 20
    assert picture.carried.icc is None


def printer() -> bytes:
    """A profile of a made-up printer: L* falls with the sum of its four inks, a* and b* with three of them."""
    table = []
    for c, m, y, k in np.ndindex(2, 2, 2, 2):
        light = 100 * (1 - min(1.0, 0.2 * (c + m + y) + 0.9 * k))
        a, b = 50.0 * (m - c) * (1 - k), 50.0 * (y - (c + m) / 2) * (1 - k)
        table += [round(light / 100 * 65280), round((a + 128) * 256), round((b + 128) * 256)]
    identity = np.array([0, 65535], dtype=">u2").tobytes()
    lut = b"mft2" + bytes(4) + bytes((4, 3, 2, 0))
    lut += np.array([65536, 0, 0, 0, 65536, 0, 0, 0, 65536], dtype=">u4").tobytes()
    lut += (
        np.array([2, 2], dtype=">u2").tobytes() + identity * 4 + np.array(table, dtype=">u2").tobytes() + identity * 3
    )
    lut += bytes(-len(lut) % 4)
    white = b"XYZ " + bytes(4) + np.array([63190, 65536, 54061], dtype=">u4").tobytes()
    text = b"desc" + bytes(4) + (2).to_bytes(4, "big") + b"x\0" + bytes(78)
    text += bytes(-len(text) % 4)
    parts = {b"A2B0": lut, b"A2B1": lut, b"wtpt": white, b"desc": text}
    place, index, body = 128 + 4 + 12 * len(parts), b"", b""
    for name, part in parts.items():
        index += name + (place + len(body)).to_bytes(4, "big") + len(part).to_bytes(4, "big")
        body += part
    size = (place + len(body)).to_bytes(4, "big")
    head = size + bytes(4) + bytes.fromhex("02400000") + b"prtrCMYKLab " + bytes(12) + b"acsp" + bytes(28)
    head += np.array([63190, 65536, 54061], dtype=">u4").tobytes()
    return head + bytes(128 - len(head)) + len(parts).to_bytes(4, "big") + index + body


def test_lab_becomes_rgb(smooth: np.ndarray):
    lab = ImageCms.createProfile("LAB")
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), lab, "RGB", "LAB")
    stream = io.BytesIO()
    ImageCms.applyTransform(Image.fromarray(smooth), to_lab).save(stream, "TIFF")
    assert np.abs(decode(stream.getvalue(), LIMITS).pixels.astype(int) - smooth).max() <= 6
