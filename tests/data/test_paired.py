from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from i2i.config.data import PairedConfig
from i2i.data.augment import Geometry
from i2i.data.derived import derived
from i2i.data.loader import Batches
from i2i.data.paired import PairedPictures, View
from i2i.errors import DataError

Draw = Callable[..., Path]


def config(**settings: Any) -> PairedConfig:
    return PairedConfig(**{"size": 16, "load": 16, "flip": False} | settings)


def whole(a: Path, b: Path) -> tuple[View, View]:
    return View(a, "whole"), View(b, "whole")


def numbered(tmp_path: Path, count: int) -> list[tuple[View, View]]:
    """Pairs of one gray value in A and its hundredfold complement in B, by which a sample tells where it is from."""
    pairs = []
    for number in range(count):
        files = tmp_path / f"a{number}.png", tmp_path / f"b{number}.png"
        for file, value in zip(files, (number, 100 + number), strict=True):
            Image.new("RGB", (16, 16), (value, value, value)).save(file)
        pairs.append(whole(*files))
    return pairs


def test_an_epoch_passes_once_through_all_pairs_in_another_order_each_time(tmp_path: Path) -> None:
    samples = PairedPictures(numbered(tmp_path, 10), config())
    orders = []
    for epoch in range(2):
        taken = [samples.sample(0, epoch, position) for position in range(len(samples))]
        orders.append([int(a[0, 0, 0]) for a, _ in taken])
        assert [int(b[0, 0, 0]) for _, b in taken] == [100 + number for number in orders[-1]]
        assert sorted(orders[-1]) == list(range(10))
    assert orders[0] != orders[1]


def test_both_are_cut_at_one_place_and_mirrored_alike(draw: Draw) -> None:
    picture = draw("x.png", width=48, height=32)
    samples = PairedPictures([whole(picture, picture)], config(load=40, flip=True, transform="keep"))
    crops = [samples.sample(0, epoch, 0) for epoch in range(8)]
    assert all((a == b).all() for a, b in crops)
    assert len({a.tobytes() for a, _ in crops}) == 8


def test_jitter_changes_the_input_alone(draw: Draw) -> None:
    picture = draw("x.png", width=16, height=16)
    pixels = np.asarray(Image.open(picture))
    source, target = PairedPictures([whole(picture, picture)], config(jitter=0.5)).sample(0, 0, 0)
    np.testing.assert_array_equal(target, pixels)
    assert (source != pixels).any()


def test_a_partner_of_another_size_is_scaled_to_the_same_places(tmp_path: Path) -> None:
    """White in the left half of both, whatever the size: every crop has the border at one column."""
    for name, width in (("a", 90), ("b", 30)):
        Image.fromarray(np.repeat([[255] * (width // 2) + [0] * (width // 2)], width // 3, 0).astype(np.uint8)).save(
            tmp_path / f"{name}.png"
        )
    pair = whole(tmp_path / "a.png", tmp_path / "b.png")
    samples = PairedPictures([pair], config(load=20, transform="keep"), channels=(1, 3))
    for epoch in range(4):
        a, b = samples.sample(0, epoch, 0)
        assert (a.shape, b.shape) == ((16, 16, 1), (16, 16, 3))
        np.testing.assert_array_equal(a[:, :, 0] > 127, b[:, :, 0] > 127)


@pytest.mark.parametrize("width", [32, 33])
def test_halves_of_a_file_are_cut_in_the_middle(draw: Draw, width: int) -> None:
    file = draw("x.png", width=width, height=16)
    pixels = np.asarray(Image.open(file))
    source, target = PairedPictures([(View(file, "left"), View(file, "right"))], config()).sample(0, 0, 0)
    np.testing.assert_array_equal(source, pixels[:, :16])
    np.testing.assert_array_equal(target, pixels[:, width - 16 :])


@pytest.mark.parametrize("kind", ["colorize", "edges", "degrade"])
def test_the_input_is_made_of_the_scaled_photo(draw: Draw, kind: Any) -> None:
    file = draw("x.png", width=16, height=16)
    photo = np.asarray(Image.open(file))
    pair = (View(file, kind), View(file, "whole"))
    source, target = PairedPictures([pair], config()).sample(0, 0, 0)
    np.testing.assert_array_equal(target, photo)
    assert source.shape == (16, 16, 3)
    if kind != "degrade":
        np.testing.assert_array_equal(source, np.repeat(derived(kind, photo, 0), 3, axis=2))
        gray, _ = PairedPictures([pair], config(), channels=(1, 3)).sample(0, 0, 0)
        np.testing.assert_array_equal(gray, derived(kind, photo, 0))


def test_a_photo_is_damaged_in_another_way_each_time_but_not_on_the_sheet(draw: Draw) -> None:
    file = draw("x.png", width=16, height=16)
    samples = PairedPictures([(View(file, "degrade"), View(file, "whole"))], config())
    assert len({samples.sample(0, epoch, 0)[0].tobytes() for epoch in range(8)}) > 4
    assert samples.fixed(1).real_a.equal(samples.fixed(1).real_a)
    assert not samples.fits_in_memory


def test_label_maps_keep_their_classes(tmp_path: Path, draw: Draw) -> None:
    ids = np.random.default_rng(0).choice([0, 7, 34], (50, 40)).astype(np.uint8)
    labels = Image.fromarray(ids, mode="P")
    labels.putpalette(list(np.random.default_rng(1).integers(0, 256, 768)))
    labels.save(tmp_path / "ids.png")
    photo = draw("x.jpg", width=80, height=100)
    samples = PairedPictures([whole(tmp_path / "ids.png", photo)], config(load=30), labels=35, channels=(1, 3))
    source, target = samples.sample(0, 0, 0)
    assert set(np.unique(source)) == {0, 7, 34}
    assert (source.shape, source.dtype, target.shape) == ((16, 16, 1), np.uint8, (16, 16, 3))


def test_depth_is_kept_where_it_is_asked_for(tmp_path: Path, draw: Draw) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (16, 16), dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    pair = whole(draw("x.png", width=16, height=16), tmp_path / "deep.png")
    samples = PairedPictures([pair], config(depth=16), channels=(3, 1))
    source, target = samples.sample(0, 0, 0)
    np.testing.assert_array_equal(target[:, :, 0], deep)
    np.testing.assert_array_equal(source, np.asarray(Image.open(pair[0].path)).astype(np.uint16) * 257)
    assert samples.fixed(1).real_b.dtype == torch.uint16
    assert PairedPictures([pair], config(), channels=(3, 1)).sample(0, 0, 0)[1].dtype == np.uint8


def test_the_sheet_has_the_middles_of_the_first_pairs(tmp_path: Path) -> None:
    fixed = PairedPictures(numbered(tmp_path, 3), config()).fixed(2)
    assert fixed.real_a.shape == fixed.real_b.shape == (2, 3, 16, 16)
    assert (fixed.real_a[:, 0, 0, 0].tolist(), fixed.real_b[:, 0, 0, 0].tolist()) == ([0, 1], [100, 101])
    assert len(PairedPictures(numbered(tmp_path, 3), config()).fixed(9).real_a) == 3


def test_another_process_draws_the_same_batches(draw: Draw) -> None:
    pairs = [whole(draw(f"a{number}.png"), draw(f"b{number}.jpg")) for number in range(4)]
    here = PairedPictures(pairs, config(load=20, flip=True, jitter=0.3))
    there = pickle.loads(pickle.dumps(here))
    here.sample(7, 7, 0)  # what was drawn before does not matter
    one, other = (next(Batches(samples, batch=2, seed=3, workers=0)) for samples in (here, there))
    assert (one.real_a.dtype, one.real_a.shape) == (torch.uint8, (2, 3, 16, 16))
    assert one.real_a.equal(other.real_a)
    assert one.real_b.equal(other.real_b)


def test_a_pair_that_cannot_be_read_any_more_is_replaced_by_the_next(tmp_path: Path) -> None:
    samples = PairedPictures(numbered(tmp_path, 3), config())
    (tmp_path / "b2.png").unlink()
    taken = [samples.sample(0, 0, position) for position in range(3)]
    assert sorted(int(a[0, 0, 0]) for a, _ in taken) == [0, 0, 1]
    assert all(int(b[0, 0, 0]) == 100 + int(a[0, 0, 0]) for a, b in taken)
    assert samples.failed == {tmp_path / "b2.png": "cannot be read: No such file or directory."}


def test_no_readable_pair_at_all_is_one_line(tmp_path: Path) -> None:
    samples = PairedPictures(numbered(tmp_path, 2), config())
    for file in tmp_path.iterdir():
        file.unlink()
    with pytest.raises(DataError, match=r"none of 2 pairs can be read any more\."):
        samples.sample(0, 0, 0)


def test_without_pairs_there_is_nothing_to_train_on() -> None:
    with pytest.raises(DataError, match=r"there are no pairs to train on\."):
        PairedPictures([], config())


def veiled(path: Path, colour: tuple[int, int, int], hidden: int = 0) -> Path:
    """Left and right half of one colour each, with something else behind their transparent upper halves."""
    pixels = np.full((16, 32, 4), [hidden, hidden, hidden, 0], dtype=np.uint8)
    pixels[8:, :16] = *colour, 255
    pixels[8:, 16:] = *colour[::-1], 255
    Image.fromarray(pixels).save(path)
    return path


def test_hidden_colours_are_not_shown_and_halves_do_not_colour_each_other(tmp_path: Path) -> None:
    file = veiled(tmp_path / "x.png", (200, 100, 50))
    source, target = PairedPictures([(View(file, "left"), View(file, "right"))], config()).sample(0, 0, 0)
    assert source.reshape(-1, 3).tolist() == [[200, 100, 50]] * 256
    assert target.reshape(-1, 3).tolist() == [[50, 100, 200]] * 256
    pair = whole(file, veiled(tmp_path / "y.png", (200, 100, 50), hidden=255))
    same, other = PairedPictures([pair], config(load=16)).sample(0, 0, 0)
    np.testing.assert_array_equal(same, other)


def test_hidden_classes_are_classes(tmp_path: Path, draw: Draw) -> None:
    file = tmp_path / "ids.png"
    Image.fromarray(np.dstack([np.full((16, 16), 7), np.zeros((16, 16))]).astype(np.uint8)).save(file)
    pair = whole(file, draw("x.png", width=16, height=16))
    assert (PairedPictures([pair], config(), labels=8, channels=(1, 3)).sample(0, 0, 0)[0] == 7).all()


@pytest.mark.parametrize("back", [False, True])
def test_a_photo_and_what_is_made_of_it_are_read_and_scaled_once(
    draw: Draw, monkeypatch: pytest.MonkeyPatch, back: bool
) -> None:
    file = draw("x.png", width=40, height=30)
    pair = (View(file, "edges"), View(file, "whole"))
    samples = PairedPictures([pair[::-1] if back else pair], config(), channels=(1, 1))
    scaled: list[tuple[int, ...]] = []
    monkeypatch.setattr(
        samples.geometry,
        "scaled",
        lambda pixels: (scaled.append(pixels.shape), Geometry.scaled(samples.geometry, pixels))[1],
    )
    first, again = samples.sample(0, 0, 0), samples.sample(0, 1, 0)
    assert scaled == [(30, 40, 3)]
    assert [side.shape for side in (*first, *again)] == [(16, 16, 1)] * 4
    assert (first[0] != first[1]).any()
