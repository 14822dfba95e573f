from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from i2i.images.picture import Picture


def test_gray_is_luma_by_itu_r_601():
    picture = Picture(np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], dtype=np.uint8))
    assert picture.gray().ravel().tolist() == [76, 150, 29]


def test_gray_is_repeated_as_rgb():
    assert Picture(np.array([[[7]]], dtype=np.uint8)).rgb().tolist() == [[[7, 7, 7]]]


@pytest.mark.parametrize("mode", ["L", "RGB", "LA", "RGBA"])
def test_to_pillow_and_back_changes_nothing(mode: str):
    noise = np.random.default_rng(0).integers(0, 256, (5, 4, 4), dtype=np.uint8)
    image = Image.fromarray(noise, "RGBA").convert(mode)
    again = Picture.from_pil(image).to_pil()
    assert again.mode == mode
    assert again.tobytes() == image.tobytes()


@pytest.mark.parametrize("array", [np.zeros((2, 2, 3)), np.zeros((2, 2), np.uint8), np.zeros((2, 2, 4), np.uint8)])
def test_other_arrays_are_refused(array: np.ndarray):
    with pytest.raises(ValueError, match="pixels are uint8"):
        Picture(array)


@pytest.mark.parametrize("mask", [np.zeros((3, 2), bool), np.zeros((2, 2), np.uint8)], ids=["size", "type"])
def test_a_mask_of_another_size_or_type_is_refused(mask: np.ndarray):
    with pytest.raises(ValueError, match=r"the mask is bool \(2, 2\), got"):
        Picture(np.zeros((2, 2, 3), np.uint8), mask=mask)


def test_alpha_of_another_size_is_refused():
    with pytest.raises(ValueError, match="alpha is uint8"):
        Picture(np.zeros((2, 2, 3), np.uint8), np.zeros((3, 2), np.uint8))
