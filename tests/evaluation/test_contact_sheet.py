"""Pictures side by side under headings."""

from __future__ import annotations

import numpy as np
import pytest

from i2i.evaluation.contact_sheet import contact_sheet


def plain(level: int, width: int = 60, height: int = 20) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def test_every_picture_is_on_the_sheet_in_its_place():
    sheet = contact_sheet({"left": [plain(10), plain(20)], "right": [plain(110), plain(120)]}, enlarge=2).pixels
    centres = [[np.argwhere((sheet == level).all(2)).mean(0) for level in row] for row in ((10, 110), (20, 120))]
    assert centres[0][0][1] == centres[1][0][1] < centres[0][1][1] == centres[1][1][1]
    assert centres[0][0][0] == centres[0][1][0] < centres[1][0][0] == centres[1][1][0]
    for level in (10, 20, 110, 120):
        assert (sheet == level).all(2).sum() >= 4 * 60 * 20


def test_a_long_heading_is_not_cut_off():
    narrow = contact_sheet({"a": [plain(10)]}).pixels
    wide = contact_sheet({"what the network made of it, and of nothing else": [plain(10)]}).pixels
    assert wide.shape[1] > narrow.shape[1]


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        contact_sheet({"left": [plain(10), plain(20)], "right": [plain(110)]})
