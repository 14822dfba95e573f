from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i.config.data import UnpairedConfig
from i2i.data.unpaired import UnpairedPictures
from i2i.errors import DataError

Draw = Callable[..., Path]
CONFIG = UnpairedConfig(size=16, load=16, flip=False)


def flat(folder: Path, name: str, value: int) -> Path:
    """A picture of one gray value, by which a sample tells which file it came from."""
    folder.mkdir(exist_ok=True)
    Image.new("RGB", (16, 16), (value, value, value)).save(folder / f"{name}.png")
    return folder / f"{name}.png"


def veiled(path: Path) -> Path:
    """One colour, and black behind the transparent half."""
    pixels = np.zeros((16, 16, 4), dtype=np.uint8)
    pixels[:, :8] = 200, 100, 50, 255
    Image.fromarray(pixels).save(path)
    return path


def pictures(tmp_path: Path, count_a: int, count_b: int) -> UnpairedPictures:
    a = [flat(tmp_path / "A", str(number), number) for number in range(count_a)]
    b = [flat(tmp_path / "B", str(number), number) for number in range(count_b)]
    return UnpairedPictures(a, b, CONFIG)


def values(samples: UnpairedPictures, epoch: int, seed: int = 0) -> tuple[list[int], list[int]]:
    taken = [samples.sample(seed, epoch, position) for position in range(len(samples))]
    return [int(a[0, 0, 0]) for a, _ in taken], [int(b[0, 0, 0]) for _, b in taken]


def test_an_epoch_shows_every_picture_of_the_larger_domain_a_once(tmp_path: Path) -> None:
    samples = pictures(tmp_path, 10, 4)
    first, drawn = values(samples, epoch=0)
    second, _ = values(samples, epoch=1)
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert set(drawn) <= {0, 1, 2, 3}


def test_a_smaller_domain_a_is_repeated_evenly(tmp_path: Path) -> None:
    shown, _ = values(pictures(tmp_path, 3, 7), epoch=0)
    assert sorted(np.bincount(shown)) == [2, 2, 3]


def test_b_is_drawn_evenly(tmp_path: Path) -> None:
    samples = pictures(tmp_path, 10, 4)
    drawn = [value for epoch in range(40) for value in values(samples, epoch)[1]]
    assert np.bincount(drawn).min() > 70  # 100 expected, deviation 9


def test_a_sample_is_a_function_of_seed_epoch_and_position(tmp_path: Path, draw: Draw) -> None:
    files = [draw(f"A/{number}.png", width=50) for number in range(4)]
    config = UnpairedConfig(size=16)
    one, other = UnpairedPictures(files, files, config), UnpairedPictures(files, files, config)
    for place in [(0, 0, 0), (0, 3, 2), (7, 0, 1)]:
        expected = one.sample(*place)
        other.sample(1, 2, 3)
        for got, wanted in zip(other.sample(*place), expected, strict=True):
            np.testing.assert_array_equal(got, wanted)
    assert one.sample(0, 0, 0)[0].tobytes() != one.sample(1, 0, 0)[0].tobytes()


def test_mixed_modes_become_the_channels_asked_for(draw: Draw) -> None:
    files = [draw("A/1.png", mode="L"), draw("A/2.jpg"), draw("A/3.png", mode="RGBA"), draw("A/4.tif", mode="CMYK")]
    samples = UnpairedPictures(files, files, CONFIG, channels=(1, 3))
    for position in range(4):
        a, b = samples.sample(0, 0, position)
        assert (a.shape, b.shape, a.dtype) == ((16, 16, 1), (16, 16, 3), np.uint8)


def test_a_file_that_vanishes_during_the_training_is_replaced_by_the_next(tmp_path: Path) -> None:
    samples = pictures(tmp_path, 3, 1)
    (tmp_path / "A" / "2.png").unlink()
    assert sorted(values(samples, epoch=0)[0]) == [0, 0, 1]
    assert samples.failed == {tmp_path / "A" / "2.png": "cannot be read: No such file or directory."}


def test_a_domain_of_which_nothing_is_left_ends_the_training(tmp_path: Path) -> None:
    samples = pictures(tmp_path, 1, 1)
    (tmp_path / "B" / "0.png").unlink()
    with pytest.raises(DataError, match=r"B: none of 1 pictures can be read any more\."):
        samples.sample(0, 0, 0)


def test_fixed_pictures_are_the_first_of_each_domain(tmp_path: Path) -> None:
    batch = pictures(tmp_path, 5, 3).fixed(4)
    assert batch.real_a.shape == (3, 3, 16, 16)
    assert batch.real_a.is_contiguous()
    assert batch.real_a[:, 0, 0, 0].tolist() == batch.real_b[:, 0, 0, 0].tolist() == [0, 1, 2]


def test_without_pictures_of_a_domain_there_are_no_samples() -> None:
    with pytest.raises(DataError, match="both domains: there are 0 and 0"):
        UnpairedPictures([], [], CONFIG)


def test_hidden_colours_are_not_shown(tmp_path: Path) -> None:
    file = veiled(tmp_path / "a.png")
    a, _ = UnpairedPictures([file], [file], CONFIG).sample(0, 0, 0)
    assert a.reshape(-1, 3).tolist() == [[200, 100, 50]] * 256
