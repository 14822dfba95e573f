"""Holes filled without a network: known pixels, gray, and what OpenCV makes of a ramp."""

from __future__ import annotations

import numpy as np
import pytest

from i2i.evaluation.baselines import BASELINES, mean_colour
from i2i.images.picture import Picture

FILLERS = pytest.mark.parametrize("fill", BASELINES.values(), ids=BASELINES)


def square_hole(height: int = 24, width: int = 30) -> np.ndarray:
    """A hole of 6 x 8 pixels in the middle."""
    mask = np.zeros((height, width), dtype=bool)
    mask[9:15, 11:19] = True
    return mask


def noise(channels: int = 3) -> Picture:
    return Picture(np.random.default_rng(0).integers(0, 256, (24, 30, channels), dtype=np.uint8))


def test_the_mean_colour_is_that_of_the_known_pixels_rounded():
    pixels = np.zeros((2, 4, 3), dtype=np.uint8)
    pixels[0] = [[10, 0, 255], [11, 0, 255], [10, 1, 255], [11, 1, 255]]
    pixels[1] = 77  # unknown
    mask = np.array([[False] * 4, [True] * 4])
    made = mean_colour(Picture(pixels), mask)
    assert made.pixels[1].tolist() == [[11, 1, 255]] * 4  # of 10.5, 0.5 and 255
    assert made.pixels[0].tolist() == pixels[0].tolist()


@FILLERS
def test_a_picture_of_which_nothing_is_known_is_refused(fill):
    with pytest.raises(ValueError, match="nothing is known around the hole"):
        fill(noise(), np.ones((24, 30), dtype=bool))


@FILLERS
@pytest.mark.parametrize("channels", [1, 3])
def test_known_pixels_stay_as_they_are_in_gray_and_in_colour(fill, channels: int):
    picture, mask = noise(channels), square_hole()
    made = fill(picture, mask)
    assert made.pixels.shape == picture.pixels.shape
    assert made.pixels.dtype == np.uint8
    assert np.array_equal(made.pixels[~mask], picture.pixels[~mask])


@FILLERS
@pytest.mark.parametrize("at_the_border", [False, True])
def test_what_stands_in_the_hole_does_not_matter(fill, at_the_border: bool):
    picture, mask = noise(), square_hole()
    if at_the_border:
        mask[:9, 11:19] = True
    holed = picture.with_pixels(np.where(mask[:, :, None], np.uint8(0), picture.pixels))
    assert np.array_equal(fill(picture, mask).pixels, fill(holed, mask).pixels)


@FILLERS
def test_one_colour_is_filled_with_itself_to_two_levels(fill):
    picture = Picture(np.full((24, 30, 3), (200, 100, 50), dtype=np.uint8))
    holed = picture.with_pixels(np.where(square_hole()[:, :, None], np.uint8(0), picture.pixels))
    assert np.abs(fill(holed, square_hole()).pixels.astype(int) - picture.pixels).max() <= 2  # Telea's rounding


@pytest.mark.parametrize("name", ["telea", "navier-stokes"])
def test_opencvs_methods_follow_a_ramp_where_the_mean_does_not(name: str):
    ramp = np.repeat(np.arange(30, dtype=np.uint8)[None, :, None] * 8, 24, axis=0)
    mask = square_hole()
    errors = {
        who: np.abs(fill(Picture(ramp), mask).pixels[mask].astype(int) - ramp[mask]).mean()
        for who, fill in BASELINES.items()
    }
    assert errors[name] < 8 < errors["mean"]  # of one step of the ramp
