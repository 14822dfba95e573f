from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from i2i.data.augment import Geometry, Jitter
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


def bicubic(line: int, onto: int) -> NDArray[Any]:
    """(onto, line): the weights of Keys' cubic with a = -1/2, as wide as the new pixels where it shrinks."""
    step = line / onto
    wide = max(step, 1.0)
    centre = (np.arange(onto) + 0.5) * step
    away = np.abs(np.arange(line) + 0.5 - centre[:, None]) / wide
    near = 1.5 * away**3 - 2.5 * away**2 + 1
    far = -0.5 * away**3 + 2.5 * away**2 - 4 * away + 2
    weights = np.where(away < 1, near, np.where(away < 2, far, 0.0))
    return weights / weights.sum(1, keepdims=True)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(90, 40), (20, 30)])
def test_16_bit_is_scaled_by_the_same_kernel(shape: tuple[int, int], channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (*shape, channels), dtype=np.uint16)
    scaled = geometry().scaled(pixels)
    rows, columns = bicubic(shape[0], 36), bicubic(shape[1], 36)
    expected = np.einsum("yh,xw,hwc->yxc", rows, columns, pixels.astype(np.float64)).clip(0, 65535)
    assert scaled.dtype == np.uint16
    assert np.abs(scaled - expected).max() < 0.51  # of 65535


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_nearest_takes_the_value_at_each_new_middle_and_invents_none(kind: type, channels: int) -> None:
    ids = np.random.default_rng(0).choice(np.array([0, 7, 200, np.iinfo(kind).max], kind), (50, 90, channels))
    places = ((np.arange(36) + 0.5) * np.array([[50], [90]]) / 36).astype(int)
    scaled = geometry().scaled(ids, nearest=True)
    assert scaled.dtype == kind
    np.testing.assert_array_equal(scaled, ids[places[0]][:, places[1]])


@pytest.mark.parametrize("nearest", [False, True])
def test_a_partner_is_scaled_to_the_size_that_is_named(nearest: bool) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 50, 3), dtype=np.uint8)
    kernel = Image.Resampling.NEAREST if nearest else Image.Resampling.BICUBIC
    expected = np.asarray(Image.fromarray(pixels).resize((36, 47), kernel))
    np.testing.assert_array_equal(geometry("keep").scaled_like(pixels, (47, 36), nearest), expected)


def test_a_pair_of_one_picture_is_cut_into_equal_halves() -> None:
    cut, pixels = geometry("keep"), coordinates(40)
    for seed in range(200):
        first, second = cut.drawn_together(pixels, pixels, seed)
        np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(first, cut.drawn(pixels, seed))


def test_a_pair_of_other_depths_and_channels_is_cut_at_one_place() -> None:
    cut, pixels = geometry(), coordinates(36)
    labels = (pixels[:, :, :1].astype(np.uint16) * 1000) + pixels[:, :, 1:2]
    for seed in range(50):
        first, second = cut.drawn_together(pixels, labels, seed)
        assert second.dtype == np.uint16
        np.testing.assert_array_equal(second[:, :, 0], first[:, :, 0].astype(np.uint16) * 1000 + first[:, :, 1])


def test_pairs_are_cut_at_every_place_and_mirrored_half_of_the_time() -> None:
    cut, pixels = geometry(), coordinates(36)
    drawn = [cut.drawn_together(pixels, pixels, seed)[1] for seed in range(1000)]
    rows = {int(crop[0, 0, 0]) for crop in drawn}
    columns = {min(int(crop[0, 0, 1]), int(crop[0, -1, 1])) for crop in drawn}
    assert rows == columns == {0, 1, 2, 3, 4}
    assert np.mean([crop[0, 0, 1] > crop[0, -1, 1] for crop in drawn]) == pytest.approx(0.5, abs=0.06)


def test_pictures_of_two_sizes_are_no_pair() -> None:
    with pytest.raises(ValueError, match="should be equal"):
        geometry().drawn_together(coordinates(36), coordinates(37), 0)


def test_the_fixed_crop_of_16_bit_is_the_middle_too() -> None:
    pixels = coordinates(36).astype(np.uint16) * 500
    np.testing.assert_array_equal(geometry().centred(pixels), pixels[2:34, 2:34])


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_jitter_is_its_formula(kind: type, channels: int) -> None:
    white = np.iinfo(kind).max
    pixels = np.random.default_rng(1).integers(0, white + 1, (9, 7, channels), dtype=kind)
    for seed in range(20):
        brightness, contrast, saturation = np.random.default_rng(seed).uniform(0.6, 1.4, 3)
        share = np.array([0.299, 0.587, 0.114]) if channels == 3 else np.ones(1)
        expected = pixels * brightness
        middle = (expected @ share).mean()
        expected = middle + contrast * (expected - middle)
        luma = (expected @ share)[:, :, None]
        expected = (luma + saturation * (expected - luma)).clip(0, white)
        jittered = Jitter(0.4)(pixels, seed)
        assert jittered.dtype == kind
        assert np.abs(jittered - expected).max() < 0.52


def test_no_jitter_changes_nothing_and_the_strength_bounds_it() -> None:
    gray = np.full((4, 4, 1), 100, np.uint8)
    np.testing.assert_array_equal(Jitter(0)(gray, 5), gray)
    levels = [int(Jitter(0.2)(gray, seed)[0, 0, 0]) for seed in range(500)]
    assert (min(levels), max(levels)) == (80, 120)


def test_jitter_is_the_same_for_the_same_seed() -> None:
    jitter, pixels = Jitter(0.3), coordinates(36)
    assert jitter(pixels, 3).tobytes() == jitter(pixels, 3).tobytes()
    assert len({jitter(pixels, seed).tobytes() for seed in range(20)}) == 20
