"""Crops of photos with holes: what an inpainting training is fed."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from i2i.config.data import MaskedConfig
from i2i.config.masks import MaskConfig
from i2i.data.loader import Batches
from i2i.data.masked import open_masked
from i2i.data.opening import PhotoScans
from i2i.errors import DataError

Draw = Callable[..., Path]


def config(folder: Path, **settings: object) -> MaskedConfig:
    return MaskedConfig.model_validate({"path": str(folder), "size": 32, "crops": 4, "val": 0, **settings})


@pytest.fixture
def photos(draw: Draw, tmp_path: Path) -> Path:
    for number in range(3):
        draw(f"photos/{number}.png", width=48, height=40)
    return tmp_path / "photos"


def test_a_sample_is_a_crop_and_a_mask_of_its_size(photos: Path):
    real, mask = open_masked(config(photos)).train.sample(seed=0, epoch=0, position=0)
    assert (real.shape, real.dtype) == ((32, 32, 3), np.uint8)
    assert (mask.shape, mask.dtype) == ((32, 32, 1), np.bool_)


def test_samples_are_a_function_of_seed_epoch_and_position(photos: Path):
    one, other = open_masked(config(photos)).train, open_masked(config(photos)).train
    for key in [(0, 0, 0), (0, 0, 5), (0, 1, 5), (3, 0, 5)]:
        for first, second in zip(one.sample(*key), other.sample(*key), strict=True):
            assert np.array_equal(first, second)
    masks = [one.sample(*key)[1] for key in [(0, 0, 5), (0, 1, 5), (3, 0, 5), (0, 0, 6)]]
    assert all(not np.array_equal(masks[0], mask) for mask in masks[1:])


def test_masks_do_not_change_which_crops_are_cut(photos: Path):
    """So that two trainings with other masks see the same crops."""
    boxes = config(photos, masks={"kinds": {"boxes": 1}})
    for position in range(12):
        plain, other = (open_masked(it).train.sample(0, 0, position)[0] for it in (config(photos), boxes))
        assert np.array_equal(plain, other)


def test_each_sample_of_a_batch_has_a_mask_of_its_own_within_the_area_that_is_asked_for(photos: Path):
    masks = MaskConfig(smallest=0.1, largest=0.3)
    with_workers = Batches(open_masked(config(photos, masks=masks.model_dump())).train, batch=6, seed=0, workers=1)
    real, mask = next(with_workers)
    with_workers.close()
    assert (real.shape, real.dtype) == ((6, 3, 32, 32), torch.uint8)
    assert (mask.shape, mask.dtype) == ((6, 1, 32, 32), torch.bool)
    shares = mask.float().mean((1, 2, 3))
    assert ((shares >= 0.1) & (shares <= 0.3)).all()
    assert len({sample.numpy().tobytes() for sample in mask}) == 6


def test_the_sample_sheet_has_the_same_masks_every_time(photos: Path):
    first, second = (open_masked(config(photos)).fixed(2) for _ in range(2))
    assert torch.equal(first.mask, second.mask)
    assert first.real.shape == (2, 3, 32, 32)
    assert not torch.equal(first.mask[0], first.mask[1])


def test_the_summary_tells_photos_and_masks(photos: Path):
    assert open_masked(config(photos)).summary.startswith("3 photos, 0.0 megapixels, smallest 48x40, none held out, ")


def test_without_a_folder_of_photos_nothing_is_opened():
    with pytest.raises(DataError, match="no training photos were named"):
        open_masked(MaskedConfig())


# Masks from a folder


@pytest.fixture
def holes(tmp_path: Path) -> Path:
    folder = tmp_path / "holes"
    folder.mkdir()
    for number in range(3):
        Image.fromarray(np.where(np.arange(1024).reshape(32, 32) < 100 + number, 255, 0).astype(np.uint8)).save(
            folder / f"{number}.png"
        )
    return folder


def test_masks_of_a_folder_are_taken_and_settings_of_drawn_ones_are_told_to_do_nothing(photos: Path, holes: Path):
    opened = open_masked(config(photos, masks={"folder": str(holes), "kinds": {"boxes": 1}, "largest": 1}))
    assert opened.summary.endswith(f", 3 masks of {holes}")
    assert opened.notes == ("no effect beside masks from a folder: data.masks.kinds, data.masks.largest",)
    masks = [opened.train.sample(0, 0, position)[1] for position in range(12)]
    assert {int(mask.sum()) for mask in masks} == {100, 101, 102}


def test_masks_that_changed_since_the_start_are_told(photos: Path, holes: Path):
    wanted = config(photos, masks={"folder": str(holes)})
    kept = json.loads(json.dumps(open_masked(wanted).scans.to_json()))
    assert [mask["name"] for mask in kept["masks"]["pictures"]] == ["0.png", "1.png", "2.png"]
    assert open_masked(wanted, previous=PhotoScans.from_json(kept)).notes == ()
    (holes / "0.png").write_bytes((holes / "1.png").read_bytes())
    (holes / "2.png").unlink()
    assert open_masked(wanted, previous=PhotoScans.from_json(kept)).notes == (
        f"{holes} has changed since: 2 gone, 1 new. The training goes on, but not as it would have.",
    )


def test_run_folders_from_before_know_no_masks(photos: Path, holes: Path):
    drawn = open_masked(config(photos)).scans
    assert "masks" not in drawn.to_json()
    assert open_masked(config(photos, masks={"folder": str(holes)}), previous=drawn).notes == ()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_mask_that_goes_missing_is_replaced_and_told_as_photos_are(
    photos: Path, holes: Path, caplog: pytest.LogCaptureFixture, workers: int
):
    samples = open_masked(config(photos, masks={"folder": str(holes)})).train
    (holes / "1.png").unlink()
    (photos / "2.png").write_bytes(b"")
    batches = Batches(samples, batch=12, seed=0, workers=workers)
    with caplog.at_level(logging.WARNING, "i2i.data"):
        next(batches)
    batches.close()
    told = {record.getMessage().split(":")[0] for record in caplog.records}
    assert told == {str(holes / "1.png"), str(photos / "2.png")}
