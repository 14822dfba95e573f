from __future__ import annotations

import subprocess
import sys
import zlib

import numpy as np
import pytest

from i2i.masks.fixed import BANDS, band_of, fixed_mask


@pytest.mark.parametrize("band", range(6))
@pytest.mark.parametrize(("height", "width"), [(8, 8), (64, 96), (5, 2), (1, 40), (300, 20)])
def test_a_mask_lies_in_its_band_at_any_size(band: int, height: int, width: int) -> None:
    low, high = BANDS[band]
    for number in range(5):
        mask = fixed_mask(height, width, band, f"photo-{number}", 0)
        assert mask.shape == (height, width)
        assert mask.dtype == np.bool_
        assert low < mask.mean() <= high
        assert band_of(mask) == band


def test_areas_spread_over_their_band() -> None:
    for band, (low, high) in enumerate(BANDS):
        shares = [fixed_mask(32, 32, band, number).mean() for number in range(50)]
        assert abs(np.mean(shares) - (low + high) / 2) < 0.03


def test_the_key_decides() -> None:
    first = fixed_mask(64, 64, 2, "a", 0)
    np.testing.assert_array_equal(first, fixed_mask(64, 64, 2, "a", 0))
    for other in (fixed_mask(64, 64, 2, "b", 0), fixed_mask(64, 64, 2, "a", 1), fixed_mask(64, 64, 3, "a", 0)):
        assert (first != other).any()


def test_a_name_is_the_same_key_however_a_system_composes_its_accents() -> None:
    """macOS may give `Käse` with an a and a dot sign behind it, where other systems have one letter."""
    composed, apart = "K\u00e4se", "Ka\u0308se"
    np.testing.assert_array_equal(fixed_mask(64, 64, 2, composed, 0), fixed_mask(64, 64, 2, apart, 0))


def test_the_masks_never_change() -> None:
    """Figures of model cards were measured with them: these checksums hold for good."""
    found = [zlib.crc32(np.packbits(fixed_mask(96, 128, band, "deep/photo", 0)).tobytes()) for band in range(6)]
    assert found == [2489455818, 465176950, 3437592920, 3765467247, 2621969198, 124073519]


def test_another_process_draws_the_same_masks() -> None:
    program = (
        "import sys\n"
        "from i2i.masks.fixed import fixed_mask\n"
        "for band in range(6): sys.stdout.buffer.write(fixed_mask(40, 60, band, 'a', 7).tobytes())\n"
        "assert 'torch' not in sys.modules"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout
    assert out == b"".join(fixed_mask(40, 60, band, "a", 7).tobytes() for band in range(6))


@pytest.mark.parametrize(
    ("covered", "band"),
    [(10, None), (11, 0), (100, 0), (101, 1), (200, 1), (201, 2), (300, 2), (301, 3), (600, 5), (601, None), (0, None)],
)
def test_a_band_has_its_upper_border_and_not_its_lower_one(covered: int, band: int | None) -> None:
    assert band_of(np.arange(1000).reshape(20, 50) < covered) == band


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 2), (2, 2), (3, 3)])
def test_pictures_too_small_for_a_band_get_a_mask_near_it(height: int, width: int) -> None:
    for band in range(6):
        mask = fixed_mask(height, width, band, "a")
        assert mask.any()
        assert mask.size == 1 or not mask.all()


def test_there_are_six_bands() -> None:
    with pytest.raises(IndexError):
        fixed_mask(8, 8, 6, "a")
