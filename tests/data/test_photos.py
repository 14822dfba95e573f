from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from i2i.config.data import PhotosConfig
from i2i.data.loader import Batches
from i2i.data.opening import PhotoScans, open_photos
from i2i.data.photos import Photo, PhotoCrops
from i2i.errors import DataError
from i2i.images.files import read

Draw = Callable[..., Path]
PLAIN = PhotosConfig(size=16, crops=2, turn=False)


def crops(files: list[Path], config: PhotosConfig = PLAIN, margin: int = 0) -> PhotoCrops:
    return PhotoCrops([Photo(path, read(path).pixels.nbytes) for path in files], config, margin)


def pixels_of(path: Path) -> np.ndarray:
    return read(path).pixels


def flat(folder: Path, value: int, side: int = 20) -> Path:
    """A photo of one gray value, by which a crop tells which photo it came from."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{value:03}.png"
    Image.new("RGB", (side, side), (value, value, value)).save(path)
    return path


def shown(samples: PhotoCrops, epoch: int = 0) -> list[int]:
    return [int(samples.sample(0, epoch, position)[0][0, 0, 0]) for position in range(len(samples))]


def test_an_epoch_takes_two_crops_of_each_photo_in_another_order_each_time(tmp_path: Path):
    samples = crops([flat(tmp_path / "a", value) for value in range(10)])
    assert sorted(shown(samples)) == sorted([*range(10)] * 2)
    assert shown(samples, epoch=0) != shown(samples, epoch=1)


def test_photos_take_turns_so_that_a_batch_is_of_different_ones(tmp_path: Path):
    taken = shown(crops([flat(tmp_path / "a", value) for value in range(10)]))
    assert len(set(taken[:10])) == 10
    assert taken[:10] == taken[10:]


def test_with_zoom_crops_show_up_to_so_many_times_as_much_shrunk(tmp_path: Path):
    """On a ramp of one level a pixel the difference of neighbours in a crop tells how far it was shrunk."""
    ramp = np.arange(200, dtype=np.uint8)[None, :, None].repeat(200, axis=0).repeat(3, axis=2)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    samples = crops([tmp_path / "a.png"], PhotosConfig(size=16, crops=200, zoom=4, turn=False))
    taken = [samples.sample(0, 0, position)[0] for position in range(200)]
    assert {crop.shape for crop in taken} == {(16, 16, 3)}
    steps = np.array([np.diff(crop[0, :, 0].astype(float)).mean() for crop in taken])
    assert 1 <= steps.min() < 1.1
    assert 3.8 < steps.max() <= 4
    assert 0.4 < (steps > 2).mean() < 0.6  # each doubling is as likely as the other


def test_in_a_small_photo_each_doubling_up_to_the_whole_is_as_likely_as_the_other(tmp_path: Path):
    """Not the whole photo for all that zoom would allow beyond it: that is more than half of the draws here."""
    ramp = np.arange(64, dtype=np.uint8)[None, :, None].repeat(64, axis=0).repeat(3, axis=2)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    samples = crops([tmp_path / "a.png"], PhotosConfig(size=16, crops=300, zoom=32, turn=False))
    taken = [samples.sample(0, 0, position)[0] for position in range(300)]
    steps = np.array([np.diff(crop[0, :, 0].astype(float)).mean() for crop in taken])
    assert 3.8 < steps.max() <= 4
    assert 0.4 < (steps > 2).mean() < 0.6


def test_zoom_ends_at_the_whole_photo(tmp_path: Path):
    samples = crops([flat(tmp_path / "a", 7, side=20)], PhotosConfig(size=16, crops=50, zoom=8))
    assert {samples.sample(0, 0, position)[0].shape for position in range(50)} == {(16, 16, 3)}


def test_photos_that_do_not_fit_into_the_cache_are_decoded_once_an_epoch(tmp_path: Path, monkeypatch):
    files = [flat(tmp_path / "a", value, side=600) for value in range(20)]  # 1.0 MB each, the cache holds 16 of them
    decoded: list[Path] = []
    monkeypatch.setattr("i2i.data.photos.read", lambda path: (decoded.append(path), read(path))[1])
    samples = crops(files, PhotosConfig(size=16, crops=3, cache=16))
    assert not samples.fits_in_memory
    assert sorted(shown(samples)) == sorted([*range(20)] * 3)
    assert sorted(decoded) == sorted(files)


def test_a_crop_is_a_piece_of_the_photo_with_the_margin_around_it(draw: Draw):
    photo = draw("a.png", width=70, height=50)
    pixels = pixels_of(photo)
    (crop,) = crops([photo], margin=8).sample(0, 0, 1)
    assert crop.shape == (32, 32, 3)
    places = np.lib.stride_tricks.sliding_window_view(pixels, (32, 32, 3)).reshape(-1, 32, 32, 3)
    assert (places == crop).all(axis=(1, 2, 3)).sum() == 1


def test_a_sample_is_a_function_of_seed_epoch_and_position(draw: Draw):
    files = [draw(f"{number}.png", width=50) for number in range(4)]
    one, other = crops(files, PhotosConfig(size=16)), crops(files, PhotosConfig(size=16))
    for place in [(0, 0, 0), (0, 3, 2), (7, 0, 1)]:
        assert np.array_equal(one.sample(*place)[0], other.sample(*place)[0])
    assert not np.array_equal(one.sample(0, 0, 0)[0], one.sample(1, 0, 0)[0])


def test_each_of_the_eight_positions_comes_equally_often(tmp_path: Path):
    corner = np.zeros((16, 16, 3), dtype=np.uint8)
    corner[0, 0], corner[0, 1] = 255, 100  # tells turned from mirrored
    Image.fromarray(corner).save(tmp_path / "a.png")
    samples = crops([tmp_path / "a.png"], PhotosConfig(size=16, crops=800))
    seen = [samples.sample(0, 0, position)[0][:, :, 0].tobytes() for position in range(800)]
    counts = sorted(seen.count(kind) for kind in set(seen))
    assert len(counts) == 8
    assert counts[0] > 65  # 100 expected, deviation 9


def test_of_several_places_the_one_with_most_detail_is_taken(tmp_path: Path):
    pixels = np.zeros((32, 400, 3), dtype=np.uint8)
    pixels[:, 200:] = np.random.default_rng(0).integers(0, 256, (32, 200, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")

    def share_of_detail(candidates: int) -> float:
        samples = crops([tmp_path / "a.png"], PhotosConfig(size=16, crops=100, candidates=candidates))
        return float(np.mean([samples.sample(0, 0, position)[0].std() > 30 for position in range(100)]))

    assert 0.35 < share_of_detail(1) < 0.65
    assert share_of_detail(6) > 0.95


def test_a_smaller_photo_is_continued_by_its_mirror_image(draw: Draw):
    photo = draw("a.png", width=10, height=14)
    pixels = pixels_of(photo)
    (crop,) = crops([photo], margin=4).sample(0, 0, 0)
    assert crop.shape == (24, 24, 3)
    assert np.array_equal(crop[5:19, 7:17], pixels)
    assert np.array_equal(crop[5:19, 17:24], pixels[:, :2:-1])


def test_the_sheet_shows_the_middles(draw: Draw):
    photos = [draw(f"{number}.png", width=40, height=30) for number in range(3)]
    fixed = crops(photos).fixed(2).real
    assert fixed.shape == (2, 3, 16, 16)
    assert np.array_equal(fixed[1].permute(1, 2, 0), pixels_of(photos[1])[7:23, 12:28])


def test_any_number_of_loader_processes_gives_the_same_bytes(draw: Draw):
    samples = crops([draw(f"{number}.png", width=60) for number in range(5)], PhotosConfig(size=16, crops=4))
    alone, together = (Batches(samples, batch=4, seed=3, workers=workers) for workers in (0, 2))
    assert all(torch.equal(next(alone).real, next(together).real) for _ in range(7))
    together.close()


def test_a_photo_that_cannot_be_read_any_more_is_replaced_by_the_next(
    draw: Draw, caplog: pytest.LogCaptureFixture, tmp_path: Path
):
    files = [flat(tmp_path / "a", value) for value in range(3)]
    samples = crops(files)
    files[1].write_bytes(b"")
    with caplog.at_level(logging.WARNING, "i2i.data"):
        next(Batches(samples, batch=6, seed=0, workers=0))
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [str(files[1])]


def test_no_photo_that_can_be_read_is_an_error(tmp_path: Path):
    samples = crops([flat(tmp_path / "a", 1)])
    (tmp_path / "a" / "001.png").unlink()
    with pytest.raises(DataError, match="none of 1 photos can be read any more"):
        samples.sample(0, 0, 0)


# Folders


def config(path: Path, **settings: object) -> PhotosConfig:
    return PhotosConfig(path=str(path), size=16, **settings)  # type: ignore[arg-type]


def test_all_photos_of_a_folder_are_taken_but_those_for_validation_and_test(draw: Draw, tmp_path: Path):
    for name in ("1.png", "trip/2.jpg", "val/3.png", "test/4.png", "Testing/5.png"):
        draw(name)
    opened = open_photos(config(tmp_path))
    assert sorted(photo.path.name for photo in opened.train.photos) == ["1.png", "2.jpg"]
    assert [photo.path.name for photo in opened.sheet.photos] == ["3.png"]
    assert opened.summary == "2 photos, 0.0 megapixels, smallest 40x30, 1 for validation in val/"


def test_a_folder_train_is_the_one(draw: Draw, tmp_path: Path):
    for name in ("train/1.png", "2.png"):
        draw(name)
    assert [photo.path.name for photo in open_photos(config(tmp_path)).train.photos] == ["1.png"]


def test_the_summary_says_what_there_is(draw: Draw, tmp_path: Path):
    for number in range(39):
        draw(f"{number:02}.png", width=100, height=10)
    draw("copy.png", width=100, height=10, seed=7)
    draw("copy of it.png", width=100, height=10, seed=7)
    (tmp_path / "x.jpg").write_bytes(b"")
    opened = open_photos(config(tmp_path))
    expected = "41 photos, 0.0 megapixels, smallest 100x10, 1 duplicate, 1 unreadable (x.jpg), 2 held out"
    assert opened.summary == expected
    assert len(opened.train.photos) == 39


def test_small_photos_are_told(draw: Draw, tmp_path: Path):
    draw("a.png", width=12, height=30)
    draw("b.png")
    assert open_photos(config(tmp_path)).notes == (
        "1 photo is smaller than the crop of 16x16 and is continued by the mirror image",
    )


def test_photos_are_small_beside_the_side_that_is_cut_margin_and_all(draw: Draw, tmp_path: Path):
    draw("a.png", width=23, height=40)
    draw("b.png", width=24, height=40)
    assert open_photos(config(tmp_path), margin=4).notes == (
        "1 photo is smaller than the crop of 24x24 and is continued by the mirror image",
    )
    assert open_photos(config(tmp_path)).notes == ()


def test_an_empty_validation_folder_counts_as_none(draw: Draw, tmp_path: Path):
    draw("a.png")
    (tmp_path / "val").mkdir()
    assert open_photos(config(tmp_path)).summary == "1 photos, 0.0 megapixels, smallest 40x30, none held out"


def test_a_change_since_the_start_is_told(draw: Draw, tmp_path: Path):
    draw("a.png")
    stored = PhotoScans.from_json(json.loads(json.dumps(open_photos(config(tmp_path)).scans.to_json())))
    assert open_photos(config(tmp_path), previous=stored).notes == ()
    draw("b.png")
    (told,) = open_photos(config(tmp_path), previous=stored).notes
    assert told.endswith("has changed since: 0 gone, 1 new. The training goes on, but not as it would have.")


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("nowhere", "nowhere: no such folder."),
        ("empty", "empty: no pictures in this folder. Known suffixes: "),
        ("broken", "broken: none of 1 images can be read; the first, x.jpg: "),
    ],
)
def test_a_folder_that_cannot_be_trained_on_is_named(path: str, told: str, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "x.jpg").write_bytes(b"")
    with pytest.raises(DataError) as raised:
        open_photos(config(tmp_path / path))
    assert told in str(raised.value)


def test_a_training_without_a_folder_says_so():
    with pytest.raises(DataError, match=r"no training photos were named. Give a folder."):
        open_photos(PhotosConfig())


def test_hidden_colours_are_not_shown(tmp_path: Path):
    pixels = np.zeros((16, 16, 4), dtype=np.uint8)
    pixels[:, :8] = 200, 100, 50, 255
    Image.fromarray(pixels).save(tmp_path / "x.png")
    (crop,) = crops([tmp_path / "x.png"]).sample(0, 0, 0)
    assert crop.reshape(-1, 3).tolist() == [[200, 100, 50]] * 256
