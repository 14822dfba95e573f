"""Enlarged pictures against true ones: published tables, the protocol step by step, and what is refused."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from i2i.config.networks import CompactConfig
from i2i.errors import I2IError, ImageError, ModelError, UsageError
from i2i.evaluation import restoration
from i2i.evaluation.lpips import Lpips
from i2i.evaluation.pairs import pair_up
from i2i.evaluation.restoration import Figures, Report, Row, measure
from i2i.images.files import write
from i2i.images.picture import Picture
from i2i.models.modelfile import ModelInfo, save_model
from i2i.networks.build import build

ONE_LEVEL = 20 * math.log10(255)  # dB of an error of one level everywhere: 48.13


def smooth(height: int = 40, width: int = 36, channels: int = 3) -> np.ndarray:
    """A wave of each channel's own length, from 28 to 228."""
    rows, columns, channel = np.meshgrid(np.arange(height), np.arange(width), np.arange(channels), indexing="ij")
    return (128 + 100 * np.sin(rows / (3 + channel)) * np.cos(columns / (4 + channel))).astype(np.uint8)


def folder(path: Path, **pictures: np.ndarray) -> Path:
    """A folder of PNG files."""
    path.mkdir()
    for name, pixels in pictures.items():
        write(Picture(pixels), path / f"{name}.png")
    return path


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    return folder(tmp_path / "truth", a=smooth())


def doubling_model(path: Path, weights: float = 0.0) -> Path:
    """A model that adds nothing to each pixel repeated twice in both directions, unless it has weights."""
    config = CompactConfig(filters=4, convolutions=1, scale=2)
    network = build(config)
    for values in network.parameters():
        torch.nn.init.constant_(values, weights)
    info = ModelInfo(task="upscale", directions=("up",), networks={"up": config})
    save_model(path, {"up": network}, info, half=False)
    return path


@pytest.fixture
def doubling(tmp_path: Path) -> Path:
    return doubling_model(tmp_path / "doubling.safetensors")


# ---------------------------------------------------------------- published tables


@pytest.mark.parametrize(
    ("scale", "psnr", "ssim", "published", "rgb"),
    [(2, 33.661, 0.9299, 33.66, 31.787), (3, 30.392, 0.8682, 30.39, 28.624), (4, 28.421, 0.8104, 28.42, 26.692)],
)
def test_bicubic_has_the_published_figures_of_set5(
    test_data: Path, scale: int, psnr: float, ssim: float, published: float, rgb: float
):
    mean = measure(pair_up("bicubic", test_data / "sr/Set5/HR", scale=scale)).rows[0].mean
    assert mean.psnr_y == pytest.approx(psnr, abs=0.001)
    assert mean.psnr_y == pytest.approx(published, abs=0.005)
    assert mean.ssim_y == pytest.approx(ssim, abs=0.0001)
    assert mean.psnr_rgb == pytest.approx(rgb, abs=0.001)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("scale", "psnr", "ssim", "rgb"),
    [(2, 30.232, 0.8687, 28.518), (3, 27.541, 0.7736, 25.944), (4, 26.000, 0.7019, 24.462)],
)
def test_bicubic_has_the_known_figures_of_set14_whose_bridge_is_gray(
    test_data: Path, scale: int, psnr: float, ssim: float, rgb: float
):
    mean = measure(pair_up("bicubic", test_data / "sr/Set14/HR", scale=scale)).rows[0].mean
    assert mean.psnr_y == pytest.approx(psnr, abs=0.001)
    assert mean.ssim_y == pytest.approx(ssim, abs=0.0001)
    assert mean.psnr_rgb == pytest.approx(rgb, abs=0.001)


def test_published_small_pictures_of_set5_give_the_figures_of_bicubic_through_colours(test_data: Path):
    asked = pair_up("bicubic", test_data / "sr/Set5/HR", low=test_data / "sr/Set5/LR_bicubic_x4")
    report = measure(asked)
    assert report.scale == 4
    assert report.rows[0].mean.psnr_y == pytest.approx(28.429, abs=0.002)  # their border differs by some pixels
    assert report.rows[0].mean.ssim_y == pytest.approx(0.8111, abs=0.0001)
    assert report.rows[0].mean.psnr_rgb == pytest.approx(26.692, abs=0.002)


# ---------------------------------------------------------------- the protocol


def measured(made: np.ndarray, truth: np.ndarray, tmp_path: Path, scale: int = 2) -> Figures:
    """The figures of one finished picture."""
    asked = pair_up(folder(tmp_path / "made", a=made), folder(tmp_path / "true", a=truth), scale=scale)
    return measure(asked).rows[1].pictures["a"]


def test_an_error_of_one_level_everywhere_is_48_13_db_in_colours_and_219_255ths_of_it_in_luma(tmp_path: Path):
    figures = measured(smooth() + np.uint8(1), smooth(), tmp_path)
    assert figures.psnr_rgb == pytest.approx(ONE_LEVEL, abs=1e-6)
    assert figures.psnr_y == pytest.approx(ONE_LEVEL + 20 * math.log10(255 / 219), abs=1e-6)


def test_equal_pictures_have_100_db_and_an_ssim_of_1(tmp_path: Path):
    figures = measured(smooth(), smooth(), tmp_path)
    assert (figures.psnr_y, figures.psnr_rgb) == (100, 100)
    assert (figures.ssim_y, figures.ssim_rgb) == pytest.approx((1, 1))


def test_gray_is_luma_as_it_is(tmp_path: Path):
    gray = smooth(channels=1)
    figures = measured(gray + np.uint8(1), gray, tmp_path)
    assert figures.psnr_y == figures.psnr_rgb == pytest.approx(ONE_LEVEL, abs=1e-6)
    assert figures.ssim_y == figures.ssim_rgb


def test_a_result_in_colour_is_compared_with_a_gray_truth_as_gray(tmp_path: Path):
    gray = smooth(channels=1)
    figures = measured(gray.repeat(3, axis=2) + np.uint8(1), gray, tmp_path)
    assert figures.psnr_y == pytest.approx(ONE_LEVEL, abs=1e-6)


def test_as_many_pixels_of_border_as_the_scale_do_not_count(tmp_path: Path):
    truth = smooth()
    made = np.full_like(truth, 255)
    made[3:-3, 3:-3] = truth[3:-3, 3:-3]
    assert measured(made[:39], truth[:39], tmp_path, scale=3).psnr_rgb == 100
    with_one_more = made.copy()
    with_one_more[3, 3] = 255 - truth[3, 3]
    (tmp_path / "other").mkdir()
    assert measured(with_one_more[:39], truth[:39], tmp_path / "other", scale=3).psnr_rgb < 100


def test_the_truth_is_cut_to_multiples_of_the_scale_and_finished_pictures_may_be_whole_or_cut(tmp_path: Path):
    whole = smooth(43, 38)
    assert measured(whole[:40, :36], whole, tmp_path, scale=4).psnr_rgb == 100
    (tmp_path / "other").mkdir()
    assert measured(whole, whole, tmp_path / "other", scale=4).psnr_rgb == 100


def test_sixteen_bits_and_alpha_are_reduced_to_eight_bits_of_colour(tmp_path: Path):
    deep = Picture(smooth().astype(np.uint16) * 257 + 100, np.full((40, 36), 7, np.uint16))
    true, made = folder(tmp_path / "true"), folder(tmp_path / "made", a=smooth())
    write(deep, true / "a.png")
    assert measure(pair_up(made, true, scale=2)).rows[1].mean.psnr_rgb == 100


def test_a_model_is_measured_by_what_it_makes_of_the_shrunk_truth_beside_bicubic(doubling: Path, truth: Path):
    report = measure(pair_up(doubling, truth), device="cpu")
    assert [row.who for row in report.rows] == ["bicubic", str(doubling)]
    assert report.scale == 2
    alone = measure(pair_up("bicubic", truth, scale=2))
    assert report.rows[0] == alone.rows[0]
    assert report.rows[0].mean.psnr_y > report.rows[1].mean.psnr_y  # bicubic is nearer than repeated pixels


def test_a_model_and_a_folder_of_what_it_makes_of_small_pictures_have_the_same_figures(
    doubling: Path, truth: Path, tmp_path: Path
):
    small = smooth()[::2, ::2]
    low = folder(tmp_path / "low", a=small)
    made = folder(tmp_path / "made", a=small.repeat(2, axis=0).repeat(2, axis=1))
    by_model = measure(pair_up(doubling, truth, low=low), device="cpu")
    by_folder = measure(pair_up(made, truth, low=low))
    assert by_model.rows[0] == by_folder.rows[0]
    assert by_model.rows[1].pictures == by_folder.rows[1].pictures


def test_gray_goes_through_a_model_of_colours_and_stays_gray(doubling: Path, tmp_path: Path):
    true = folder(tmp_path / "true", a=smooth(channels=1))
    figures = measure(pair_up(doubling, true), device="cpu").rows[1].mean
    assert figures.psnr_y == figures.psnr_rgb


def test_files_are_matched_by_their_place_whatever_their_suffix(tmp_path: Path):
    for top, suffix in (("true", ".png"), ("made", ".tiff")):
        for place in ("a", "deep/a"):
            (tmp_path / top / place).parent.mkdir(parents=True, exist_ok=True)
            write(Picture(smooth() if place == "a" else 255 - smooth()), tmp_path / top / f"{place}{suffix}")
    pictures = measure(pair_up(tmp_path / "made", tmp_path / "true", scale=2)).rows[1].pictures
    assert {name: figures.psnr_rgb for name, figures in pictures.items()} == {"a": 100, "deep/a": 100}


def test_small_pictures_may_be_turned_by_their_exif(tmp_path: Path):
    from PIL import Image

    true = folder(tmp_path / "true", a=smooth(60, 24))
    (tmp_path / "low").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    stored = Image.fromarray(np.ascontiguousarray(np.rot90(smooth(60, 24)[::2, ::2])))
    stored.save(tmp_path / "low" / "a.png", exif=exif)
    report = measure(pair_up("bicubic", true, low=tmp_path / "low"))
    assert report.scale == 2
    assert report.rows[0].mean.psnr_y > 20


# ---------------------------------------------------------------- LPIPS


def test_lpips_is_measured_inside_the_border_and_left_out_below_31_px(test_data: Path, tmp_path: Path):
    lpips = Lpips(test_data / "weights/alexnet_features_fp16.safetensors")
    whole, made = smooth(64, 64), 255 - smooth(64, 64)
    true = folder(tmp_path / "true", large=whole, small=whole[:34, :34])
    done = folder(tmp_path / "made", large=made, small=made[:34, :34])
    report = measure(pair_up(done, true, scale=2), lpips=lpips)
    pictures = report.rows[1].pictures
    assert pictures["large"].lpips == lpips(made[2:-2, 2:-2], whole[2:-2, 2:-2])
    assert pictures["small"].lpips is None
    assert report.rows[1].mean.lpips is None
    assert report.lines()[0].endswith("; LPIPS 0.1 by AlexNet")
    assert report.lines()[-1].endswith("-")


# ---------------------------------------------------------------- reports


REPORT = Report(
    4,
    "x4, 2 pictures",
    (
        Row("bicubic", {"a": Figures(20.0, 0.5, 19.0, 0.25), "deep/b\n": Figures(30.0, 0.7, 21.0, 0.75)}),
        Row("photo-x4", {"a": Figures(21.0, 0.6, 20.0, 0.5), "deep/b\n": Figures(100.0, 1.0, 100.0, 1.0)}),
    ),
)


def test_the_table_has_a_line_for_each_picture_and_row_and_the_means_last():
    assert REPORT.lines() == [
        "x4, 2 pictures",
        "picture   by        PSNR Y  SSIM Y  PSNR RGB  SSIM RGB",
        "a         bicubic    20.00  0.5000     19.00    0.2500",
        "a         photo-x4   21.00  0.6000     20.00    0.5000",
        "deep/b\\n  bicubic    30.00  0.7000     21.00    0.7500",
        "deep/b\\n  photo-x4  100.00  1.0000    100.00    1.0000",
        "mean      bicubic    25.00  0.6000     20.00    0.5000",
        "mean      photo-x4   60.50  0.8000     60.00    0.7500",
    ]


def test_the_document_holds_everything_in_full():
    document = json.loads(json.dumps(REPORT.as_json()))
    assert (document["schema"], document["scale"], document["protocol"]) == (1, 4, "x4, 2 pictures")
    assert [row["name"] for row in document["rows"]] == ["bicubic", "photo-x4"]
    mean = {"psnr_y": 60.5, "ssim_y": 0.8, "psnr_rgb": 60.0, "ssim_rgb": 0.75, "lpips": None}
    assert document["rows"][1]["mean"] == pytest.approx(mean)
    first = {"name": "a", "psnr_y": 21.0, "ssim_y": 0.6, "psnr_rgb": 20.0, "ssim_rgb": 0.5, "lpips": None}
    assert document["rows"][1]["pictures"][0] == first


def test_the_protocol_says_where_small_pictures_come_from(truth: Path, tmp_path: Path):
    assert measure(pair_up("bicubic", truth, scale=2)).protocol == (
        "x2, 1 picture; truth cut to multiples of 2 at the right and below; small pictures from the truth by MATLAB's "
        "bicubic; results in 8 bit, 2 px of border left out; Y of BT.601 not rounded, but of the row bicubic rounded "
        "and enlarged alone; SSIM by a Gaussian of 11x11, 1.5"
    )
    low = folder(tmp_path / "low", a=smooth(20, 18))
    assert "; small pictures as given; " in measure(pair_up("bicubic", truth, low=low)).protocol


# ---------------------------------------------------------------- what is refused


def refused(error: type[I2IError], text: str):
    return pytest.raises(error, match=re.escape(text))


def test_folders_that_are_none_or_empty_are_named(truth: Path, tmp_path: Path):
    with refused(UsageError, f"{tmp_path / 'none'}: there is no such folder."):
        pair_up("bicubic", tmp_path / "none", scale=2)
    with refused(UsageError, f"{truth / 'a.png'}: is no folder."):
        pair_up("bicubic", truth / "a.png", scale=2)
    with refused(UsageError, f"{tmp_path / 'low'}: there is no such folder."):
        pair_up("bicubic", truth, low=tmp_path / "low")
    (tmp_path / "low").mkdir()
    with refused(UsageError, f"{tmp_path / 'low'}: there are no pictures in this folder."):
        pair_up("bicubic", truth, low=tmp_path / "low")
    with refused(UsageError, "no model 'nothing'."):
        pair_up("nothing", truth, scale=2)


def test_a_run_without_a_model_is_no_folder_of_pictures(truth: Path, tmp_path: Path):
    run = folder(tmp_path / "run", sample=smooth())
    (run / "config.toml").touch()
    with refused(UsageError, f"{run}: this folder has no model.safetensors. It is a run that has not saved one yet."):
        pair_up(run, truth, scale=2)


def test_true_pictures_without_another_are_counted_and_the_first_is_named(tmp_path: Path):
    true = folder(tmp_path / "true", a=smooth(), b=smooth(), c=smooth())
    made = folder(tmp_path / "made", a=smooth(), bx4=smooth())
    with refused(UsageError, f"{made}: no picture for 2 of 3 true ones, such as 'b'. Names must be the same;"):
        pair_up(made, true, scale=2)
    with refused(UsageError, f"{made}: no picture for 2 of 3 true ones, such as 'b'."):
        pair_up("bicubic", true, low=made)


def test_two_pictures_of_one_name_are_refused(truth: Path):
    write(Picture(smooth()), truth / "a.bmp")
    with refused(UsageError, f"{truth}: 'a.bmp' and 'a.png' have one name."):
        pair_up("bicubic", truth, scale=2)


def test_a_scale_that_nothing_says_is_asked_for(truth: Path, tmp_path: Path):
    text = "nothing says how many times pictures are enlarged. Add --scale N or --low DIR."
    for who in ("bicubic", folder(tmp_path / "made", a=smooth())):
        with refused(UsageError, text):
            pair_up(who, truth)


def test_a_model_that_translates_or_enlarges_otherwise_is_refused(tiny_model: Path, doubling: Path, truth: Path):
    with refused(UsageError, f"{tiny_model}: this model does not enlarge pictures: its task is translate."):
        pair_up(tiny_model, truth)
    with refused(UsageError, f"{doubling}: this model enlarges 2 times, --scale says 4."):
        pair_up(doubling, truth, scale=4)


def test_a_damaged_model_is_refused(truth: Path, tmp_path: Path):
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    with refused(ModelError, "other.safetensors: holds weights without a description by i2i."):
        pair_up(tmp_path / "other.safetensors", truth)


def test_sizes_that_do_not_fit_are_told_with_both_files(truth: Path, tmp_path: Path):
    low = folder(tmp_path / "low", a=smooth(20, 17))
    with refused(ImageError, f"{low / 'a.png'}: 17x20 pixels: at x2, {truth / 'a.png'} needs 18x20."):
        measure(pair_up("bicubic", truth, low=low))
    made = folder(tmp_path / "made", a=smooth(36, 40))
    with refused(ImageError, f"{made / 'a.png'}: 40x36 pixels: {truth / 'a.png'} has 36x40."):
        measure(pair_up(made, truth, scale=2))


def test_what_is_too_small_for_a_window_of_ssim_and_both_borders_is_refused(tmp_path: Path):
    true = folder(tmp_path / "true", a=smooth(20, 40))
    assert measure(pair_up("bicubic", true, scale=4)).rows[0].mean.ssim_y < 1  # 12 px inside
    write(Picture(smooth(19, 40)), true / "b.png")
    with refused(ImageError, f"{true / 'b.png'}: 40x19 pixels: at x4, 20 px a side are needed."):
        measure(pair_up("bicubic", true, scale=4))


def test_a_picture_that_cannot_be_read_is_named(truth: Path, tmp_path: Path):
    (truth / "b.png").write_bytes((truth / "a.png").read_bytes()[:200])
    with refused(ImageError, f"{truth / 'b.png'}: "):
        measure(pair_up("bicubic", truth, scale=2))


def test_what_to_do_about_a_picture_that_fails_is_told(doubling: Path, truth: Path, monkeypatch: pytest.MonkeyPatch):
    def fails(picture: Picture) -> Picture:
        raise ImageError("holds class 9.", hint="Give one that it knows.")

    monkeypatch.setattr(restoration, "load", lambda path, device: fails)
    with refused(ImageError, f"{truth / 'a.png'}: holds class 9. Give one that it knows."):
        measure(pair_up(doubling, truth))


def test_a_picture_that_the_model_fails_at_is_named(truth: Path, tmp_path: Path):
    model = doubling_model(tmp_path / "wild.safetensors", weights=1e30)
    with refused(ImageError, f"{truth / 'a.png'}: the network's output is not finite"):
        measure(pair_up(model, truth), device="cpu")
