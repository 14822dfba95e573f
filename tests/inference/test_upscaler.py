from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from i2i.config.networks import CompactConfig
from i2i.errors import ModelError, NoMemoryError, UsageError
from i2i.images.picture import Picture
from i2i.inference.upscaler import Enlarging, Target, Upscaler, load_upscaler
from i2i.inference.ways import Running
from i2i.models.modelfile import ModelInfo, load_model, save_model
from i2i.networks.build import build

CPU = torch.device("cpu")


class Nearest(nn.Module):
    """Enlarges by repetition, adds `offset`, and counts its calls."""

    def __init__(self, scale: int = 2, offset: float = 0.0) -> None:
        super().__init__()
        self.scale, self.offset, self.calls = scale, offset, 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return interpolate(x, scale_factor=self.scale, mode="nearest") + self.offset


class Leaning(Nearest):
    """Adds a slope to the right: no other position of the square has the same result."""

    def forward(self, x: Tensor) -> Tensor:
        enlarged = super().forward(x)
        return enlarged + torch.linspace(-0.2, 0.2, enlarged.shape[3])


def upscaler(network: Nearest, **enlarging: object) -> Upscaler:
    config = CompactConfig(filters=4, convolutions=0, scale=network.scale)
    info = ModelInfo(task="upscale", directions=("up",), networks={"up": config}, value_range=(0.0, 1.0))
    return Upscaler(network, info, Enlarging(**enlarging), CPU)  # type: ignore[arg-type]


def noise(height: int, width: int, channels: int = 3, kind: str = "uint8") -> np.ndarray:
    top = {"uint8": 256, "uint16": 65536}[kind]
    return np.random.default_rng(0).integers(0, top, (height, width, channels)).astype(kind)


def smooth(height: int, width: int) -> np.ndarray:
    """A slope of colours without detail."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([80 + 90 * y / height, 100 + 60 * x / width, 120 + 0 * x], axis=2).round().astype(np.uint8)


# Sizes


@pytest.mark.parametrize(
    ("target", "size", "calls"),
    [
        (Target(), (26, 34), 1),
        (Target(scale=2), (26, 34), 1),
        (Target(scale=1.5), (20, 26), 1),  # 19.5 and 25.5, rounded up
        (Target(scale=3), (39, 51), 2),
        (Target(scale=4), (52, 68), 2),
        (Target(scale=1), (13, 17), 0),
        (Target(scale=0.5), (7, 9), 0),
        (Target(width=40), (31, 40), 2),
        (Target(height=20), (20, 26), 1),
        (Target(width=5), (4, 5), 0),
        (Target(width=30, height=20), (20, 30), 1),
    ],
    ids=str,
)
def test_any_size_is_reached_by_as_few_passes_as_are_enough(target: Target, size: tuple[int, int], calls: int):
    network = Nearest(2)
    result = upscaler(network, target=target)(noise(13, 17))
    assert (result.shape[:2], network.calls) == (size, calls)


def test_a_scale_beyond_two_passes_is_refused_before_any_picture():
    with pytest.raises(UsageError, match=r"the scale 5 is beyond this model, which reaches 4 in two passes. Use"):
        upscaler(Nearest(2), target=Target(scale=5))


def test_a_width_beyond_two_passes_is_reached_by_resampling():
    network = Nearest(2)
    assert upscaler(network, target=Target(width=100))(noise(13, 17)).shape[:2] == (76, 100)
    assert network.calls == 2


def test_the_network_s_own_scale_is_its_result_to_the_byte():
    pixels = noise(13, 17)
    assert np.array_equal(upscaler(Nearest(2))(pixels), pixels.repeat(2, axis=0).repeat(2, axis=1))


def test_what_is_shrunk_afterwards_is_averaged_not_picked():
    stripes = np.zeros((8, 8, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    result = upscaler(Nearest(4), target=Target(scale=0.5 * 4))(stripes)
    assert result.shape == (16, 16, 3)
    shrunk = upscaler(Nearest(2), target=Target(width=4))(stripes)
    assert (abs(shrunk[:, 1:-1].astype(int) - 128) < 12).all()  # gray, where every second pixel would be white or black


# Kinds of pictures


@pytest.mark.parametrize("scale", [1, 1.5, 2, 3, 4])
@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_gray_stays_gray_and_the_depth_stays_at_every_scale(scale: float, kind: str):
    result = upscaler(Nearest(2), target=Target(scale=scale))(Picture(noise(13, 17, 1, kind)))
    assert (result.is_gray, result.pixels.dtype.name) == (True, kind)


@pytest.mark.parametrize("scale", [1.5, 2, 3])
def test_alpha_is_as_large_as_the_colours(scale: float):
    alpha = noise(13, 17, 1)[:, :, 0]
    result = upscaler(Nearest(2), target=Target(scale=scale))(Picture(noise(13, 17), alpha=alpha))
    assert result.alpha is not None
    assert result.alpha.shape == result.pixels.shape[:2]


@pytest.mark.parametrize("value", [0, 128, 255])
@pytest.mark.parametrize("enlarging", [{}, {"ensemble": True}, {"color_fix": True}, {"target": Target(scale=3)}])
def test_flat_gray_and_white_stay(value: int, enlarging: dict[str, object]):
    flat = np.full((9, 12, 3), value, dtype=np.uint8)
    assert (upscaler(Nearest(2), **enlarging)(flat) == value).all()


# What the network is not needed for, and what memory does not hold


def test_a_picture_that_is_large_enough_is_resized_from_its_own_pixels_whatever_the_network_may_see():
    pixels = noise(40, 60)
    plain = upscaler(Nearest(2), target=Target(width=50))(pixels)
    config = CompactConfig(filters=4, convolutions=0, scale=2)
    info = ModelInfo(task="upscale", directions=("up",), networks={"up": config}, value_range=(0.0, 1.0))
    shown_small = Upscaler(Nearest(2), info, Enlarging(Target(width=50)), CPU, running=Running(max_side=8))
    assert np.array_equal(shown_small(pixels), plain)


def test_the_network_sees_a_shrunk_picture_where_that_is_asked_for_and_the_result_has_its_size():
    network = Nearest(2)
    config = CompactConfig(filters=4, convolutions=0, scale=2)
    info = ModelInfo(task="upscale", directions=("up",), networks={"up": config}, value_range=(0.0, 1.0))
    shown_small = Upscaler(network, info, Enlarging(Target(scale=2)), CPU, running=Running(max_side=10))
    assert shown_small(smooth(40, 60)).shape == (80, 120, 3)
    assert network.calls == 1


def test_a_result_that_memory_cannot_hold_is_refused_before_it_is_begun():
    config = CompactConfig(filters=4, convolutions=0, scale=2)
    info = ModelInfo(task="upscale", directions=("up",), networks={"up": config}, value_range=(0.0, 1.0))
    small = Upscaler(Nearest(2), info, Enlarging(Target(scale=3)), CPU, memory=1_000_000)
    with pytest.raises(NoMemoryError) as raised:
        small(noise(200, 300))
    told = (
        "a result of 900x600 pixels needs more memory than there is. Use a smaller --scale, or the model's own without"
    )
    assert str(raised.value).startswith(told)
    assert raised.value.exit_code == 5


def test_memory_that_runs_out_after_the_network_fails_this_picture_alone(monkeypatch: pytest.MonkeyPatch):
    def too_much(*_: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr("i2i.inference.upscaler.resized", too_much)
    with pytest.raises(NoMemoryError, match="a result of 51x39 pixels needs more memory than there is"):
        upscaler(Nearest(2), target=Target(scale=3))(noise(13, 17))


@pytest.mark.parametrize("target", [{"scale": float("nan")}, {"scale": -1.0}, {"width": -5}, {"height": 0}])
def test_what_is_no_size_is_refused(target: dict[str, float]):
    with pytest.raises(UsageError, match="is no size: a scale, width or height is a number above 0"):
        Target(**target)  # type: ignore[arg-type]


# Ensemble, colours


def test_the_ensemble_is_the_mean_over_the_eight_positions():
    """A lean to the right is outweighed by the mirrored position, and all others have their counterparts."""
    network, pixels = Leaning(2), smooth(12, 12)
    plain = upscaler(Leaning(2))(pixels).astype(int)
    together = upscaler(network, ensemble=True)(pixels).astype(int)
    expected = pixels.repeat(2, axis=0).repeat(2, axis=1).astype(int)
    assert network.calls == 8
    assert np.abs(plain - expected).max() > 40
    assert np.abs(together - expected).max() <= 1


def test_the_ensemble_puts_each_position_of_an_oblong_picture_back():
    pixels = noise(7, 12)
    assert np.array_equal(upscaler(Nearest(2), ensemble=True)(pixels), pixels.repeat(2, axis=0).repeat(2, axis=1))


def test_a_shift_of_colours_is_put_back_and_detail_stays():
    pixels = smooth(40, 56)
    pixels[::3, ::3] += 20
    expected = pixels.repeat(2, axis=0).repeat(2, axis=1).astype(int)
    shifted = upscaler(Nearest(2, offset=0.1))(pixels).astype(int)
    fixed = upscaler(Nearest(2, offset=0.1), color_fix=True)(pixels).astype(int)
    assert np.abs(shifted - expected).min() >= 25
    assert np.abs(fixed - expected).max() <= 3


# Models


Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def write(name: str, seed: int = 0, *, task: str = "upscale", filters: int = 4) -> Path:
        torch.manual_seed(seed)
        config = CompactConfig(filters=filters, convolutions=1, scale=2, init_gain=0.3)
        way = "up" if task == "upscale" else "a2b"
        info = ModelInfo(task=task, directions=(way,), networks={way: config}, value_range=(0.0, 1.0))  # type: ignore[arg-type]
        save_model(tmp_path / f"{name}.safetensors", {way: build(config)}, info, half=False)
        return tmp_path / f"{name}.safetensors"

    return write


def test_texture_goes_from_the_model_to_its_counterpart_weight_by_weight(save: Save):
    one, other = save("photo", 0), save("photo-gan", 1)
    pixels = noise(13, 17)
    assert np.array_equal(texture(one, 0.0)(pixels), load_upscaler(one)(pixels))
    assert np.array_equal(texture(one, 1.0)(pixels), load_upscaler(other)(pixels))
    weights = [load_model(path).networks["up"].state_dict()["body.0.weight"] for path in (one, other)]
    between = texture(one, 0.25).network.state_dict()["body.0.weight"]
    torch.testing.assert_close(between, 0.75 * weights[0] + 0.25 * weights[1])


def texture(model: Path, share: float) -> Upscaler:
    return load_upscaler(model, enlarging=Enlarging(texture=share), device="cpu")


def test_texture_without_a_counterpart_says_what_is_missing(save: Save):
    with pytest.raises(
        UsageError, match=r"--texture needs a second model photo-gan.safetensors beside photo.safetensors, and"
    ):
        texture(save("photo"), 0.5)


def test_texture_between_networks_of_other_layers_is_refused(save: Save):
    one = save("photo")
    save("photo-gan", filters=5)
    with pytest.raises(ModelError, match=r"photo-gan.safetensors: is a network of other layers: --texture cannot be"):
        texture(one, 0.5)


def test_texture_from_a_model_that_translates_is_refused(save: Save):
    one = save("photo")
    save("photo-gan", task="translate")
    with pytest.raises(UsageError, match=r"photo-gan.safetensors is a model that does not enlarge pictures."):
        texture(one, 0.5)


def test_a_model_that_translates_is_refused_with_the_command_for_it(save: Save):
    path = save("mine", task="translate")
    with pytest.raises(UsageError) as raised:
        load_upscaler(path)
    told = f"{path} is a model that does not enlarge pictures. Use: i2i translate {path} INPUT... -o OUT"
    assert str(raised.value) == told


def test_the_name_of_the_work_tells_everything_that_changes_the_result(save: Save):
    path = save("photo")
    save("photo-gan", 1)
    wanted = [
        Enlarging(),
        Enlarging(Target(scale=3)),
        Enlarging(Target(width=40)),
        Enlarging(ensemble=True),
        Enlarging(color_fix=True),
        Enlarging(texture=0.5),
        Enlarging(texture=0.0),
    ]
    names = {load_upscaler(path, enlarging=each, device="cpu").name for each in wanted}
    assert len(names) == len(wanted)
    assert load_upscaler(path, enlarging=Enlarging(Target(scale=2)), device="cpu").name in names  # its own scale
