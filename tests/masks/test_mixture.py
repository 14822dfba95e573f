from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest
from pydantic import ValidationError

from i2i.config.masks import MASK_KINDS, MaskConfig
from i2i.images.masks import Mask
from i2i.masks.area import Area, area_of_shares, fitted
from i2i.masks.mixture import MixedMasks, open_masks


def mixed(**settings: object) -> MixedMasks:
    return MixedMasks(MaskConfig.model_validate(settings))


def drawn(masks: MixedMasks, seed: int, height: int = 64, width: int = 64) -> Mask:
    return masks(height, width, np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("low", "high", "count"), [(0.01, 0.6, 1000), (0.1, 0.2, 100), (0.0, 0.05, 100), (0.5, 0.9, 100)]
)
def test_areas_lie_in_the_range_and_spread_over_it(low: float, high: float, count: int) -> None:
    masks = mixed(smallest=low, largest=high)
    shares = np.array([drawn(masks, seed, 32, 32).mean() for seed in range(count)])
    assert shares.min() >= low
    assert shares.max() <= high
    assert low + 0.2 * (high - low) < shares.mean() < high - 0.2 * (high - low)


@pytest.mark.parametrize("kind", MASK_KINDS)
@pytest.mark.parametrize(("low", "high"), [(0, 0.001), (0.001, 0.01), (0.3, 0.31), (0.98, 1)])
def test_any_range_is_kept_by_any_kind(kind: str, low: float, high: float) -> None:
    masks = mixed(kinds={kind: 1}, smallest=low, largest=high)
    for seed in range(10):
        mask = drawn(masks, seed, 60, 80)
        assert mask.any()
        assert not mask.all()
        assert low <= mask.mean() <= high


@pytest.mark.parametrize(("height", "width"), [(8, 8), (1, 2), (2, 1), (1, 64), (3, 3)])
def test_masks_are_never_empty_and_never_everything(height: int, width: int) -> None:
    for masks in (mixed(), mixed(smallest=0, largest=0.001), mixed(smallest=0.99, largest=1)):
        for seed in range(40):
            mask = drawn(masks, seed, height, width)
            assert mask.any()
            assert not mask.all()


def test_a_single_pixel_is_a_hole() -> None:
    assert drawn(mixed(), 0, 1, 1).tolist() == [[True]]


def test_kinds_come_as_often_as_their_weights_say() -> None:
    """Halves cover exactly half; one in four masks, where lines never do."""
    masks = mixed(kinds={"half": 1, "lines": 3, "boxes": 0})
    halves = sum(drawn(masks, seed).mean() == 0.5 for seed in range(600))
    assert 120 < halves < 180


def test_a_kind_that_rarely_fits_comes_as_often_as_the_others() -> None:
    masks = mixed(kinds={"half": 1, "lines": 1}, largest=0.4)
    large = sum(drawn(masks, seed).mean() > 0.2 for seed in range(400))  # as no line is, and half of the halves
    assert 70 < large < 130


def test_another_process_draws_the_same_masks() -> None:
    program = (
        "import hashlib, numpy\n"
        "from i2i.config.masks import MaskConfig\n"
        "from i2i.masks.mixture import MixedMasks\n"
        "masks, digest = MixedMasks(MaskConfig(largest=0.3)), hashlib.sha256()\n"
        "for seed in range(60): digest.update(masks(48, 72, numpy.random.default_rng(seed)).tobytes())\n"
        "print(digest.hexdigest())"
    )
    first, second = (subprocess.run([sys.executable, "-c", program], capture_output=True, check=True) for _ in range(2))
    assert first.stdout == second.stdout
    assert len(first.stdout.strip()) == 64


def test_a_mask_of_256_takes_two_milliseconds_at_most() -> None:
    """On average, of the processor's time: other work may go on beside this test."""
    masks, began = mixed(), time.process_time()
    for seed in range(200):
        drawn(masks, seed, 256, 256)
    assert (time.process_time() - began) / 200 < 0.002


def test_a_hole_grows_along_its_rim_and_shrinks_from_it() -> None:
    hole = np.zeros((30, 40), dtype=np.bool_)
    hole[10:20, 10:20] = True
    grown, shrunk = fitted(hole, Area(200, 400)), fitted(hole, Area(1, 36))
    assert np.count_nonzero(grown) == 200
    assert np.count_nonzero(shrunk) == 36
    assert (grown & hole).sum() == 100
    assert not grown[:5].any()
    assert shrunk[12:18, 12:18].all()
    assert fitted(hole, Area(50, 100)) is hole


def test_what_is_empty_or_full_is_made_to_fit_too() -> None:
    for mask in (np.zeros((5, 7), dtype=np.bool_), np.ones((5, 7), dtype=np.bool_)):
        assert np.count_nonzero(fitted(mask, Area(3, 3))) == 3


def test_shares_become_whole_pixels() -> None:
    assert area_of_shares(100, 0.01, 0.6) == Area(1, 60)
    assert area_of_shares(100, 0, 1) == Area(1, 99)
    assert area_of_shares(9, 0.3, 0.32) == Area(2, 2)
    assert area_of_shares(1, 0.3, 0.5) == Area(1, 1)


def test_the_summary_names_kinds_and_range() -> None:
    assert mixed().summary == "masks of all kinds on 1 to 60 % of a crop"
    assert mixed(kinds={"boxes": 1}, smallest=0).summary == "masks of boxes on 0 to 60 % of a crop"
    named = open_masks(MaskConfig(kinds={"boxes": 1, "lines": 0.5, "half": 1, "thin": 0}, largest=0.125))
    assert named.summary == "masks of boxes, lines and half on 1 to 12.5 % of a crop"


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"smallest": 0.6, "largest": 0.2}, "smallest=0.6 is not below largest=0.2: set smallest=0"),
        ({"kinds": {"boxes": 0}}, "every kind of mask weighs 0: give one a weight, such as kinds.strokes=1"),
        ({"kinds": {"boxes": -1}}, "greater than or equal to 0"),
        ({"kinds": {"circles": 1}}, "'strokes'"),
    ],
)
def test_settings_that_no_mask_can_follow_are_refused(settings: dict[str, object], text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        MaskConfig.model_validate(settings)
    assert text in str(caught.value)


def test_beside_a_folder_the_settings_of_drawn_masks_are_idle_and_no_error() -> None:
    """A preset may have set them, so that who says --masks cannot leave them out."""
    assert MaskConfig(kinds={"boxes": 1}, largest=0.5, folder="masks").idle == ("kinds", "largest")
    assert MaskConfig(folder="masks").idle == ()
    assert MaskConfig(kinds={"boxes": 1}).idle == ()
