from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from i2i.data.derived import Derived, derived

KINDS: tuple[Derived, ...] = ("colorize", "edges", "degrade")
Photo = NDArray[np.uint8]


def disc(side: int, *, inside: int = 60, outside: int = 200) -> Photo:
    """(side, side, 3): a gray disc, half as wide as the picture, with smooth edges."""
    y, x = (np.mgrid[:side, :side] + 0.5) / side - 0.5
    share = np.clip((0.25 - np.hypot(x, y)) * side + 0.5, 0, 1)
    return np.repeat((outside + (inside - outside) * share).round().astype(np.uint8)[:, :, None], 3, axis=2)


def noisy(pixels: Photo, deviation: float) -> Photo:
    noise = np.random.default_rng(0).normal(0, deviation, pixels.shape)
    return (pixels + noise).round().clip(0, 255).astype(np.uint8)


def ink(drawing: Photo) -> NDArray[np.bool_]:
    return drawing[:, :, 0] < 128


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (40, 23)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_source_has_the_size_of_its_photo(kind: Derived, shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    before = pixels.copy()
    for seed in range(20):
        source = derived(kind, pixels, seed)
        assert source.shape == (*shape, 3 if kind == "degrade" else 1)
        assert source.dtype == np.uint8
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_makes_the_same_source(kind: Derived) -> None:
    pixels = noisy(disc(40), 20)
    assert derived(kind, pixels, 7).tobytes() == derived(kind, pixels, 7).tobytes()


def test_colours_are_taken_away_by_luma() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    gray = derived("colorize", pixels, 0)
    assert np.abs(gray[:, :, 0] - pixels @ np.array([0.299, 0.587, 0.114])).max() < 1


@pytest.mark.parametrize(("inside", "outside"), [(60, 200), (200, 60)])
@pytest.mark.parametrize("side", [64, 256, 600])
def test_a_disc_is_drawn_as_a_closed_ring_on_white_paper(side: int, inside: int, outside: int) -> None:
    lines = ink(derived("edges", disc(side, inside=inside, outside=outside), 0))
    y, x = (np.argwhere(lines) + 0.5).T / side - 0.5
    assert np.hypot(x, y) == pytest.approx(0.25, abs=max(0.03, 3 / side))
    assert cv2.connectedComponents(lines.astype(np.uint8))[0] - 1 == 1
    assert cv2.connectedComponents((~lines).astype(np.uint8), connectivity=4)[0] - 1 == 2  # inside and outside
    width = lines.sum() / (2 * np.pi * 0.25 * side)
    assert 1 < width < max(3, side / 60)  # a line, at any size


def test_a_step_in_the_dark_is_drawn_more_strongly_than_the_same_one_in_the_light() -> None:
    dark, light = disc(128, inside=20, outside=50), disc(128, inside=200, outside=230)
    lines = ink(derived("edges", np.hstack([dark, np.full_like(dark, 50), np.full_like(dark, 230), light]), 0))
    assert lines[:, :128].sum() > 2 * lines[:, 384:].sum()


def test_an_even_photo_is_white_paper_even_with_noise() -> None:
    even = np.full((128, 128, 3), 120, np.uint8)
    for pixels in (even, noisy(even, 5)):
        assert (derived("edges", pixels, 0) == 255).all()


def test_noise_leaves_no_dots_beside_the_lines() -> None:
    drawing = derived("edges", noisy(disc(256), 15), 0)
    y, x = (np.argwhere(drawing[:, :, 0] < 255) + 0.5).T / 256 - 0.5
    assert np.hypot(x, y) == pytest.approx(0.25, abs=0.05)


def test_photos_are_drawn_in_few_lines_and_alike_at_two_sizes(test_data: Path) -> None:
    for name in ("kodim04", "kodim08", "kodim20"):
        photo = Image.open(test_data / "photos" / "val" / f"{name}.jpg").convert("RGB")
        shares = []
        for side in (256, 512):
            lines = ink(derived("edges", np.asarray(photo.resize((side, side))), 0))
            shares.append(lines.mean())
        assert 0.01 < min(shares) <= max(shares) < 0.15
        assert shares[0] == pytest.approx(shares[1], rel=0.4)


def test_damage_differs_from_seed_to_seed_and_is_bounded() -> None:
    pixels = noisy(disc(64), 8)
    sources = [derived("degrade", pixels, seed) for seed in range(200)]
    assert len({source.tobytes() for source in sources}) > 180
    errors = np.array([np.abs(source.astype(float) - pixels).mean() for source in sources])
    assert 0 < np.median(errors) < 12
    assert errors.max() < 20


@pytest.mark.parametrize("seed", range(5))
def test_damage_is_a_function_of_the_seed_and_not_of_the_photo(seed: int) -> None:
    first, second = (derived("degrade", np.full((64, 64, 3), gray, np.uint8), seed) for gray in (100, 110))
    assert first.std() == pytest.approx(second.std(), abs=0.3)


def test_some_damage_blurs_and_some_adds_noise() -> None:
    edge, even = disc(64), np.full((64, 64, 3), 120, np.uint8)
    steepest = [np.abs(np.diff(derived("degrade", edge, s)[:, :, 0].astype(int), axis=1)).max() for s in range(100)]
    deviations = np.array([derived("degrade", even, seed).std() for seed in range(100)])
    assert np.min(steepest) < 0.4 * np.abs(np.diff(edge[:, :, 0].astype(int), axis=1)).max()
    assert (deviations > 0.5).mean() == pytest.approx(0.5, abs=0.15)
    assert deviations.max() < 11
