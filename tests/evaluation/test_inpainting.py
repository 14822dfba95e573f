"""Filled holes against true pictures: figures computed by hand, the protocol step by step, and what is refused."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from i2i.config.networks import GatedConfig
from i2i.errors import ImageError
from i2i.evaluation import inpainting
from i2i.evaluation.baselines import BASELINES
from i2i.evaluation.inpainting import figures_of, measure
from i2i.evaluation.lpips import Lpips
from i2i.evaluation.mask_pairs import Masking, find_holes
from i2i.images.files import write
from i2i.images.masks import Mask, read_mask
from i2i.images.picture import Picture
from i2i.inference.inpainter import load_inpainter
from i2i.masks.fixed import fixed_mask
from i2i.models.modelfile import ModelInfo, save_model
from i2i.networks.build import build

EXACT = 1e-9


def smooth(height: int = 40, width: int = 36, channels: int = 3) -> np.ndarray:
    """A wave of each channel's own length, from 28 to 228."""
    rows, columns, channel = np.meshgrid(np.arange(height), np.arange(width), np.arange(channels), indexing="ij")
    return (128 + 100 * np.sin(rows / (3 + channel)) * np.cos(columns / (4 + channel))).astype(np.uint8)


def box(height: int, width: int, rows: slice, columns: slice) -> Mask:
    """A hole of one box."""
    mask = np.zeros((height, width), dtype=bool)
    mask[rows, columns] = True
    return mask


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write(Picture(pixels), path)


def save_mask(path: Path, mask: Mask) -> None:
    save(path, mask[:, :, None].astype(np.uint8) * 255)


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """Two pictures, the second one gray."""
    save(tmp_path / "truth/a.png", smooth())
    save(tmp_path / "truth/deep/b.png", smooth(64, 48, 1))
    return tmp_path / "truth"


@pytest.fixture
def masks(truth: Path, tmp_path: Path) -> Path:
    """Boxes in two folders, of a twelfth and of a quarter of each picture."""
    for place, height, width in (("a.png", 40, 36), ("deep/b.png", 64, 48)):
        save_mask(tmp_path / "masks/small" / place, box(height, width, slice(8, 8 + height // 4), slice(width // 3)))
        save_mask(tmp_path / "masks/large" / place, box(height, width, slice(height // 2), slice(6, 6 + width // 2)))
    return tmp_path / "masks"


# ---------------------------------------------------------------- figures by hand


def test_an_error_of_ten_levels_in_a_twelfth_of_a_flat_picture():
    flat = np.full((12, 12, 3), 100, dtype=np.uint8)
    mask = box(12, 12, slice(4, 7), slice(3, 7))  # 12 of 144 pixels
    figures = figures_of(Picture(flat + np.uint8(10)), Picture(flat), mask)
    assert figures.hole_l1 == pytest.approx(100 * 10 / 255, abs=EXACT)
    assert figures.l1 == pytest.approx(100 * 10 / 255 / 12, abs=EXACT)
    assert figures.hole_psnr == pytest.approx(20 * math.log10(25.5), abs=1e-6)
    assert figures.psnr == pytest.approx(20 * math.log10(25.5) + 10 * math.log10(12), abs=1e-6)


def test_an_error_in_one_channel_of_one_pixel_of_the_hole():
    truth = smooth(12, 12)
    made = truth.copy()
    made[5, 5, 1] += 51  # a fifth of white
    figures = figures_of(Picture(made), Picture(truth), box(12, 12, slice(4, 8), slice(4, 9)))
    assert figures.hole_l1 == pytest.approx(20 / (20 * 3), abs=EXACT)
    assert figures.l1 == pytest.approx(20 / (144 * 3), abs=EXACT)
    assert figures.hole_psnr == pytest.approx(10 * math.log10(25 * 20 * 3), abs=1e-6)


def similarity_by_opencv(made: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Wang et al. 2004, equation 13, around each pixel (H, W, C) of pictures that are mirrored at their borders."""
    bell = cv2.getGaussianKernel(11, 1.5)
    x, y = made.astype(np.float64), truth.astype(np.float64)

    def blur(values: np.ndarray) -> np.ndarray:
        return cv2.sepFilter2D(values, -1, bell, bell, borderType=cv2.BORDER_REFLECT_101)

    mean_x, mean_y = blur(x), blur(y)
    variance_x, variance_y = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2
    covariance = blur(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    top = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return top / ((mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2))


def test_ssim_is_that_of_the_formula_averaged_over_the_hole_or_over_windows_inside():
    truth, mask = smooth(), box(40, 36, slice(0, 17), slice(20, 36))  # in a corner
    made = np.where(mask[:, :, None], np.random.default_rng(0).integers(0, 256, truth.shape, dtype=np.uint8), truth)
    similar = similarity_by_opencv(made, truth)
    figures = figures_of(Picture(made), Picture(truth), mask)
    assert figures.hole_ssim == pytest.approx(similar[mask].mean(), abs=EXACT)
    assert figures.ssim == pytest.approx(similar[5:-5, 5:-5].mean(), abs=EXACT)


def test_a_perfect_restoration():
    figures = figures_of(Picture(smooth()), Picture(smooth()), box(40, 36, slice(3, 20), slice(9)))
    assert (figures.hole_l1, figures.l1, figures.hole_psnr, figures.psnr) == (0, 0, 100, 100)
    assert (figures.hole_ssim, figures.ssim) == pytest.approx((1, 1), abs=EXACT)


def test_known_pixels_are_the_true_ones_whatever_was_made_of_them():
    truth, mask = smooth(), box(40, 36, slice(3, 20), slice(9))
    made = 255 - truth
    composite = np.where(mask[:, :, None], made, truth)
    assert figures_of(Picture(made), Picture(truth), mask) == figures_of(Picture(composite), Picture(truth), mask)


def test_a_result_in_colour_is_compared_with_a_gray_truth_as_gray():
    gray, mask = smooth(channels=1), box(40, 36, slice(3, 20), slice(9))
    made = gray + np.uint8(1)
    in_colour = figures_of(Picture(made.repeat(3, axis=2)), Picture(gray), mask)
    assert in_colour == figures_of(Picture(made), Picture(gray), mask)
    assert in_colour.hole_l1 == pytest.approx(100 / 255, abs=EXACT)


# ---------------------------------------------------------------- measuring a folder


def test_the_baselines_are_always_there_and_alone_where_one_of_them_is_asked_for(truth: Path, masks: Path):
    report = measure(find_holes("telea", truth, masks=masks))
    assert [row.who for row in report.rows] == ["mean", "telea", "navier-stokes"]
    filled = report.rows[0].filled
    assert [(one.picture, one.mask, one.band) for one in filled] == [
        ("a", "large/a", 2),
        ("a", "small/a", 0),
        ("deep/b", "large/deep/b", 2),
        ("deep/b", "small/deep/b", 0),
    ]
    assert [one.area for one in filled] == pytest.approx([1 / 4, 1 / 12, 1 / 4, 1 / 12])


def test_a_folder_of_what_a_baseline_makes_has_its_figures(truth: Path, masks: Path, tmp_path: Path):
    for place, pixels in (("a", smooth()), ("deep/b", smooth(64, 48, 1))):
        for size in ("small", "large"):
            mask = read_mask(masks / size / f"{place}.png")
            made = BASELINES["telea"](Picture(pixels), mask).pixels
            save(tmp_path / "made" / size / f"{place}.bmp", made)
    report = measure(find_holes(tmp_path / "made", truth, masks=masks))
    assert [row.who for row in report.rows] == ["mean", "telea", "navier-stokes", str(tmp_path / "made")]
    assert report.rows[3].filled == report.rows[1].filled


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model file with the smallest network, whose weights are drawn."""
    torch.manual_seed(0)
    config = GatedConfig(filters=4, attention=False)
    info = ModelInfo(task="inpaint", directions=("fill",), networks={"fill": config}, multiple=8, minimum=8)
    save_model(tmp_path / "model.safetensors", {"fill": build(config)}, info, half=False)
    return tmp_path / "model.safetensors"


def test_a_model_and_a_folder_of_what_it_makes_have_the_same_figures(
    model: Path, truth: Path, masks: Path, tmp_path: Path
):
    inpaint = load_inpainter(model, device="cpu")
    for place, pixels in (("a", smooth()), ("deep/b", smooth(64, 48, 1))):
        for size in ("small", "large"):
            made = inpaint(Picture(pixels), read_mask(masks / size / f"{place}.png"))
            save(tmp_path / "made" / size / f"{place}.png", made.pixels)
    by_model = measure(find_holes(model, truth, masks=masks), device="cpu")
    by_folder = measure(find_holes(tmp_path / "made", truth, masks=masks))
    assert [row.who for row in by_model.rows] == ["mean", "telea", "navier-stokes", str(model)]
    assert by_model.rows[3].filled == by_folder.rows[3].filled
    assert by_model.rows[3].mean.hole_l1 > 0
    assert by_model.rows[:3] == by_folder.rows[:3]


def test_drawn_masks_and_the_same_ones_from_files_give_equal_figures(truth: Path, tmp_path: Path):
    for place, size in (("a", (40, 36)), ("deep/b", (64, 48))):
        for band in (1, 3):
            save_mask(tmp_path / f"masks/band-{band}/{place}.png", fixed_mask(*size, band, place, 7))
    drawn = measure(find_holes("mean", truth, seed=7, bands=[1, 3]))
    given = measure(find_holes("mean", truth, masks=tmp_path / "masks"))
    assert drawn.rows == given.rows
    assert drawn.protocol.replace("masks drawn from seed 7", "masks as given") == given.protocol
    assert measure(find_holes("mean", truth, seed=8, bands=[1, 3])).rows != drawn.rows


def test_whoever_fills_a_hole_sees_black_in_it(truth: Path, masks: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[int] = []

    def peek(picture: Picture, mask: Mask) -> Picture:
        seen.append(int(picture.pixels[mask].max()))
        assert picture.pixels[~mask].min() > 0
        return picture

    monkeypatch.setattr(inpainting, "BASELINES", {"peek": peek})
    measure(_by(truth, masks, "peek"))
    assert seen == [0] * 4


def _by(truth: Path, masks: Path, who: str) -> Masking:
    return replace(find_holes("mean", truth, masks=masks), who=who)


def test_each_hole_is_counted_when_it_is_measured(truth: Path, masks: Path):
    counted: list[None] = []
    measure(find_holes("mean", truth, masks=masks), counted=lambda: counted.append(None))
    assert len(counted) == 4


def test_sixteen_bits_and_alpha_are_reduced_to_eight_bits_of_colour(tmp_path: Path):
    deep = Picture(smooth().astype(np.uint16) * 257 + 100, np.full((40, 36), 7, np.uint16))
    (tmp_path / "truth").mkdir()
    write(deep, tmp_path / "truth/a.png")
    save(tmp_path / "made/a.png", smooth())
    save_mask(tmp_path / "masks/a.png", box(40, 36, slice(9), slice(20)))
    report = measure(find_holes(tmp_path / "made", tmp_path / "truth", masks=tmp_path / "masks"))
    assert report.rows[3].mean.hole_psnr == 100


def test_the_protocol_in_words(truth: Path, masks: Path):
    assert measure(find_holes("mean", truth, masks=masks)).protocol == (
        "4 holes in 2 pictures; masks as given; 8 bit, known pixels are the true ones; L1 in percent of white; "
        "first three figures over the hole alone, the others over the whole picture; SSIM by a Gaussian of 11x11, 1.5"
    )


def test_lpips_is_that_of_the_whole_picture_and_left_out_below_31_px(test_data: Path, tmp_path: Path):
    lpips = Lpips(test_data / "weights/alexnet_features_fp16.safetensors")
    for name, height in (("large", 40), ("small", 30)):
        truth, mask = smooth(height, 36), box(height, 36, slice(3, 20), slice(9))
        save(tmp_path / f"truth/{name}.png", truth)
        save(tmp_path / f"made/{name}.png", 255 - truth)
        save_mask(tmp_path / f"masks/{name}.png", mask)
    report = measure(find_holes(tmp_path / "made", tmp_path / "truth", masks=tmp_path / "masks"), lpips=lpips)
    large, small = report.rows[3].filled
    truth, mask = smooth(40, 36), box(40, 36, slice(3, 20), slice(9))
    assert large.figures.lpips == lpips(np.where(mask[:, :, None], 255 - truth, truth), truth)
    assert small.figures.lpips is None
    assert report.protocol.endswith("; LPIPS 0.1 by AlexNet, whole picture")


@pytest.mark.thorough
def test_telea_is_nearer_than_the_mean_colour_on_a_photo_in_every_band(test_data: Path, tmp_path: Path):
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth/kodim23.jpg").symlink_to(test_data / "photos/val/kodim23.jpg")
    mean, telea, _ = measure(find_holes("telea", tmp_path / "truth")).rows
    assert list(telea.bands) == [0, 1, 2, 3, 4, 5]
    for band, figures in telea.bands.items():
        assert figures.hole_l1 < mean.bands[band].hole_l1
        assert figures.l1 < figures.hole_l1


# ---------------------------------------------------------------- what is refused


def refused(text: str) -> pytest.RaisesExc[ImageError]:
    return pytest.raises(ImageError, match=re.escape(text))


def test_masks_and_finished_pictures_of_another_size_are_told_with_both_files(truth: Path, masks: Path, tmp_path: Path):
    save_mask(masks / "small/a.png", box(36, 40, slice(9), slice(9)))
    with refused(f"{masks / 'small/a.png'}: 40x36 pixels: {truth / 'a.png'} has 36x40."):
        find_holes("mean", truth, masks=masks)
    save_mask(masks / "small/a.png", box(40, 36, slice(9), slice(9)))
    for place in ("small/a", "large/a", "small/deep/b", "large/deep/b"):
        save(tmp_path / "made" / f"{place}.png", smooth(41, 36))
    made = tmp_path / "made"
    with refused(f"{made / 'large/a.png'}: 36x41 pixels: {truth / 'a.png'} has 36x40."):
        find_holes(made, truth, masks=masks)


def test_a_file_that_changes_its_size_meanwhile_is_told_too(truth: Path, masks: Path, tmp_path: Path):
    found = find_holes("mean", truth, masks=masks)
    save_mask(masks / "large/a.png", box(36, 40, slice(9), slice(9)))
    with refused(f"{masks / 'large/a.png'}: 40x36 pixels: {truth / 'a.png'} has 36x40."):
        measure(found)


def test_what_is_smaller_than_a_window_of_ssim_is_refused(tmp_path: Path):
    save(tmp_path / "truth/a.png", smooth(40, 10))
    save_mask(tmp_path / "masks/a.png", box(40, 10, slice(9), slice(9)))
    with refused(f"{tmp_path / 'truth/a.png'}: 10x40 pixels: 11 px a side are needed."):
        measure(find_holes("mean", tmp_path / "truth", masks=tmp_path / "masks"))
    save(tmp_path / "truth/a.png", smooth(40, 11))
    save_mask(tmp_path / "masks/a.png", box(40, 11, slice(9), slice(9)))
    assert measure(find_holes("mean", tmp_path / "truth", masks=tmp_path / "masks")).rows[0].mean.ssim < 1


def test_a_picture_that_cannot_be_read_or_filled_is_named(truth: Path, masks: Path, monkeypatch: pytest.MonkeyPatch):
    def fails(picture: Picture, mask: Mask) -> Picture:
        raise ImageError("the network's output is not finite.", hint="Train it on.")

    monkeypatch.setattr(inpainting, "BASELINES", {"fails": fails})
    with refused(f"{truth / 'a.png'}: the network's output is not finite. Train it on."):
        measure(_by(truth, masks, "fails"))
    (truth / "a.png").write_bytes((truth / "a.png").read_bytes()[:200])
    with refused(f"{truth / 'a.png'}: "):
        measure(_by(truth, masks, "fails"))
