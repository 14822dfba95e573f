from __future__ import annotations

import time
import tracemalloc
from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from i2i.inference.holes import LEAST_MARGIN, MOST_HOLES, Mask, Piece, pieces

SIDE = 128


def blank(height: int, width: int) -> Mask:
    return np.zeros((height, width), dtype=bool)


def scratch(height: int, width: int, start: tuple[int, int], end: tuple[int, int], thickness: int = 2) -> Mask:
    """A line between two points (x, y)."""
    drawn = np.zeros((height, width), dtype=np.uint8)
    cv2.line(drawn, start, end, 1, thickness)
    return drawn > 0


def disc(height: int, width: int, centre: tuple[int, int], radius: int) -> Mask:
    drawn = np.zeros((height, width), dtype=np.uint8)
    cv2.circle(drawn, centre, radius, 1, -1)
    return drawn > 0


def seen_pixels(found: Sequence[Piece]) -> int:
    return sum(height * width for height, width in (piece.size for piece in found))


def random_mask(seed: int) -> Mask:
    random = np.random.default_rng(seed)
    height, width = random.integers(1, 500, 2)
    mask = random.random((height, width)) < random.random() ** 4
    if random.random() < 0.6:
        reach = int(random.integers(1, 40))
        mask = cv2.dilate(mask.astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0
    return mask


@pytest.mark.parametrize("seed", range(60))
def test_every_pixel_of_a_mask_is_painted_once_in_windows_that_the_network_can_see(seed: int):
    mask = random_mask(seed)
    side = (64, 128)[seed % 2]
    painted = np.zeros(mask.shape, dtype=int)
    for piece in pieces(mask, side):
        assert 0 <= piece.top < piece.bottom <= mask.shape[0]
        assert 0 <= piece.left < piece.right <= mask.shape[1]
        assert max(piece.size) <= side
        assert piece.part().shape == (piece.bottom - piece.top, piece.right - piece.left)
        assert piece.part().any()
        painted[piece.slices()] += piece.part()
    assert np.array_equal(painted, mask)


def test_no_hole_needs_no_pass():
    assert pieces(blank(300, 400), SIDE) == []


def test_a_small_picture_is_one_piece_as_a_whole():
    mask = scratch(100, 128, (0, 0), (127, 99))
    (piece,) = pieces(mask, SIDE)
    assert (piece.top, piece.left, piece.bottom, piece.right, piece.shrink) == (0, 0, 100, 128, 1)


@pytest.mark.parametrize("size", [(400, 500), (2000, 3000)])
def test_what_is_seen_for_a_scratch_does_not_depend_on_the_photo(size: tuple[int, int]):
    found = pieces(scratch(*size, (200, 200), (300, 230)), SIDE)
    assert {piece.shrink for piece in found} == {1}
    assert seen_pixels(found) == seen_pixels(pieces(scratch(400, 500, (200, 200), (300, 230)), SIDE))


def test_what_is_seen_grows_with_the_length_of_a_scratch():
    short, long = (
        seen_pixels(pieces(scratch(300, 4000, (100, 100), (100 + length, 100)), SIDE)) for length in (600, 2400)
    )
    assert 3 < long / short < 5


def test_a_hole_stands_in_the_middle_of_its_window_with_half_its_size_around_it():
    mask = blank(2000, 2000)
    mask[1000:1100, 800:900] = True
    (piece,) = pieces(mask, 512)
    assert (piece.top, piece.bottom) == (1000 - 130, 1100 + 130)  # 128 on each side, and up to a multiple of 8
    assert (piece.left, piece.right) == (800 - 130, 900 + 130)


@pytest.mark.parametrize("place", [(0, 0), (0, 1940), (1940, 0), (1940, 1940)])
def test_at_a_border_the_window_is_moved_inward_so_that_no_context_is_lost(place: tuple[int, int]):
    mask = blank(2000, 2000)
    top, left = place
    mask[top : top + 60, left : left + 60] = True
    (piece,) = pieces(mask, 512)
    assert (piece.bottom - piece.top, piece.right - piece.left) == (320, 320)  # 60 and twice 128, to a multiple of 8


def test_small_holes_that_lie_together_share_a_window_and_distant_ones_do_not():
    mask = blank(2000, 2000)
    for top, left in [(500, 500), (500, 540), (560, 510), (1500, 1500)]:
        mask[top : top + 10, left : left + 10] = True
    found = pieces(mask, 512)
    assert sorted(int(piece.part().sum()) for piece in found) == [100, 300]


def test_a_thick_hole_is_shrunk_until_it_is_a_quarter_of_the_side():
    (piece,) = pieces(disc(2000, 2000, (1000, 1000), 200), SIDE)
    assert piece.shrink == pytest.approx(400 / 32, rel=0.02)
    assert int(piece.part().sum()) == pytest.approx(np.pi * 200**2, rel=0.02)


def test_thin_holes_come_first_so_that_what_is_shrunk_sees_them_whole():
    mask = disc(2000, 2000, (1000, 1000), 200) | scratch(2000, 2000, (100, 100), (150, 120))
    shrinks = [piece.shrink for piece in pieces(mask, SIDE)]
    assert shrinks == sorted(shrinks)
    assert shrinks[0] == 1


def test_a_picture_is_never_shrunk_below_the_side():
    mask = ~blank(1000, 2000)
    mask[:, :3] = False
    assert {piece.shrink for piece in pieces(mask, SIDE)} == {2000 / SIDE}


@pytest.mark.parametrize("start", [(10, 10), (0, 995)])
def test_every_segment_sees_the_known_around_it(start: tuple[int, int]):
    found = pieces(scratch(1000, 1000, start, (990, 500)), SIDE)
    assert len(found) > 5
    for piece in found:
        rows, columns = np.nonzero(piece.part())
        for first, last, low, high in [
            (rows.min(), rows.max(), piece.top, piece.bottom),
            (columns.min(), columns.max(), piece.left, piece.right),
        ]:
            assert first >= LEAST_MARGIN * SIDE or low == 0
            assert high - low - 1 - last >= LEAST_MARGIN * SIDE or high == 1000


def test_dust_of_countless_specks_costs_little_more_than_the_photo_itself():
    """Windows overlap by an eighth of the side on each of their sides: (4 / 3)^2 where specks had no size."""
    mask = np.random.default_rng(0).random((2400, 3200)) < 0.002
    count, _ = cv2.connectedComponents(mask.astype(np.uint8))
    assert count > 5 * MOST_HOLES
    assert seen_pixels(pieces(mask, 256)) < 2.1 * mask.size


def parallel(height: int, width: int, count: int, gap: int) -> Mask:
    """Scratches from the left to the right, which fall a little, one above the other."""
    mask = blank(height, width)
    for number in range(count):
        mask |= scratch(height, width, (100, 100 + gap * number), (width - 100, 150 + gap * number), 1)
    return mask


@pytest.mark.parametrize(("count", "gap"), [(60, 4), (200, 3), (12, 40)])
def test_scratches_beside_each_other_cost_no_more_than_a_grid_over_them(count: int, gap: int):
    """A window of the side for each cell of half a side, whatever number of scratches crosses it."""
    found = pieces(parallel(900, 3000, count, gap), SIDE)
    cells = np.ceil((50 + gap * count) / (SIDE / 2)) * np.ceil(2800 / (SIDE / 2))
    assert seen_pixels(found) <= cells * SIDE**2


def test_hairs_that_fit_into_a_window_each_are_cut_where_a_grid_costs_less():
    """1900 lines of nearly all that one window can take, each at another place."""
    mask, random = blank(1000, 1000), np.random.default_rng(0)
    for top, left in random.integers(0, 1000 - 95, (1900, 2)):
        mask[top, left : left + 95] = True
    assert seen_pixels(pieces(mask, SIDE)) <= np.ceil(1000 / (SIDE / 2)) ** 2 * SIDE**2


def test_time_does_not_grow_with_the_number_of_scratches_in_the_same_area():
    def seconds(count: int, gap: int) -> float:
        mask = parallel(2500, 2500, count, gap)
        start = time.process_time()
        pieces(mask, SIDE)
        return time.process_time() - start

    assert seconds(700, 3) < 5 * min(seconds(35, 60) for _ in range(2)) + 0.05


def test_memory_is_a_few_bytes_a_pixel_and_what_stays_is_a_number_each():
    mask = ~blank(1000, 2000)
    mask[::40] = False
    tracemalloc.start()
    try:
        found = pieces(mask, SIDE)
        stays, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found) > 100
    assert most < 16 * mask.size
    assert stays < 5 * mask.size


@pytest.mark.parametrize(
    ("size", "hole"),
    [
        ((120, 300), (0, 0, 120, 90)),  # touches three sides of the picture: only to the right there is more to see
        ((120, 300), (10, 0, 11, 100)),
        ((128, 600), (0, 250, 128, 270)),
        ((400, 300), (0, 0, 400, 280)),  # nearly all
    ],
    ids=str,
)
def test_what_a_window_can_see_whole_with_what_the_picture_has_around_it_is_one_piece(
    size: tuple[int, int], hole: tuple[int, int, int, int]
):
    mask = blank(*size)
    mask[hole[0] : hole[2], hole[1] : hole[3]] = True
    (piece,) = pieces(mask, SIDE)
    assert np.array_equal(piece.part(), mask[piece.slices()])


def test_a_hole_over_a_strip_that_a_window_sees_whole_is_cut_along_it_only():
    mask = blank(120, 1000)
    mask[60], mask[:, ::20] = True, True
    found = pieces(mask, SIDE)
    assert {(piece.top, piece.bottom) for piece in found} == {(0, 120)}
    assert len(found) == np.ceil(1000 / (SIDE / 2))


@pytest.mark.parametrize("multiple", [8, 16])
def test_windows_are_multiples_where_the_picture_has_room(multiple: int):
    found = pieces(scratch(1000, 1000, (100, 117), (900, 503)), SIDE, multiple)
    for piece in found:
        assert (piece.size[0] % multiple, piece.size[1] % multiple) == (0, 0)
