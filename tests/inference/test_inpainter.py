from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from i2i.config.networks import GatedConfig
from i2i.errors import ImageError, NoMemoryError, StoppedError, UsageError
from i2i.images.files import write
from i2i.images.picture import WHITE, Picture
from i2i.inference.batch import Options, plan_files, translate_files
from i2i.inference.inpainter import Inpainter, load_inpainter
from i2i.inference.inputs import Selection
from i2i.inference.marking import Marking
from i2i.inference.ways import Running
from i2i.models.info import TrainingScale
from i2i.models.modelfile import ModelInfo

CPU = torch.device("cpu")
GREEN = (0.2, 0.8, 0.4)


class Paints(nn.Module):
    """Paints one colour everywhere, and keeps what it was shown."""

    def __init__(self, colour: tuple[float, ...] = GREEN) -> None:
        super().__init__()
        self.colour, self.seen = colour, list[Tensor]()

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x.clone())
        return torch.tensor(self.colour).reshape(1, 3, 1, 1).expand(1, 3, *x.shape[2:]) * 2 - 1


class Averages(Paints):
    """The mean of all that is known in its window; gray where nothing is."""

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x.clone())
        known = 1 - x[:, 3:]
        means = (x[:, :3] * known).sum(dim=(2, 3), keepdim=True) / known.sum(dim=(2, 3), keepdim=True).clamp(min=1)
        return means.expand_as(x[:, :3])


class Blurs(Paints):
    """The mean of the known pixels in each row of its window."""

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x.clone())
        known = 1 - x[:, 3:]
        means = (x[:, :3] * known).sum(dim=3, keepdim=True) / known.sum(dim=3, keepdim=True).clamp(min=1)
        return means.expand_as(x[:, :3])


def inpainter(network: nn.Module, *, feather: int = 0, **running: Any) -> Inpainter:
    config = GatedConfig(filters=4)
    info = ModelInfo(task="inpaint", directions=("fill",), networks={"fill": config}, multiple=8, minimum=8)
    return Inpainter(network, info, CPU, feather=feather, running=Running(**running))


def noise(height: int, width: int, channels: int = 3, kind: str = "uint8", seed: int = 0) -> np.ndarray:
    unit = np.random.default_rng(seed).random((height, width, channels))
    return unit.astype(np.float32) if kind == "float32" else (unit * WHITE[kind]).astype(kind)


def box(height: int, width: int, top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = np.zeros((height, width), dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


def random_mask(height: int, width: int, random: np.random.Generator) -> np.ndarray:
    """Neither empty nor full."""
    mask = (random.random((height, width)) < random.random()).ravel()
    mask[random.choice(mask.size, 2, replace=False)] = [True, False]
    return mask.reshape(height, width)


# What is known


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(1, 2), (3, 1), (7, 200), (40, 50), (150, 131)])
def test_the_hole_is_painted_and_all_else_is_the_input_bit_for_bit(size: tuple[int, int], channels: int, kind: str):
    random = np.random.default_rng(1)
    pixels, mask = noise(*size, channels, kind), random_mask(*size, random)
    made = inpainter(Paints(), max_side=64)(pixels, mask)
    assert (made.dtype, made.shape) == (pixels.dtype, pixels.shape)
    assert np.array_equal(made[~mask], pixels[~mask])
    luma = [0.299 * GREEN[0] + 0.587 * GREEN[1] + 0.114 * GREEN[2]]
    expected = np.array(GREEN if channels == 3 else luma) * WHITE[kind]
    assert np.abs(made[mask] - expected).max() <= (0.5 if kind != "float32" else 1e-6) + 1e-2 * (kind == "uint16")


def test_of_a_file_with_a_profile_the_known_area_is_the_same_in_the_file_that_is_written(tmp_path: Path):
    pixels, mask = noise(40, 50), box(40, 50, 10, 12, 20, 30)
    Image.fromarray(pixels).save(tmp_path / "a.png", icc_profile=imagecodecs.cms_profile("adobergb"))
    made = inpainter(Paints())(tmp_path / "a.png", mask)
    write(made, tmp_path / "b.png")
    after = imagecodecs.png_decode((tmp_path / "b.png").read_bytes())
    assert np.array_equal(after[~mask], pixels[~mask])
    assert not np.array_equal(after[mask], pixels[mask])


def test_alpha_stays_and_what_it_hides_is_shown_in_the_colours_around_it_and_not_changed():
    pixels, alpha = np.full((20, 20, 3), 200, np.uint8), np.full((20, 20), 255, np.uint8)
    pixels[:, :8], alpha[:, :8] = 0, 0
    network, mask = Paints(), box(20, 20, 5, 12, 9, 16)
    made = inpainter(network)(Picture(pixels, alpha), mask)
    assert made.alpha is not None
    assert np.array_equal(made.alpha, alpha)
    assert np.array_equal(made.pixels[~mask], pixels[~mask])
    shown = (network.seen[0][0, :3, :20, :20] + 1) / 2 * 255
    assert shown[:, ~torch.from_numpy(mask)].min() == pytest.approx(200, abs=0.01)


@pytest.mark.parametrize("feather", [1, 5, 8])
def test_a_feather_fades_over_so_many_pixels_around_the_hole_and_no_further(feather: int):
    pixels, mask = np.zeros((60, 60, 3), np.uint8), box(60, 60, 20, 20, 40, 40)
    made = inpainter(Paints((1, 1, 1)), feather=feather, max_side=64)(pixels, mask)
    row = made[30, :, 0].astype(float)
    expected = 255 * (1 - np.arange(1, feather + 1) / (feather + 1))
    assert np.abs(row[40 : 40 + feather] - expected).max() < 0.51
    assert not row[40 + feather :].any()
    assert (row[20:40] == 255).all()


def test_a_feather_around_a_hole_that_is_cut_fades_as_around_one_that_is_not():
    pixels, mask = np.zeros((40, 700, 3), np.uint8), box(40, 700, 19, 20, 21, 680)
    made = inpainter(Paints((1, 1, 1)), feather=6, max_side=64)(pixels, mask)
    assert (made[:, 100:600] == made[:, 100:101]).all()


# What the network sees


def test_it_sees_the_picture_with_nothing_in_the_hole_and_the_mask_as_fourth_channel():
    network, pixels, mask = Paints(), noise(16, 24), box(16, 24, 3, 5, 9, 11)
    inpainter(network)(pixels, mask)
    (seen,) = network.seen
    assert seen.shape == (1, 4, 16, 24)
    assert np.array_equal(seen[0, 3].numpy(), mask.astype(np.float32))
    assert not seen[0, :3, 3:9, 5:11].any()
    expected = pixels.transpose(2, 0, 1) / 127.5 - 1
    assert np.abs(seen[0, :3].numpy() - expected)[:, ~mask].max() < 1e-6


@pytest.mark.parametrize("size", [(1, 3), (9, 8), (13, 30)])
def test_sizes_that_are_no_multiples_are_reflected_with_their_mask(size: tuple[int, int]):
    network, pixels, mask = Paints(), noise(*size), box(*size, 0, 0, 1, 1)
    inpainter(network)(pixels, mask)
    (seen,) = network.seen
    assert (seen.shape[2] % 8, seen.shape[3] % 8) == (0, 0)
    expected = np.pad(mask, ((0, seen.shape[2] - size[0]), (0, seen.shape[3] - size[1])), mode="reflect")
    assert np.array_equal(seen[0, 3].numpy(), expected)


def test_what_belongs_to_another_hole_is_never_shown_as_known():
    """Holes are white, known is black: nothing that the network sees as known is bright before it is painted."""
    random = np.random.default_rng(3)
    mask = random.random((300, 400)) < 0.002
    mask[100:180, 100:180] = True  # a thick one, which is shrunk
    mask[200, :] = True  # a long one, which is cut
    pixels = np.where(mask[:, :, None], 255, 0).astype(np.uint8).repeat(3, axis=2)
    network = Paints((0, 0, 0))
    made = inpainter(network, max_side=64)(pixels, mask)
    assert len(network.seen) > 10
    assert not made.any()
    assert all(float(((seen[:, :3] + 1) * (1 - seen[:, 3:])).max()) < 1e-3 for seen in network.seen)


@pytest.mark.parametrize("side", [64, 256])
@pytest.mark.parametrize(
    "hole",
    [(0, 0, 450, 743), (0, 0, 223, 750), (3, 3, 447, 747)],
    ids=["a strip of 7 px on the right", "one of 227 px below", "a frame of 3 px"],
)
def test_what_little_is_known_is_seen_however_much_that_is_shrunk(hole: tuple[int, int, int, int], side: int):
    pixels = np.tile(np.array([200, 20, 30], np.uint8), (450, 750, 1))
    made = inpainter(Averages(), max_side=side)(pixels, box(450, 750, *hole))
    assert np.abs(made.astype(int) - pixels).max() <= 1


def test_a_strip_in_the_midst_of_a_hole_is_seen_wherever_it_lies():
    pixels = np.tile(np.array([200, 20, 30], np.uint8), (300, 500, 1))
    for left in range(240, 252):
        mask = ~box(300, 500, 0, left, 300, left + 3)
        made = inpainter(Averages(), max_side=64)(pixels, mask)
        assert np.abs(made.astype(int) - pixels).max() <= 1


def test_a_shrunk_pixel_is_known_where_half_of_it_is():
    """400 px as 64: a pixel of the network is 6.25 of the photo, of which the hole's edge leaves a share."""
    network, shares = Paints(), []
    for edge in range(200, 212):
        mask = box(400, 400, 0, 0, 400, edge)
        inpainter(network, max_side=64)(noise(400, 400), mask)
        first_known = int((network.seen[-1][0, 3, 0] == 0).nonzero()[0])
        shares.append((first_known + 1) - edge / 6.25)
    assert min(shares) > 0.49
    assert max(shares) < 1.51


def test_a_segment_sees_what_was_painted_before_as_known():
    network = Paints((1, 1, 1))
    inpainter(network, max_side=64)(np.zeros((64, 400, 3), np.uint8), box(64, 400, 30, 0, 32, 400))
    assert len(network.seen) > 5
    for seen in network.seen[1:]:
        assert float((seen[:, :3] * (1 - seen[:, 3:])).max()) == 1


def test_a_long_scratch_is_filled_from_both_of_its_sides():
    rows = np.linspace(0, 255, 90).round().astype(np.uint8)
    pixels = np.tile(rows[:, None, None], (1, 500, 3))
    mask = box(90, 500, 0, 240, 90, 244)
    made = inpainter(Blurs(), max_side=64)(pixels, mask)
    assert np.abs(made.astype(int) - pixels).max() <= 1


def test_the_network_sees_a_megapixel_less_where_the_side_is_smaller():
    pixels, mask = noise(200, 300), box(200, 300, 50, 50, 100, 120)
    for side in (64, 128):
        network = Paints()
        inpainter(network, max_side=side)(pixels, mask)
        assert max(max(seen.shape[2:]) for seen in network.seen) <= side


@pytest.mark.parametrize(("size", "side"), [(None, 512), (256, 512), (48, 96), (1024, 1024)])
def test_it_sees_twice_what_it_was_trained_on_at_once(size: int | None, side: int):
    training = None if size is None else TrainingScale(size=size)
    info = ModelInfo(task="inpaint", directions=("fill",), networks={"fill": GatedConfig()}, training=training)
    assert Inpainter(Paints(), info, CPU).first.side == side


# Kinds of pictures and masks


def test_pictures_and_masks_come_as_arrays_images_files_and_pictures(tmp_path: Path):
    pixels, mask = noise(20, 30), box(20, 30, 4, 6, 12, 14)
    white = (mask * 255).astype(np.uint8)
    write(Picture(pixels), tmp_path / "a.png")
    write(Picture(white[:, :, None]), tmp_path / "mask.png")
    tool = inpainter(Paints())
    expected = tool(pixels, mask)
    for given in (white, white[:, :, None], Image.fromarray(white), tmp_path / "mask.png", str(tmp_path / "mask.png")):
        assert np.array_equal(tool(pixels, given), expected)
    assert np.array_equal(np.asarray(tool(Image.fromarray(pixels), mask)), expected)
    assert np.array_equal(tool(tmp_path / "a.png", mask).pixels, expected)
    assert np.array_equal(tool(Picture(pixels, mask=mask)).pixels, expected)


@pytest.mark.parametrize(
    ("mask", "told"),
    [
        (np.zeros((20, 30), bool), "its mask marks nothing. True, or white, is repaired."),
        (np.ones((20, 30), bool), "its mask marks the whole picture: nothing is known of it. True, or white, is repai"),
        (None, "has no mask. Give the call one; the marking is for i2i.inpaint."),
    ],
    ids=["empty", "full", "none"],
)
def test_with_a_marking_a_mask_that_is_given_is_looked_at_all_the_same(
    mask: np.ndarray | None, told: str, tmp_path: Path
):
    write(Picture(noise(20, 30)), tmp_path / "a.png")
    tool = inpainter(Paints())
    tool.marking = Marking(alpha=True)
    for picture in (noise(20, 30), Picture(noise(20, 30)), tmp_path / "a.png"):
        with pytest.raises(ImageError) as raised:
            tool(picture, mask)
        assert str(raised.value).startswith(told)


def test_a_gray_array_of_two_dimensions_stays_one():
    assert inpainter(Paints())(noise(9, 9)[:, :, 0], box(9, 9, 1, 1, 4, 4)).shape == (9, 9)


@pytest.mark.parametrize(
    ("mask", "told"),
    [
        (np.zeros((20, 30), bool), "its mask marks nothing. True, or white, is repaired."),
        (np.ones((20, 30), bool), "its mask marks the whole picture: nothing is known of it. True, or white, is rep"),
        (np.ones((30, 20), bool), "the mask is 20x30, the picture 30x20."),
        (np.ones((20, 30), np.int64), "the array is no mask: pixels are uint8, uint16 or float32"),
        (None, "has no mask. Give one."),
    ],
    ids=["empty", "full", "turned", "numbers", "none"],
)
def test_a_mask_that_cannot_be_is_told_in_one_line(mask: np.ndarray | None, told: str):
    with pytest.raises(ImageError) as raised:
        inpainter(Paints())(noise(20, 30), mask)
    assert str(raised.value).startswith(told)


@pytest.mark.parametrize(
    ("mask", "told"),
    [
        (~box(20, 30, 0, 0, 2, 3), "a mask covers 99 % of the picture: probably inverted, see --invert."),
        (~box(20, 30, 5, 5, 15, 25), "a mask covers 66 % of the picture and all of its border: probably inverted, see"),
        (box(20, 30, 0, 0, 20, 20), ""),
    ],
    ids=["most", "border", "two thirds"],
)
def test_a_mask_that_looks_inverted_is_followed_and_told(mask: np.ndarray, told: str):
    tool, heard = inpainter(Paints()), list[str]()
    tool.tell = heard.append
    made = tool(Picture(noise(20, 30)), mask)
    assert (heard[0] if heard else "").startswith(told)
    assert len(made.carried.notes) == len(heard) == bool(told)
    tool(Picture(noise(20, 30)), mask)
    assert len(heard) == bool(told)  # once


# Bits, memory, wrong models


class Overflows(Paints):
    """Not finite, but in float32."""

    def forward(self, x: Tensor) -> Tensor:
        made = super().forward(x)
        return made if not torch.is_autocast_enabled("cpu") else made * float("inf")


def test_an_output_that_is_not_finite_is_computed_again_in_fp32(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("i2i.inference.ways._has_bf16", lambda: True)
    pixels, mask = noise(20, 30), box(20, 30, 4, 6, 12, 14)
    tool, heard = inpainter(Overflows(), precision="bf16"), list[str]()
    tool.tell = heard.append
    made = tool(Picture(pixels), mask)
    assert np.array_equal(made.pixels, inpainter(Paints())(pixels, mask))
    assert heard == ["bf16 is too coarse for this network: computed in fp32."]
    assert made.way == "side 512 fp32"


def test_one_that_is_not_finite_in_fp32_either_fails_the_picture():
    with pytest.raises(ImageError, match="the network's output is not finite: the model is damaged or was trained bad"):
        inpainter(Paints((float("nan"), 0, 0)))(noise(9, 9), box(9, 9, 1, 1, 4, 4))


class Limited(Paints):
    """Has memory for so many pixels."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2] * x.shape[3] > self.most:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return super().forward(x)


def test_where_memory_is_short_it_goes_on_with_a_smaller_side_and_a_second_time_the_same_way():
    pixels, mask = noise(300, 300), box(300, 300, 100, 100, 120, 250)
    tool, heard = inpainter(Limited(128**2)), list[str]()
    tool.tell = heard.append
    made = tool(Picture(pixels), mask)
    assert made.way == "side 128 fp32"
    assert heard == ["memory is short for 512 px at a time: going on with 256."]
    again = inpainter(Limited(10**9))(Picture(pixels), mask, way=made.way)
    assert np.array_equal(again.pixels, made.pixels)
    assert again.way == made.way


def test_where_memory_is_short_for_the_smallest_side_the_picture_fails():
    with pytest.raises(NoMemoryError) as raised:
        inpainter(Limited(100))(noise(300, 300), box(300, 300, 100, 100, 120, 250))
    told = "64 pixels at a time need more memory than cpu has. Use a smaller model, or another --device."
    assert str(raised.value) == told


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"max_side": 32}, "--max-side 32 shows the network too little. Use 64 or more."),
        (
            {"max_side": 64, "feather": 9},
            "a feather of 9 px is too wide where the network sees 64 px. Use 8 px or less, or a larger --max-side.",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_before_any_picture(settings: dict[str, int], told: str):
    with pytest.raises(UsageError) as raised:
        inpainter(Paints(), **settings)
    assert str(raised.value) == told


@pytest.mark.parametrize(
    ("running", "told"),
    [
        ({"tile": 64}, "tile has no meaning where holes are painted. Leave it out."),
        ({"tile": 0}, "tile has no meaning"),
        ({"overlap": 3}, "overlap has no meaning"),
        ({"runtime": "onnxruntime"}, "runtime has no meaning"),
        ({"stochastic": 3}, "stochastic has no meaning"),
        ({"feather": -1}, "feather is -1 and should be a whole number of pixels, 0 or more."),
        ({"feather": 1.5}, "feather is 1.5 and should be a whole number of pixels, 0 or more."),
        ({"feather": "2"}, "feather is '2' and should be a whole number of pixels, 0 or more."),
    ],
    ids=str,
)
def test_what_would_change_nothing_or_is_no_number_is_refused(running: dict[str, Any], told: str):
    with pytest.raises(UsageError) as raised:
        inpainter(Paints(), **running)
    assert str(raised.value).startswith(told)


# Being stopped


def test_a_large_picture_is_left_between_two_pieces_when_an_end_is_asked_for():
    network = Paints()
    tool = inpainter(network, max_side=64)
    tool.stop = lambda: len(network.seen) == 3
    with pytest.raises(StoppedError, match="stopped before the picture was finished"):
        tool(noise(200, 900), box(200, 900, 100, 10, 102, 890))
    assert len(network.seen) == 3


def test_in_a_folder_what_was_left_counts_as_not_tried_and_is_made_whole_the_next_time(tmp_path: Path):
    sizes, network = {"a": (30, 30), "b": (200, 900), "c": (30, 30)}, Paints()
    for name, size in sizes.items():
        (tmp_path / "in").mkdir(exist_ok=True)
        write(
            Picture(noise(*size), np.where(box(*size, 10, 10, 12, size[1] - 10), 0, 255).astype(np.uint8)),
            tmp_path / "in" / f"{name}.png",
        )
    marking = Marking(alpha=True)
    tool = inpainter(network, max_side=64)
    tool.marking, tool.stop = marking, lambda: len(network.seen) >= 4
    plan = plan_files([str(tmp_path / "in")], tmp_path / "out", Options(), Selection())
    summary = translate_files(plan, tool, decoded=marking.decoded, stop=tool.stop)
    assert (summary.ok, summary.not_tried, summary.failures) == (1, 2, ())
    assert len(network.seen) == 4
    assert [path.name for path in (tmp_path / "out").glob("*.png")] == ["a.png"]
    tool.stop = lambda: False
    summary = translate_files(plan, tool, decoded=marking.decoded)
    assert (summary.ok, summary.skipped, summary.not_tried) == (2, 1, 0)


def test_a_model_that_translates_is_refused(tiny_model: Path):
    with pytest.raises(UsageError) as raised:
        load_inpainter(tiny_model)
    hint = f"Use: i2i translate {tiny_model} INPUT... -o OUT"
    assert str(raised.value) == f"{tiny_model} is a model to translate pictures. {hint}"


def test_a_shipped_model_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("i2i.models.shipped.shipped_models", dict)
    with pytest.raises(UsageError, match="no model 'inpaint-photo'"):
        load_inpainter()
