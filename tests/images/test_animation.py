from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from i2i.errors import ImageError
from i2i.images.decoding import Frames, decode, decode_frames
from i2i.images.encoding import encode, encode_frames
from i2i.images.formats import GIF, JPEG, PNG, TIFF, WEBP, CannotHoldError, Format
from i2i.images.limits import Limits
from i2i.images.picture import Picture

LIMITS = Limits()
ANIMATED = [GIF, PNG, WEBP]
DURATIONS = (70, 200, 30)


def frames_of(mode: str) -> list[Image.Image]:
    """Three frames of few colours: a square that wanders, on transparent ground or on gray."""
    frames = []
    for index in range(3):
        frame = Image.new("RGBA", (12, 9), (0, 0, 0, 0) if mode == "RGBA" else (90, 90, 90, 255))
        frame.paste((250, 40 * index, 10, 255), (3 * index, 2, 3 * index + 3, 6))
        frames.append(frame.convert(mode))
    return frames


def animation(format: Format, mode: str = "RGB", loop: int | None = 0, **options: object) -> bytes:
    stream, images = io.BytesIO(), frames_of(mode)
    if format is WEBP:
        options |= {"lossless": True, "exact": True}
    if format is GIF:
        options |= {"disposal": 2}
    if loop is not None:
        options["loop"] = loop
    images[0].save(stream, format.name, save_all=True, append_images=images[1:], duration=list(DURATIONS), **options)
    return stream.getvalue()


def shown(data: bytes) -> list[np.ndarray]:
    """Each frame as Pillow shows it."""
    frames = []
    with Image.open(io.BytesIO(data)) as image:
        for index in range(image.n_frames):
            image.seek(index)
            frames.append(np.asarray(image.convert("RGBA")))
    return frames


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("format", ANIMATED, ids=lambda format: format.name)
def test_frames_go_through_with_their_timing(format: Format, mode: str):
    data = animation(format, mode)
    frames = decode_frames(data, LIMITS)
    assert isinstance(frames, Frames)
    assert frames.durations == DURATIONS
    assert frames.loop == 0
    again = encode_frames(frames, format)
    assert decode_frames(again, LIMITS).durations == DURATIONS
    for found, image in zip(shown(again), frames_of(mode), strict=True):
        expected = np.asarray(image.convert("RGBA"))
        assert np.array_equal(found[:, :, 3], expected[:, :, 3])
        assert np.array_equal(found[expected[:, :, 3] > 0], expected[expected[:, :, 3] > 0])


@pytest.mark.parametrize("target", ANIMATED, ids=lambda format: format.name)
@pytest.mark.parametrize("loop", [0, 1, 2, 5])
def test_it_is_shown_as_often_as_before_in_each_format(loop: int, target: Format):
    frames = decode_frames(animation(PNG, loop=loop), LIMITS)
    assert frames.loop == loop
    assert decode_frames(encode_frames(frames, target), LIMITS).loop == loop


def test_a_gif_counts_the_repetitions_after_the_first_time():
    assert decode_frames(animation(GIF, loop=None), LIMITS).loop == 1
    assert decode_frames(animation(GIF, loop=1), LIMITS).loop == 2
    with Image.open(io.BytesIO(encode_frames(decode_frames(animation(GIF, loop=None), LIMITS), GIF))) as image:
        assert "loop" not in image.info


@pytest.mark.parametrize("format", ANIMATED, ids=lambda format: format.name)
def test_the_first_frame_is_taken_by_default_and_told_of(format: Format):
    picture = decode(animation(format), LIMITS)
    assert picture.carried.notes == ("the first of 3 frames or pages",)
    assert picture.pixels[3, 1].tolist() == [250, 0, 10]


def test_a_still_that_a_png_shows_elsewhere_is_no_frame():
    stream, frames = io.BytesIO(), frames_of("RGB")
    still = Image.new("RGB", (12, 9), "white")
    still.save(stream, "PNG", save_all=True, append_images=frames, default_image=True, duration=list(DURATIONS))
    found = decode_frames(stream.getvalue(), LIMITS)
    assert len(found.pictures) == 3
    assert found.durations == DURATIONS
    assert np.array_equal(found.pictures[0].pixels, np.asarray(frames[0]))
    assert decode(stream.getvalue(), LIMITS).pixels.min() == 255


@pytest.mark.parametrize("format", [PNG, GIF, WEBP, TIFF, JPEG], ids=lambda format: format.name)
def test_a_still_is_a_picture_and_no_animation(format: Format):
    data = encode(Picture(np.full((9, 12, 3), 70, dtype=np.uint8)), format)
    assert isinstance(decode_frames(data, LIMITS), Picture)


def test_pages_of_a_tiff_are_no_animation():
    stream, frames = io.BytesIO(), frames_of("RGB")
    frames[0].save(stream, "TIFF", save_all=True, append_images=frames[1:])
    picture = decode_frames(stream.getvalue(), LIMITS)
    assert isinstance(picture, Picture)
    assert picture.carried.notes == ("the first of 3 frames or pages",)


def test_the_second_picture_of_an_mpo_is_left_out():
    stream = io.BytesIO()
    first, second = (Image.new("RGB", (16, 16), colour) for colour in ("red", "blue"))
    first.save(stream, "MPO", save_all=True, append_images=[second])
    picture = decode_frames(stream.getvalue(), LIMITS)
    assert picture.carried.notes == ("the first of 2 frames or pages",)
    assert picture.carried.format == "JPEG"
    assert picture.pixels[8, 8, 0] > 250
    with Image.open(io.BytesIO(encode(picture, JPEG))) as image:
        assert image.format == "JPEG"


def test_gray_frames_stay_gray_and_mixed_ones_become_alike():
    stream = io.BytesIO()
    gray, colour = Image.new("L", (4, 4), 9).convert("P"), Image.new("RGB", (4, 4), "red").quantize(4)
    gray.save(stream, "GIF", save_all=True, append_images=[colour], duration=50)
    pictures = decode_frames(stream.getvalue(), LIMITS).pictures
    assert not any(picture.is_gray for picture in pictures)
    ramps = [Picture(np.full((4, 4, 1), value, dtype=np.uint8)) for value in (9, 90)]
    again = decode_frames(encode_frames(Frames(tuple(ramps), (50, 50), 0), PNG), LIMITS)
    assert all(picture.is_gray for picture in again.pictures)


def test_a_format_without_animation_is_refused_for_frames():
    frames = decode_frames(animation(PNG), LIMITS)
    with pytest.raises(CannotHoldError, match=r"JPEG cannot hold an animation\. Write it as PNG, WEBP or GIF\."):
        encode_frames(frames, JPEG)
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    with pytest.raises(CannotHoldError, match=r"GIF cannot hold more than 256 colours\. Write it as PNG or WEBP\."):
        encode_frames(Frames((Picture(noise), Picture(255 - noise)), (50, 50), 0), GIF)


def test_all_frames_count_against_the_limit():
    with pytest.raises(ImageError, match=r"3 frames of 12x9, 0 Mpx: over the limit of 0 Mpx\. --max-pixels"):
        decode_frames(animation(PNG), Limits(max_pixels=300))
    assert decode(animation(PNG), Limits(max_pixels=300)).width == 12


def test_a_later_frame_may_not_be_larger_than_the_limit():
    data = animation(GIF)
    assert data.endswith(b";")
    huge = b"!\xf9\x04\x08\0\0\0\0" + b"," + struct.pack("<HHHHB", 0, 0, 60_000, 60_000, 0) + b"\x02\x01\x44\0;"
    with pytest.raises(ImageError, match="over the limit of 1 Mpx"):
        decode_frames(data[:-1] + huge, Limits(max_pixels=1_000_000))


def test_metadata_goes_with_the_frames():
    exif = Image.Exif()
    exif[271] = "Maker"
    for format in (PNG, WEBP):
        frames = decode_frames(animation(format, exif=exif), LIMITS)
        with Image.open(io.BytesIO(encode_frames(frames, format))) as image:
            image.load()
            assert image.getexif()[271] == "Maker"
        with Image.open(io.BytesIO(encode_frames(frames, format, metadata="none"))) as image:
            image.load()
            assert not image.getexif()


@pytest.mark.parametrize("format", [GIF, PNG, WEBP])
def test_no_frame_of_a_cut_animation_is_lost_in_silence(format: Format):
    data = animation(format)
    whole = len(decode_frames(data, Limits()).pictures)
    for length in range(len(data)):
        try:
            found = decode_frames(data[:length], Limits())
        except ImageError:
            continue
        assert format is PNG  # which has all frames where nothing but its last chunk is missing
        assert isinstance(found, Frames)
        assert len(found.pictures) == whole


def test_a_cut_animation_is_taken_only_when_asked_and_noted():
    data = animation(GIF)
    cut, allowed = data[: len(data) * 3 // 4], Limits(allow_truncated=True)
    with pytest.raises(ImageError, match=r"truncated: .* --allow-truncated takes what is there\."):
        decode_frames(cut, Limits())
    found = decode_frames(cut, allowed)
    pictures = found.pictures if isinstance(found, Frames) else (found,)
    assert all("truncated: what is there was taken" in picture.carried.notes for picture in pictures)
    whole = decode_frames(data, allowed)
    assert isinstance(whole, Frames)
    assert not any(picture.carried.notes for picture in whole.pictures)
