from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import i2i
from i2i.config.networks import CompactConfig, ResNetConfig
from i2i.errors import ImageError, ModelError, UsageError
from i2i.images.files import write
from i2i.images.picture import Picture
from i2i.inference.translator import Translator, load
from i2i.models.modelfile import ModelInfo, save_model
from i2i.networks.build import build

CPU = torch.device("cpu")


class Watched(nn.Module):
    """Applies a function and keeps the last input."""

    def __init__(self, function=lambda x: x):
        super().__init__()
        self.function = function
        self.seen = torch.empty(0)

    def forward(self, x: Tensor) -> Tensor:
        self.seen = x
        return self.function(x)


def described(config: ResNetConfig | CompactConfig | None = None, **other: object) -> ModelInfo:
    networks = {"a2b": config or ResNetConfig(filters=4, blocks=1)}
    return ModelInfo(directions=("a2b",), networks=networks, **({"multiple": 4, "minimum": 8} | other))


def translator(network: nn.Module, config: ResNetConfig | CompactConfig | None = None, **other: object) -> Translator:
    return Translator(network, described(config, **other), "a2b", CPU)


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


@pytest.mark.parametrize("value_range", [(-1.0, 1.0), (0.0, 1.0)])
def test_all_256_values_pass_through_unchanged(value_range: tuple[float, float]):
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    network = Watched()
    result = translator(network, value_range=value_range)(np.repeat(ramp[:, :, None], 3, axis=2))
    assert np.array_equal(result[:, :, 0], ramp)
    assert (network.seen.min(), network.seen.max()) == value_range


def test_values_are_rounded_and_clamped():
    half = 0.9 / 127.5  # 0.9 of an 8-bit step
    pixels = np.full((8, 8, 3), 100, dtype=np.uint8)
    assert (translator(Watched(lambda x: x + half))(pixels) == 101).all()
    assert (translator(Watched(lambda x: x + 9))(pixels) == 255).all()
    assert (translator(Watched(lambda x: x - 9))(pixels) == 0).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (3, 50), (7, 8), (8, 8), (17, 31), (101, 77)])
def test_any_size_is_padded_and_cropped_back(size: tuple[int, int]):
    network, pixels = Watched(), noise(*size)
    assert np.array_equal(translator(network)(pixels), pixels)
    assert all(side % 4 == 0 and side >= 8 for side in network.seen.shape[2:])


def test_padding_reflects_over_and_over_and_repeats_a_single_pixel():
    network = Watched()
    row = np.array([[[10], [20], [30]]], dtype=np.uint8).repeat(3, axis=2)  # 1 x 3 pixels
    translator(network)(row)
    seen = ((network.seen[0, 0] + 1) * 127.5).round().int()
    assert seen[0].tolist() == [10, 20, 30, 20, 10, 20, 30, 20]
    assert (seen == seen[0]).all()


def test_a_multiple_of_the_size_is_not_padded():
    network = Watched()
    translator(network)(noise(12, 16))
    assert network.seen.shape == (1, 3, 12, 16)


def test_each_kind_of_input_gives_its_own_kind(tmp_path: Path):
    pixels = noise(9, 10)
    run = translator(Watched(torch.neg))
    write(Picture(pixels), tmp_path / "a.png")
    assert np.array_equal(run(pixels), 255 - pixels)
    assert np.array_equal(run(Picture(pixels)).pixels, 255 - pixels)
    assert np.array_equal(run(tmp_path / "a.png").pixels, 255 - pixels)
    assert np.array_equal(run(str(tmp_path / "a.png")).pixels, 255 - pixels)
    assert np.array_equal(np.asarray(run(Image.fromarray(pixels))), 255 - pixels)


def test_gray_stays_gray_by_luma_where_the_network_is_in_colour():
    def red(x: Tensor) -> Tensor:
        return torch.tensor([1.0, -1.0, -1.0]).reshape(1, 3, 1, 1).expand_as(x)

    run = translator(Watched(red))
    assert (run(noise(8, 8, 1)) == 76).all()
    assert run(noise(8, 8, 1)).shape == (8, 8, 1)
    assert run(noise(8, 8, 1)[:, :, 0]).shape == (8, 8)
    assert run(Image.fromarray(noise(8, 8, 1)[:, :, 0])).mode == "L"


def test_a_gray_network_takes_colour_and_a_colouring_one_gives_colour():
    to_gray = ResNetConfig(filters=4, blocks=1, input_channels=1, output_channels=1)
    assert translator(build(to_gray), to_gray)(noise(8, 8)).shape == (8, 8, 1)
    colouring = ResNetConfig(filters=4, blocks=1, input_channels=1, output_channels=3)
    assert translator(build(colouring), colouring)(noise(8, 8, 1)).shape == (8, 8, 3)


def test_alpha_is_kept_exactly():
    alpha = noise(9, 10, 1)[:, :, 0]
    assert np.array_equal(translator(Watched(torch.neg))(Picture(noise(9, 10), alpha)).alpha, alpha)


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_results_repeat_without_dropout_and_without_moving_statistics(norm: str):
    config = ResNetConfig(filters=4, blocks=1, norm=norm, dropout=0.5)
    run = translator(build(config), config)
    before = {key: value.clone() for key, value in run.network.state_dict().items()}
    assert np.array_equal(run(noise(17, 31)), run(noise(17, 31)))
    assert all(torch.equal(value, before[key]) for key, value in run.network.state_dict().items())


def test_an_array_of_another_kind_is_refused():
    with pytest.raises(
        ImageError, match=r"the array cannot be translated: pixels are uint8, uint16 or float32 .* got float64"
    ):
        translator(Watched())(np.zeros((8, 8, 3)))


def test_output_that_is_not_finite_is_refused():
    with pytest.raises(ImageError, match="the network's output is not finite"):
        translator(Watched(lambda x: x / 0))(np.full((8, 8, 3), 128, dtype=np.uint8))


def test_too_little_memory_is_the_fault_of_this_picture():
    def greedy(x: Tensor) -> Tensor:
        return x.new_empty(2**55)

    with pytest.raises(ImageError, match="9x8 pixels need more memory than cpu has"):
        translator(Watched(greedy))(noise(8, 9))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    config = ResNetConfig(filters=4, blocks=1)
    info = ModelInfo(directions=("a2b", "b2a"), networks={"a2b": config, "b2a": config}, multiple=4, minimum=8)
    save_model(tmp_path / "model.safetensors", {"a2b": build(config), "b2a": build(config)}, info, half=False)
    return tmp_path / "model.safetensors"


def test_load_takes_a_file_or_a_run_and_a_direction(model: Path):
    pixels = noise(8, 8)
    a2b = i2i.load(model, device="cpu")
    assert a2b.direction == "a2b"
    assert np.array_equal(load(model.parent, device="cpu", direction="a2b")(pixels), a2b(pixels))
    assert not np.array_equal(load(model, device="cpu", direction="b2a")(pixels), a2b(pixels))


def test_a_direction_that_the_model_has_not_is_refused(tmp_path: Path):
    config = ResNetConfig(filters=4, blocks=1)
    save_model(tmp_path / "one.safetensors", {"a2b": build(config)}, described(), half=False)
    with pytest.raises(UsageError, match=r"this model has no direction b2a\. It has: a2b\."):
        load(tmp_path / "one.safetensors", direction="b2a")
    save_model(tmp_path / "none.safetensors", {"a2b": build(config)}, ModelInfo(networks={"a2b": config}), half=False)
    with pytest.raises(ModelError, match="this model file has no generator"):
        load(tmp_path / "none.safetensors")


def test_a_device_that_is_not_there_is_refused(model: Path):
    with pytest.raises(UsageError, match=r"no device 'cuda:99' here\. Take --device auto\."):
        load(model, device="cuda:99")


def test_importing_i2i_loads_no_torch_and_translating_no_training_library():
    program = (
        "import sys, i2i; assert 'torch' not in sys.modules and 'numpy' not in sys.modules;"
        "i2i.load; print(*(name for name in ('torchvision', 'albumentations', 'kornia') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_version_is_that_of_the_project():
    project = Path(__file__).parents[2] / "pyproject.toml"
    assert tomllib.loads(project.read_text())["project"]["version"] == i2i.__version__


def test_i2i_has_no_other_names():
    with pytest.raises(AttributeError, match="module 'i2i' has no attribute 'lod'"):
        i2i.lod  # noqa: B018
    assert {"load", "Translator", "__version__"} <= set(dir(i2i))


def doubling(x: Tensor) -> Tensor:
    return torch.nn.functional.interpolate(x, scale_factor=2, mode="bicubic", align_corners=False)


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_an_enlargement_has_no_halo_of_what_was_hidden(kind: str):
    white = {"uint8": 255, "uint16": 65535, "float32": 1}[kind]
    pixels = np.zeros((24, 30, 3), dtype=kind)
    pixels[:] = np.array([0, white, 0], dtype=kind)  # green, hidden
    alpha = np.zeros((24, 30), dtype=kind)
    pixels[6:18, 8:20], alpha[6:18, 8:20] = np.array([white, 0, white], dtype=kind), white
    config = CompactConfig(filters=4, convolutions=0, scale=2)
    result = translator(Watched(doubling), config, value_range=(0.0, 1.0))(Picture(pixels, alpha))
    assert (result.width, result.height) == (60, 48)
    assert result.pixels.dtype == kind
    assert result.alpha.shape == (48, 60)
    visible = result.alpha > 0
    assert result.pixels[visible][:, 1].max() <= white / 255
    assert result.pixels[visible][:, 0].min() >= white * 254 / 255
    assert np.array_equal(result.alpha[14:34, 18:38], np.full((20, 20), white, dtype=kind))
    assert not result.alpha[:8].any()


def test_hidden_colours_do_not_reach_the_network():
    pixels = np.full((8, 8, 3), 200, dtype=np.uint8)
    alpha = np.full((8, 8), 255, dtype=np.uint8)
    pixels[2:4, 2:4], alpha[2:4, 2:4] = 0, 0
    network = Watched()
    translator(network)(Picture(pixels, alpha))
    assert ((network.seen + 1) * 127.5).min() > 199


@pytest.mark.parametrize("value_range", [(-1.0, 1.0), (0.0, 1.0)])
def test_all_65536_values_pass_through_unchanged(value_range: tuple[float, float]):
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    run = translator(Watched(), value_range=value_range)
    assert np.array_equal(run(np.repeat(ramp[:, :, None], 3, axis=2))[:, :, 1], ramp)
    assert np.array_equal(run(ramp), ramp)  # gray, by luma


def test_fractions_pass_through_unchanged():
    values = np.random.default_rng(0).random((9, 10, 3), dtype=np.float32)
    assert np.array_equal(translator(Watched(), value_range=(0.0, 1.0))(values), values)
