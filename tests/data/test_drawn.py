"""Pictures drawn by our own code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from i2i.data.drawn import draw_set, fish, school
from i2i.images.files import read


def test_a_seed_draws_the_same_fish_every_time_and_another_seed_another_one():
    np.testing.assert_array_equal(fish("plain", side=32, seed=5), fish("plain", side=32, seed=5))
    assert (fish("plain", side=32, seed=5) != fish("plain", side=32, seed=6)).mean() > 0.5


@pytest.mark.parametrize("side", [32, 64, 96])
def test_a_fish_fills_a_square_of_the_side_that_is_asked_for(side: int):
    drawn = fish("striped", side=side, seed=1)
    assert drawn.shape == (side, side, 3)
    assert drawn.dtype == np.uint8


def test_plain_and_striped_fish_of_one_seed_are_no_pair():
    plain, striped = fish("plain", side=32, seed=1), fish("striped", side=32, seed=1)
    assert np.abs(plain[0].astype(int) - striped[0]).mean() > 2  # the water in the top row differs


def test_striped_fish_change_brightness_more_often_along_the_body():
    def edges(kind: str) -> float:
        pictures = np.stack(school(kind, 24, side=64, first=0)).astype(float).mean(-1)
        return float((np.abs(np.diff(pictures, axis=2)) > 40).mean())

    assert edges("striped") > 2 * edges("plain")


def test_both_kinds_swim_in_the_same_water():
    top = {kind: np.stack(school(kind, 200, side=32, first=0))[:, 0].mean((0, 1)) for kind in ("plain", "striped")}
    assert top["plain"] == pytest.approx(top["striped"], abs=5)


def test_a_set_lies_in_four_folders_and_no_picture_twice(tmp_path: Path):
    draw_set(tmp_path, train=5, test=3, side=32, first=10)
    pictures = {path: read(path).pixels for path in sorted(tmp_path.rglob("*.png"))}
    names = [str(path.relative_to(tmp_path).parent) for path in pictures]
    assert {name: names.count(name) for name in names} == {"testA": 3, "testB": 3, "trainA": 5, "trainB": 5}
    assert len({picture.tobytes() for picture in pictures.values()}) == 16
    np.testing.assert_array_equal(pictures[tmp_path / "testB/0000.png"], fish("striped", side=32, seed=15))
