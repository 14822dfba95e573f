from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i.config.masks import MaskConfig
from i2i.errors import DataError
from i2i.images.masks import Mask
from i2i.masks.folder import MaskFolder, _HeldMasks
from i2i.masks.mixture import open_masks

CORNER = np.zeros((20, 30), dtype=np.bool_)
CORNER[:8, :12] = True


def save(path: Path, mask: Mask = CORNER) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.astype(np.uint8) * 255).save(path)
    return path


def folder_of(path: Path) -> MaskFolder:
    return MaskFolder(path, sorted(path.iterdir()))


def drawn(folder: Path, seed: int, height: int, width: int) -> Mask:
    return folder_of(folder)(height, width, np.random.default_rng(seed))


def test_a_mask_of_the_crops_size_is_laid_over_it_flipped_in_four_ways(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    found = {drawn(tmp_path, seed, 20, 30).tobytes() for seed in range(60)}
    ways = (CORNER, CORNER[::-1], CORNER[:, ::-1], CORNER[::-1, ::-1])
    assert found == {way.tobytes() for way in ways}


def test_a_mask_of_another_size_is_scaled_to_the_nearest_pixel(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    large = drawn(tmp_path, 0, 60, 90)
    assert large.shape == (60, 90)
    assert large.sum() == CORNER.sum() * 9
    assert drawn(tmp_path, 0, 10, 15).sum() * 4 == CORNER.sum()


def test_a_crop_of_another_aspect_shows_a_part_that_is_not_stretched(tmp_path: Path) -> None:
    square = np.zeros((20, 60), dtype=np.bool_)
    square[5:15, 25:35] = True
    save(tmp_path / "a.png", square)
    places = set()
    for seed in range(40):
        mask = drawn(tmp_path, seed, 20, 20)
        assert mask.any()
        assert mask.any(axis=1).sum() == 10
        places.add(int(np.argmax(mask.any(axis=0))))
    assert len(places) > 3


def test_parts_without_hole_are_passed_over_and_a_hole_is_never_lost(tmp_path: Path) -> None:
    dot = np.zeros((301, 900), dtype=np.bool_)
    dot[200, 640] = True
    save(tmp_path / "a.png", dot)
    save(tmp_path / "b.png", ~dot)
    for seed in range(40):
        mask = drawn(tmp_path, seed, 8, 8)
        assert mask.any()
        assert not mask.all()


def test_every_mask_and_format_gets_its_turn(tmp_path: Path) -> None:
    masks = [np.arange(64).reshape(8, 8) < count for count in (8, 16, 24)]
    files = [save(tmp_path / name, mask) for mask, name in zip(masks, ("a.png", "deep/b.tif", "c.bmp"), strict=True)]
    found = open_masks(MaskConfig(folder=str(tmp_path)), files)
    assert found.summary == f"3 masks of {tmp_path}"
    assert {int(found(8, 8, np.random.default_rng(seed)).sum()) for seed in range(60)} == {8, 16, 24}


def test_the_same_generator_gives_the_same_mask_in_a_copy_too(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / f"{number}.png", np.roll(CORNER, number, 1))
    one = folder_of(tmp_path)
    first = [one(16, 16, np.random.default_rng(seed)) for seed in range(20)]
    other = pickle.loads(pickle.dumps(one))
    for seed, mask in enumerate(first):
        np.testing.assert_array_equal(other(16, 16, np.random.default_rng(seed)), mask)


def test_masks_in_memory_are_not_read_again(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png")
    masks = folder_of(tmp_path)
    before = masks(20, 30, np.random.default_rng(0))
    path.unlink()
    np.testing.assert_array_equal(masks(20, 30, np.random.default_rng(0)), before)


def test_memory_drops_the_mask_that_was_not_used_for_longest() -> None:
    held = _HeldMasks(2 * 75)  # bytes: 600 pixels are 75
    for name in ("a", "b"):
        held.put(Path(name), CORNER)
    np.testing.assert_array_equal(held.get(Path("a")), CORNER)
    held.put(Path("c"), ~CORNER)
    assert held.get(Path("b")) is None
    np.testing.assert_array_equal(held.get(Path("a")), CORNER)
    np.testing.assert_array_equal(held.get(Path("c")), ~CORNER)


def test_a_mask_that_cannot_be_used_any_more_is_replaced_by_the_next_and_recorded(tmp_path: Path) -> None:
    paths = [
        save(tmp_path / f"{name}.png", np.arange(64).reshape(8, 8) < count)
        for name, count in zip("abc", (8, 16, 24), strict=True)
    ]
    masks = folder_of(tmp_path)
    paths[1].unlink()
    assert {int(masks(8, 8, np.random.default_rng(seed)).sum()) for seed in range(60)} == {8, 24}
    assert masks.failed == {paths[1]: "cannot be read: No such file or directory."}
    save(paths[1], np.zeros((8, 8), dtype=np.bool_))
    for seed in range(60):
        masks(8, 8, np.random.default_rng(seed))
    assert masks.failed == {paths[1]: "this mask is empty: nothing in it is white."}


def test_no_mask_that_can_be_used_is_an_error(tmp_path: Path) -> None:
    one, other = save(tmp_path / "a.png"), save(tmp_path / "b.png")
    masks = folder_of(tmp_path)
    one.unlink()
    save(other, np.ones((4, 4), dtype=np.bool_))
    with pytest.raises(DataError) as caught:
        masks(8, 8, np.random.default_rng(0))
    assert str(caught.value) == f"{tmp_path}: none of 2 masks can be used any more."
    assert masks.failed[other] == "this mask leaves nothing known: all of it is white."
