"""Colours of one set of pictures given to another."""

from __future__ import annotations

import numpy as np
import pytest

from i2i.evaluation.recolouring import histogram_matched, moments_matched


def pictures(seed: int, low: int, high: int) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).integers(low, high, (4, 32, 32, 3), dtype=np.uint8))


def test_matched_histograms_are_the_targets():
    matched = np.stack(histogram_matched(pictures(1, 0, 256), pictures(2, 100, 140)))
    shares = np.bincount(matched[..., 0].ravel(), minlength=256) / matched[..., 0].size
    assert shares[100:140] == pytest.approx(np.full(40, 1 / 40), abs=0.01)
    assert shares[:100].sum() + shares[140:].sum() == 0


def test_a_set_keeps_its_pictures_when_matched_to_itself():
    own = pictures(1, 0, 256)
    for match in (histogram_matched, moments_matched):
        np.testing.assert_array_equal(match(own, own[::-1]), own)


def test_the_map_never_changes_the_order_of_two_levels():
    own = pictures(1, 20, 200)
    matched = histogram_matched(own, pictures(2, 0, 90))
    before, after = own[0][..., 1].ravel(), matched[0][..., 1].ravel()
    assert (np.diff(after[np.argsort(before, kind="stable")].astype(int)) >= 0).all()


def test_matched_moments_are_the_targets():
    matched = np.stack(moments_matched(pictures(1, 0, 256), pictures(2, 80, 180)))
    # Uniform over 80..179: mean 129.5, deviation sqrt((100**2 - 1) / 12) = 28.9
    assert matched.mean(axis=(0, 1, 2)) == pytest.approx([129.5] * 3, abs=1)
    assert matched.std(axis=(0, 1, 2)) == pytest.approx([28.9] * 3, abs=1)


def test_a_channel_of_one_level_is_shifted_and_not_divided_by_nothing():
    flat = [np.full((8, 8, 3), 10, np.uint8)]
    assert np.stack(moments_matched(flat, pictures(2, 80, 180))) == pytest.approx(129.5, abs=1)
