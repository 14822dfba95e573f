from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from i2i.config.masks import MASK_KINDS, MaskKind
from i2i.images.masks import Mask
from i2i.masks.canvas import new_canvas, paint_shape
from i2i.masks.draw import draw
from i2i.masks.strokes import free_form

SIZES = [(8, 8), (8, 400), (256, 256), (256, 512), (511, 127)]


def drawn(kind: MaskKind, seed: int, height: int = 256, width: int = 256) -> Mask:
    return draw(kind, height, width, np.random.default_rng(seed))


def shares(kind: MaskKind, count: int = 200, height: int = 256, width: int = 256) -> NDArray[np.float64]:
    return np.array([drawn(kind, seed, height, width).mean() for seed in range(count)])


@pytest.mark.parametrize("kind", MASK_KINDS)
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_every_kind_fits_every_size(kind: MaskKind, height: int, width: int) -> None:
    for seed in range(20):
        mask = drawn(kind, seed, height, width)
        assert mask.shape == (height, width)
        assert mask.dtype == np.bool_
        assert set(np.unique(mask.view(np.uint8))) <= {0, 1}
        assert mask.flags["C_CONTIGUOUS"]


@pytest.mark.parametrize("kind", MASK_KINDS)
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 2), (2, 1), (3, 3), (1, 300), (300, 1)])
def test_the_smallest_pictures_get_some_mask_too(kind: MaskKind, height: int, width: int) -> None:
    for seed in range(20):
        assert drawn(kind, seed, height, width).shape == (height, width)


@pytest.mark.parametrize("kind", MASK_KINDS)
def test_a_mask_is_a_function_of_the_generators_state(kind: MaskKind) -> None:
    np.testing.assert_array_equal(drawn(kind, 5), drawn(kind, 5))
    assert len({drawn(kind, seed).tobytes() for seed in range(20)}) > (3 if kind == "half" else 19)


# The mean share of 200 masks, as it was seen to be right on sheets.
@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        ("strokes", 0.28, 0.38),
        ("boxes", 0.2, 0.33),
        ("half", 0.5, 0.5),
        ("lines", 0.03, 0.08),
        ("scribbles", 0.05, 0.12),
        ("thin", 0.25, 0.38),
        ("medium", 0.18, 0.32),
        ("thick", 0.3, 0.48),
        ("blobs", 0.1, 0.22),
        ("outpaint", 0.28, 0.42),
    ],
)
@pytest.mark.parametrize(("height", "width"), [(256, 256), (128, 256)])
def test_a_kind_covers_the_same_share_at_any_size(
    kind: MaskKind, low: float, high: float, height: int, width: int
) -> None:
    assert low <= shares(kind, height=height, width=width).mean() <= high


def test_strokes_hold_a_box_of_an_eighth_to_a_quarter_of_the_picture() -> None:
    """Published: 128 of 256, each end shrunk by up to 16; so at least 96 x 96."""
    assert shares("strokes").min() >= (96 / 256) ** 2
    assert min(free_form(256, 256, np.random.default_rng(seed)).mean() for seed in range(50)) < 0.1


def test_strokes_are_flipped_each_way_as_often() -> None:
    """The published code forgets it; without flips the mean mask leans to one side."""
    mean = np.mean([free_form(64, 64, np.random.default_rng(seed)) for seed in range(1000)], axis=0)
    for other in (mean[::-1], mean[:, ::-1]):
        assert abs(mean[:32].mean() - other[:32].mean()) < 0.02
        assert abs(mean[:, :32].mean() - other[:, :32].mean()) < 0.02


def test_a_half_is_one_of_four_as_often_as_the_others() -> None:
    top = np.arange(8)[:, None] < np.full(8, 4)
    halves = {top.tobytes(): 0, (~top).tobytes(): 0, top.T.tobytes(): 0, (~top).T.tobytes(): 0}
    for seed in range(1000):
        halves[drawn("half", seed, 8, 8).tobytes()] += 1
    assert min(halves.values()) > 200


def test_boxes_have_straight_sides_and_keep_off_the_border() -> None:
    """LaMa's training: 10 pixels of 256."""
    for seed in range(100):
        mask = drawn("boxes", seed)
        assert not mask[:10].any()
        assert not mask[-10:].any()
        assert not mask[:, :10].any()
        assert not mask[:, -10:].any()


def strips(mask: Mask) -> list[float]:
    """Depth at top, bottom, left and right, as a share."""
    known = ~mask
    rows, columns = np.flatnonzero(known.any(axis=1)), np.flatnonzero(known.any(axis=0))
    assert known[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
    height, width = mask.shape
    ends = rows[0] / height, 1 - (rows[-1] + 1) / height, columns[0] / width, 1 - (columns[-1] + 1) / width
    return [float(end) for end in ends]


def test_outpainting_strips_are_4_to_25_percent_at_one_to_four_sides() -> None:
    found = [[depth for depth in strips(drawn("outpaint", seed, 200, 400)) if depth > 0] for seed in range(400)]
    assert {len(depths) for depths in found} == {1, 2, 3, 4}
    depths = np.concatenate([np.array(depths) for depths in found])
    assert depths.min() >= 0.04 - 0.5 / 200
    assert depths.max() <= 0.25 + 0.5 / 200
    assert 0.13 < depths.mean() < 0.16


def deepest(mask: Mask) -> float:
    """Radius of the largest disc inside the holes, pixels."""
    for radius in range(1, 200):
        mask = mask & np.roll(mask, 1, 0) & np.roll(mask, -1, 0) & np.roll(mask, 1, 1) & np.roll(mask, -1, 1)
        if not mask.any():
            return radius
    return math.inf


def test_lines_are_thin_and_long() -> None:
    long = 0
    for seed in range(60):
        mask = drawn("lines", seed)
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        long += bool(max(np.ptp(rows), np.ptp(columns)) > 200)
    assert long > 45
    alone = [deepest(mask) for seed in range(60) if (mask := drawn("lines", seed)).mean() < 0.03]
    assert alone
    assert max(alone) <= 5


def test_brushes_of_lama_grow_from_thin_to_thick() -> None:
    radius = {kind: np.mean([deepest(drawn(kind, seed)) for seed in range(30)]) for kind in ("thin", "medium", "thick")}
    assert radius["thin"] < radius["medium"] < radius["thick"]


def test_blobs_are_a_few_connected_things() -> None:
    for seed in range(50):
        count, _, stats, _ = cv2.connectedComponentsWithStats(drawn("blobs", seed).view(np.uint8))
        large = stats[1:count, cv2.CC_STAT_AREA] > 30
        assert 1 <= large.sum() <= 5


def test_the_same_draw_at_twice_the_size_has_the_same_shape() -> None:
    for seed in range(10):
        small, large = drawn("blobs", seed, 128, 128), drawn("blobs", seed, 256, 256)
        assert (small == large[::2, ::2]).mean() > 0.97


def test_the_inside_of_an_outline_is_filled_by_the_middles_of_pixels() -> None:
    canvas = new_canvas(6, 8)
    paint_shape(canvas, np.array([(1.5, 0.5), (4.5, 0.5), (4.5, 3.5), (1.5, 3.5)]))
    expected = new_canvas(6, 8)
    expected[1:4, 2:5] = 1
    np.testing.assert_array_equal(canvas, expected)


def test_an_outline_may_lie_partly_or_wholly_outside() -> None:
    canvas = new_canvas(6, 8)
    paint_shape(canvas, np.array([(-9.0, -9.0), (-3.0, -9.0), (-3.0, -4.0)]))
    paint_shape(canvas, np.array([(20.0, 20.0), (30.0, 20.0), (30.0, 40.0)]))
    assert not canvas.any()
    paint_shape(canvas, np.array([(-50.0, -50.0), (50.0, -50.0), (50.0, 50.0), (-50.0, 50.0)]))
    assert canvas.all()


def test_a_round_outline_has_the_area_of_its_circle() -> None:
    canvas = new_canvas(200, 200)
    angle = np.linspace(0, 2 * math.pi, 720, endpoint=False)
    paint_shape(canvas, 100 + 80 * np.stack([np.cos(angle), np.sin(angle)], axis=1))
    assert abs(canvas.sum() / (math.pi * 80**2) - 1) < 0.002
