from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from i2i.data.augment import Geometry
from i2i.errors import ConfigError

Transform = Literal["squash", "keep"]


def geometry(transform: Transform = "squash", size: int = 32, load: int = 36, flip: bool = True) -> Geometry:
    return Geometry(size=size, load=load, transform=transform, flip=flip)


def coordinates(side: int) -> NDArray[np.uint8]:
    """(side, side, 3): each pixel holds its row and its column."""
    rows, columns = np.mgrid[:side, :side]
    return np.stack([rows, columns, np.zeros_like(rows)], -1).astype(np.uint8)


def test_squash_ignores_the_aspect_and_keep_keeps_it() -> None:
    pixels = np.zeros((50, 100, 3), np.uint8)
    assert geometry("squash").scaled(pixels).shape == (36, 36, 3)
    assert geometry("keep").scaled(pixels).shape == (36, 72, 3)
    assert geometry("keep").scaled(pixels.transpose(1, 0, 2)).shape == (72, 36, 3)


@pytest.mark.parametrize("transform", ["squash", "keep"])
@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_smaller_than_the_crop_grow(transform: Transform, channels: int) -> None:
    cut = geometry(transform)
    scaled = cut.scaled(np.full((1, 7, channels), 9, np.uint8))
    assert cut.drawn(scaled, 1).shape == cut.centred(scaled).shape == (32, 32, channels)


def test_scaling_is_the_published_one() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (90, 40, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(pixels).resize((36, 36), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(geometry().scaled(pixels), expected)


def test_stripes_finer_than_the_new_pixels_become_flat_gray() -> None:
    stripes = np.where(np.arange(1000) % 3 == 0, 255, 0).astype(np.uint8)
    pixels = np.broadcast_to(stripes[None, :, None], (1000, 1000, 1)).copy()
    scaled = geometry(size=256, load=286).scaled(pixels)[10:-10, 10:-10]
    assert scaled.std() < 1  # OpenCV's bicubic leaves stripes with a deviation of 96
    assert scaled.mean() == pytest.approx(255 / 3, abs=1)


def test_every_place_of_the_crop_is_as_likely_and_independent_of_the_mirror() -> None:
    cut, pixels = geometry(), coordinates(36)
    drawn = [cut.drawn(pixels, seed) for seed in range(2000)]
    rows = np.array([int(crop[0, 0, 0]) for crop in drawn])
    columns = np.array([min(int(crop[0, 0, 1]), int(crop[0, -1, 1])) for crop in drawn])
    mirrored = np.array([crop[0, 0, 1] > crop[0, -1, 1] for crop in drawn])
    for places in (rows, columns):
        assert set(places) == {0, 1, 2, 3, 4}
        assert np.bincount(places).min() > 320  # 400 expected, deviation 18
    assert mirrored.mean() == pytest.approx(0.5, abs=0.05)
    independent = np.corrcoef([rows, columns, mirrored])
    assert np.abs(independent - np.eye(3)).max() < 0.1


def test_nothing_is_mirrored_unasked() -> None:
    cut = geometry(flip=False)
    assert all(crop[0, 0, 1] < crop[0, -1, 1] for crop in (cut.drawn(coordinates(36), seed) for seed in range(50)))


def test_the_same_seed_cuts_the_same_and_another_seed_differently() -> None:
    cut, pixels = geometry(), coordinates(36)
    first = cut.drawn(pixels, 1).tobytes()
    assert cut.drawn(pixels, 1).tobytes() == first
    assert len({cut.drawn(pixels, seed).tobytes() for seed in range(20)}) > 5


def test_the_fixed_crop_is_the_middle() -> None:
    np.testing.assert_array_equal(geometry().centred(coordinates(36)), coordinates(36)[2:34, 2:34])


def test_a_crop_larger_than_the_scaled_picture_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        geometry(size=40, load=36)
    assert str(caught.value) == "data.load: crops of 40 do not fit into pictures scaled to 36."
