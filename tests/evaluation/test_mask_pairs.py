"""Which hole belongs to which picture, and what is refused before torch is loaded."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i.cli.evaluate import evaluate
from i2i.config.networks import CompactConfig
from i2i.errors import I2IError, ImageError, UsageError
from i2i.evaluation import baselines
from i2i.evaluation.inpainting import measure
from i2i.evaluation.mask_pairs import BASELINES, Hole, find_holes, shares
from i2i.evaluation.pairs import pair_up
from i2i.evaluation.tasks import refuse_options, task_of
from i2i.images.files import write
from i2i.images.picture import Picture
from i2i.models.modelfile import ModelInfo, save_model
from i2i.networks.build import build


def refused(kind: type[I2IError], text: str) -> pytest.RaisesExc[I2IError]:
    return pytest.raises(kind, match=re.escape(text))


def folder(path: Path, *places: str, white: int = 20) -> Path:
    """A folder of pictures of 10 x 10 px whose first pixels are white, so many, and the others black."""
    for place in places:
        (path / place).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.zeros(100, dtype=np.uint8)
        pixels[:white] = 255
        write(Picture(pixels.reshape(10, 10, 1)), path / place)
    return path


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    return folder(tmp_path / "truth", "a.png", "deep/b.png")


@pytest.fixture
def doubling(tmp_path: Path) -> Path:
    """A model that enlarges."""
    config = CompactConfig(filters=4, convolutions=1, scale=2)
    info = ModelInfo(task="upscale", directions=("up",), networks={"up": config})
    save_model(tmp_path / "doubling.safetensors", {"up": build(config)}, info, half=False)
    return tmp_path / "doubling.safetensors"


# ---------------------------------------------------------------- what is measured


def test_without_masks_each_picture_has_one_hole_of_each_band(truth: Path):
    found = find_holes("mean", truth)
    assert [hole.name for hole in found.holes] == [
        *(f"band-{band}/a" for band in range(6)),
        *(f"band-{band}/deep/b" for band in range(6)),
    ]
    assert found.holes[6] == Hole("deep/b", truth / "deep/b.png", "band-0/deep/b", 0)
    assert (found.seed, found.are_drawn) == (0, True)
    assert find_holes("mean", truth, seed=7).seed == 7


def test_bands_are_taken_in_order_and_once(truth: Path):
    assert [hole.band for hole in find_holes("mean", truth, bands=[5, 1, 5]).holes] == [1, 5, 1, 5]


def test_a_mask_belongs_to_the_picture_of_its_place_whatever_folders_stand_before(truth: Path, tmp_path: Path):
    masks = folder(tmp_path / "masks", "band-1/a.png", "x/y/deep/b.bmp", "deep/b.png", "band-1/other.png")
    found = find_holes("mean", truth, masks=masks)
    assert [(hole.picture, hole.name) for hole in found.holes] == [
        ("a", "band-1/a"),
        ("deep/b", "deep/b"),
        ("deep/b", "x/y/deep/b"),
    ]
    assert found.holes[2].mask == masks / "x/y/deep/b.bmp"
    assert found.strays == ("band-1/other",)
    assert not found.are_drawn


@pytest.mark.parametrize(
    ("white", "band"), [(1, None), (2, 0), (10, 0), (11, 1), (20, 1), (21, 2), (50, 4), (51, 5), (60, 5), (61, None)]
)
def test_the_band_of_a_given_mask_is_that_of_its_area_and_not_of_its_folder(
    tmp_path: Path, truth: Path, white: int, band: int | None
):
    masks = folder(tmp_path / "masks", "band-3/a.png", "band-3/deep/b.png", white=white)
    assert {hole.band for hole in find_holes("mean", truth, masks=masks).holes} == {band}


def test_bands_of_given_masks_are_chosen_and_others_left_out(truth: Path, tmp_path: Path):
    masks = tmp_path / "masks"
    for white in (5, 25, 90):
        folder(masks, f"{white}/a.png", f"{white}/deep/b.png", white=white)
    assert {hole.name for hole in find_holes("mean", truth, masks=masks, bands=[2]).holes} == {"25/a", "25/deep/b"}
    assert {hole.band for hole in find_holes("mean", truth, masks=masks).holes} == {0, 2, None}
    with refused(UsageError, f"{masks}: no mask covers 10-20 % or 50-60 % of its picture."):
        find_holes("mean", truth, masks=masks, bands=[5, 1])


def test_a_finished_picture_stands_at_the_place_of_its_mask(truth: Path, tmp_path: Path):
    masks = folder(tmp_path / "masks", "band-1/a.png", "deep/b.png")
    made = folder(tmp_path / "made", "band-1/a.bmp", "deep/b.png")
    found = find_holes(made, truth, masks=masks)
    assert [hole.made for hole in found.holes] == [made / "band-1/a.bmp", made / "deep/b.png"]


def test_finished_pictures_are_needed_for_the_bands_that_are_measured_only(truth: Path, tmp_path: Path):
    masks = folder(tmp_path / "masks", "1/a.png", "1/deep/b.png")
    folder(masks, "2/a.png", "2/deep/b.png", white=30)
    made = folder(tmp_path / "made", "1/a.png", "1/deep/b.png")
    assert len(find_holes(made, truth, masks=masks, bands=[1]).holes) == 2
    with refused(UsageError, f"{made}: no picture for 2 of 4 masks, such as '2/a'. Names must be the same;"):
        find_holes(made, truth, masks=masks)


def test_bands_are_told_as_shares():
    assert [shares(band) for band in (0, 5, None)] == ["1-10 %", "50-60 %", "other"]


# ---------------------------------------------------------------- whose work it is


def test_the_task_is_that_of_the_baseline_or_the_model_and_masks_decide_for_a_folder(truth: Path, doubling: Path):
    assert task_of("bicubic", has_masks=True) == "upscale"
    assert {task_of(who, has_masks=False) for who in ("mean", "telea", "navier-stokes")} == {"inpaint"}
    assert (task_of(truth, has_masks=True), task_of(truth, has_masks=False)) == ("inpaint", "upscale")
    assert task_of(doubling, has_masks=True) == "upscale"


def test_a_folder_that_is_called_like_a_baseline_is_meant_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder(tmp_path / "mean", "a.png")
    monkeypatch.chdir(tmp_path)
    assert task_of("./mean", has_masks=False) == "upscale"
    assert task_of("mean", has_masks=False) == "inpaint"


def test_a_path_is_never_a_baseline_even_where_it_lost_its_dot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`Path("./mean")` is `Path("mean")`."""
    for name in ("mean", "bicubic", "truth"):
        folder(tmp_path / name, "a.png")
    monkeypatch.chdir(tmp_path)
    assert task_of(Path("./mean"), has_masks=True) == "inpaint"
    assert task_of(Path("./mean"), has_masks=False) == "upscale"
    assert task_of(Path("./bicubic"), has_masks=True) == "inpaint"
    filled = find_holes(Path("./mean"), "truth", masks="truth")
    assert (filled.who, filled.holes[0].made) == ("./mean", Path("mean/a.png"))
    enlarged = pair_up(Path("./bicubic"), "truth", scale=2)
    assert (enlarged.who, enlarged.cases[0].made) == ("./bicubic", Path("bicubic/a.png"))
    with refused(UsageError, "no model 'telea'."):
        find_holes(Path("telea"), "truth")


def test_the_names_of_the_baselines_are_those_of_what_fills():
    """They stand apart, so that a wrong call is told before OpenCV is loaded."""
    assert tuple(baselines.BASELINES) == BASELINES
    assert f"A BASELINE is bicubic, {', '.join(BASELINES[:-1])} or {BASELINES[-1]};" in " ".join(
        str(evaluate.help).split()
    )


def test_options_of_the_other_task_are_refused_by_name(tmp_path: Path):
    refuse_options("inpaint", {"--low": None, "--scale": None}, "mean")
    text = "mean: --scale is for where pictures are enlarged, and here holes are filled. Leave it out."
    with refused(UsageError, text):
        refuse_options("inpaint", {"--low": None, "--scale": 2}, "mean")
    text = "bicubic: --seed is for where holes are filled, and here pictures are enlarged. Leave it out."
    with refused(UsageError, text):
        refuse_options("upscale", {"--seed": 0}, "bicubic")


# ---------------------------------------------------------------- what is refused


def test_folders_that_are_not_there_or_empty_are_named(truth: Path, tmp_path: Path):
    with refused(UsageError, f"{tmp_path / 'none'}: there is no such folder."):
        find_holes("mean", tmp_path / "none")
    with refused(UsageError, f"{tmp_path / 'none'}: there is no such folder."):
        find_holes("mean", truth, masks=tmp_path / "none")
    with refused(UsageError, f"{truth / 'a.png'}: is no folder."):
        find_holes("mean", truth, masks=truth / "a.png")
    (tmp_path / "empty").mkdir()
    with refused(UsageError, f"{tmp_path / 'empty'}: there are no pictures in this folder."):
        find_holes("mean", truth, masks=tmp_path / "empty")
    with refused(UsageError, "no model 'nothing'."):
        find_holes("nothing", truth)


def test_pictures_without_a_mask_are_counted_and_the_first_is_named(truth: Path, tmp_path: Path):
    masks = folder(tmp_path / "masks", "band-0/a.png", "band-0/b.png")
    with refused(UsageError, f"{masks}: no mask for 1 of 2 true ones, such as 'deep/b'. Names must be the same;"):
        find_holes("mean", truth, masks=masks)


def test_finished_pictures_need_their_masks(truth: Path):
    with refused(UsageError, f"{truth}: nothing says which holes were filled here. Add --masks DIR."):
        find_holes(truth, truth)


def test_a_seed_and_given_masks_exclude_each_other(truth: Path):
    text = "--seed is for masks that are drawn, and --masks gives them. Leave one of them out."
    with refused(UsageError, text):
        find_holes("mean", truth, masks=truth, seed=0)


def test_bands_that_there_are_not_are_refused(truth: Path):
    for band in (6, -1):
        with refused(UsageError, f"--bands: there is no band {band}. Bands go from 0 to 5, such as --bands 0,1."):
            find_holes("mean", truth, bands=[0, band])
    with refused(UsageError, "--bands: no band is named."):
        find_holes("mean", truth, bands=[])


def test_masks_without_a_hole_or_of_nothing_else_are_refused(truth: Path, tmp_path: Path):
    for white, text in (
        (0, "this mask is black: there is no hole."),
        (100, "this mask is all white: nothing is known."),
    ):
        masks = folder(tmp_path / str(white), "a.png", "deep/b.png", white=white)
        with refused(ImageError, f"{masks / 'a.png'}: {text} White is the hole."):
            find_holes("mean", truth, masks=masks)


def test_a_mask_that_cannot_be_read_is_named(truth: Path, tmp_path: Path):
    masks = folder(tmp_path / "masks", "a.png", "deep/b.png")
    (masks / "a.png").write_bytes((masks / "a.png").read_bytes()[:40])
    with refused(ImageError, f"{masks / 'a.png'}: "):
        find_holes("mean", truth, masks=masks)


def test_masks_and_finished_pictures_of_another_size_are_found_before_anything_is_measured(truth: Path, tmp_path: Path):
    masks = folder(tmp_path / "masks", "a.png", "deep/b.png")
    made = folder(tmp_path / "made", "a.png", "deep/b.png")
    write(Picture(np.zeros((12, 9, 3), dtype=np.uint8)), made / "deep/b.png")
    with refused(ImageError, f"{made / 'deep/b.png'}: 9x12 pixels: {truth / 'deep/b.png'} has 10x10."):
        find_holes(made, truth, masks=masks)
    half = np.zeros((10, 12, 1), dtype=np.uint8)
    half[:, 6:] = 255
    write(Picture(half), masks / "a.png")
    with refused(ImageError, f"{masks / 'a.png'}: 12x10 pixels: {truth / 'a.png'} has 10x10."):
        find_holes("mean", truth, masks=masks)


def test_a_picture_that_is_stored_on_its_side_has_the_size_that_it_is_shown_in(tmp_path: Path):
    """Turned by EXIF's orientation 6: stored 16 x 12, shown 12 x 16."""
    (tmp_path / "truth").mkdir()
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (16, 12)).save(tmp_path / "truth/a.jpg", exif=exif)
    mask = np.zeros((16, 12, 1), dtype=np.uint8)
    mask[:8] = 255
    (tmp_path / "masks").mkdir()
    write(Picture(mask), tmp_path / "masks/a.png")
    assert find_holes("mean", tmp_path / "truth", masks=tmp_path / "masks").holes[0].band == 4
    write(Picture(mask.transpose(1, 0, 2).copy()), tmp_path / "masks/a.png")
    with refused(ImageError, "a.png: 16x12 pixels: "):
        measure(find_holes("mean", tmp_path / "truth", masks=tmp_path / "masks"))


def test_a_true_picture_whose_size_cannot_be_read_is_named(truth: Path, tmp_path: Path):
    masks = folder(tmp_path / "masks", "a.png", "deep/b.png")
    (truth / "deep/b.png").write_bytes(b"no picture")
    with refused(ImageError, f"{truth / 'deep/b.png'}: "):
        find_holes("mean", truth, masks=masks)


def test_models_for_something_else_are_refused(tiny_model: Path, doubling: Path, truth: Path):
    text = "this model translates. Only models that enlarge pictures or fill holes have true ones"
    with refused(UsageError, f"{tiny_model}: {text}"):
        task_of(tiny_model, has_masks=True)
    with refused(UsageError, f"{doubling}: this model does not fill holes: its task is upscale."):
        find_holes(doubling, truth)


def test_a_run_without_a_model_is_no_folder_of_pictures(truth: Path, tmp_path: Path):
    run = folder(tmp_path / "run", "a.png")
    (run / "config.toml").touch()
    with refused(UsageError, f"{run}: this folder has no model.safetensors. It is a run that has not saved one yet."):
        find_holes(run, truth, masks=truth)
