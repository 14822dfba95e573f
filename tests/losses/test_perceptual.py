"""The perceptual loss, against torchvision's stack of layers written out and real features of VGG."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from i2i.config.perceptual import PerceptualConfig, layer_names
from i2i.errors import ConfigError
from i2i.losses.perceptual import Perceptual

# What torchvision's `features` are made of: widths of convolutions, each with its ReLU, and M, maxima of 2 x 2.
STACKS: dict[str, list[Any]] = {
    "vgg19": [64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M", 512, 512, 512, 512],
    "vgg16": [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512],
}
# Indices into `features` of the layers that the papers name.
VGG19_PLACES = {"conv1_2": 2, "conv2_2": 7, "conv3_4": 16, "conv4_4": 25, "conv5_4": 34, "relu5_4": 35, "relu1_1": 1}
VGG16_PLACES = {"conv1_2": 2, "conv2_2": 7, "conv3_3": 14, "relu3_3": 15, "conv4_3": 21, "conv5_3": 28}


def stack(network: str, until: int) -> nn.Sequential:
    """torchvision's `features[:until + 1]`, ReLUs out of place, weights that keep the scale of the features."""
    torch.manual_seed(1)
    layers: list[nn.Module] = []
    channels = 3
    for width in STACKS[network]:
        if len(layers) > until:
            break
        if width == "M":
            layers.append(nn.MaxPool2d(2, 2))
            continue
        convolution = nn.Conv2d(channels, width, 3, padding=1)
        nn.init.normal_(convolution.weight, 0, (2 / (9 * channels)) ** 0.5)
        layers += [convolution, nn.ReLU()]
        channels = width
    return nn.Sequential(*layers[: until + 1]).requires_grad_(False)


def saved(network: nn.Sequential, path: Path) -> str:
    save_file({f"features.{key}": value for key, value in network.state_dict().items()}, path)
    return str(path)


def normalised(x: Tensor) -> Tensor:
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return (x - mean.to(x).view(1, 3, 1, 1)) / deviation.to(x).view(1, 3, 1, 1)


def pictures(*shape: int, seed: int = 2) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def short() -> nn.Sequential:
    """VGG19 up to conv2_2."""
    return stack("vgg19", 7)


@pytest.fixture(scope="module")
def short_file(short: nn.Sequential, tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved(short, tmp_path_factory.mktemp("weights") / "short.safetensors")


def loss(file: str, **settings: Any) -> Perceptual:
    return Perceptual(PerceptualConfig(**{"weights": file, "layers": {"conv2_2": 1.0}} | settings))


@pytest.mark.parametrize(("network", "places"), [("vgg19", VGG19_PLACES), ("vgg16", VGG16_PLACES)])
def test_every_named_layer_is_at_its_published_index(network: Any, places: dict[str, int], tmp_path: Path) -> None:
    reference = stack(network, max(places.values()))
    file = saved(reference, tmp_path / "whole.safetensors")
    ours = loss(file, network=network, layers=dict.fromkeys(places, 1.0))
    x = pictures(1, 3, 16, 18)
    expected, maps = normalised(x), []
    for layer in reference:
        expected = layer(expected)
        maps.append(expected)
    for name, found in ours.features(x).items():
        torch.testing.assert_close(found, maps[places[name]], rtol=1e-5, atol=1e-5)


def test_layers_before_their_relu_keep_their_negative_values(short_file: str) -> None:
    found = loss(short_file, layers={"conv1_2": 1.0, "relu1_2": 1.0, "conv2_2": 1.0}).features(pictures(1, 3, 8, 8))
    assert found["conv1_2"].min() < 0
    assert torch.equal(found["relu1_2"], found["conv1_2"].clamp(min=0))


@pytest.mark.parametrize(("distance", "power"), [("l1", 1), ("l2", 2)])
def test_the_loss_is_the_weighted_sum_of_mean_differences(
    short: nn.Sequential, short_file: str, distance: Any, power: int
) -> None:
    fake, real = pictures(2, 3, 12, 9), pictures(2, 3, 12, 9, seed=3)
    ours = loss(short_file, layers={"conv1_2": 0.1, "conv2_2": 2.0}, distance=distance)(fake, real)
    gaps = [(short[: i + 1](normalised(fake)) - short[: i + 1](normalised(real))).abs() ** power for i in (2, 7)]
    expected = 0.1 * gaps[0].mean() + 2 * gaps[1].mean()
    assert ours.item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_picture_is_nowhere_from_itself(short_file: str) -> None:
    x = pictures(2, 3, 9, 9)
    assert loss(short_file)(x, x.clone()) == 0


@pytest.mark.parametrize(("distance", "share"), [("l1", 0.5), ("l2", 0.25)])
def test_normalised_features_of_half_the_size_are_half_away_in_each_sample(
    short_file: str, distance: Any, share: float, tmp_path: Path
) -> None:
    # Without biases, features double with the distance from the mean colour.
    tensors = {key: value * (not key.endswith("bias")) for key, value in load_file(short_file).items()}
    save_file(tensors, tmp_path / "linear.safetensors")
    ours = loss(str(tmp_path / "linear.safetensors"), normalise=True, distance=distance, layers={"relu1_1": 1.0})
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    steps = torch.tensor([0.4, 0.001]).view(2, 1, 1, 1) * torch.ones(2, 3, 10, 10)
    found = ours(mean + steps / 2, mean + steps).item()
    spread = 1.0
    if distance == "l2":
        real = ours.features(mean + steps)["relu1_1"]
        spread = (real.square().mean((1, 2, 3)) / real.mean((1, 2, 3)).square()).mean().item()
    assert found == pytest.approx(share * spread, rel=1e-3)


def test_normalised_loss_does_not_depend_on_the_scale_of_the_weights(short_file: str, tmp_path: Path) -> None:
    large = {
        key: value * 300 if key.startswith("features.0.") else value for key, value in load_file(short_file).items()
    }
    save_file(large, tmp_path / "large.safetensors")
    fake, real = pictures(1, 3, 12, 12), pictures(1, 3, 12, 12, seed=3)
    settings: dict[str, Any] = {"normalise": True, "layers": {"relu1_1": 1.0}}
    small = loss(short_file, **settings)(fake, real)
    torch.testing.assert_close(loss(str(tmp_path / "large.safetensors"), **settings)(fake, real), small)


def test_a_layer_that_stays_dark_gives_a_finite_loss_and_gradient(short_file: str, tmp_path: Path) -> None:
    dark = {key: torch.full_like(value, -1.0) for key, value in load_file(short_file).items()}
    save_file(dark, tmp_path / "dark.safetensors")
    ours = loss(str(tmp_path / "dark.safetensors"), normalise=True, layers={"relu1_1": 1.0})
    fake = torch.zeros(1, 3, 8, 8, requires_grad=True)
    value = ours(fake, torch.ones(1, 3, 8, 8))
    (slope,) = torch.autograd.grad(value, fake)
    assert value.isfinite()
    assert slope.isfinite().all()


@pytest.mark.parametrize("normalise", [False, True])
def test_samples_stay_apart(short_file: str, normalise: bool) -> None:
    ours = loss(short_file, normalise=normalise)
    fake, real = pictures(4, 3, 10, 10), pictures(4, 3, 10, 10, seed=3)
    parts = [ours(fake[k : k + 2], real[k : k + 2]) for k in (0, 2)]
    torch.testing.assert_close(ours(fake, real), torch.stack(parts).mean())


def test_only_the_fake_picture_gets_a_gradient(short_file: str) -> None:
    fake, real = pictures(1, 3, 8, 8).requires_grad_(), pictures(1, 3, 8, 8, seed=3).requires_grad_()
    found = torch.autograd.grad(loss(short_file)(fake, real), (fake, real), allow_unused=True)
    assert found[0].abs().min() > 0
    assert found[1] is None


def test_the_gradient_is_the_slope(short_file: str) -> None:
    ours, real = loss(short_file, distance="l2"), pictures(1, 3, 6, 6, seed=3).double()
    fake = pictures(1, 3, 6, 6).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: ours(x, real), fake, fast_mode=True)


def test_gray_pictures_are_gray_in_three_channels(short_file: str) -> None:
    ours = loss(short_file)
    fake, real = pictures(2, 1, 8, 8), pictures(2, 1, 8, 8, seed=3)
    torch.testing.assert_close(ours(fake, real), ours(fake.repeat(1, 3, 1, 1), real.repeat(1, 3, 1, 1)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_under_autocast_is_computed_in_float32(short_file: str, dtype: torch.dtype) -> None:
    ours = loss(short_file)
    fake, real = pictures(1, 3, 8, 8).to(dtype), pictures(1, 3, 8, 8, seed=3).to(dtype)
    with torch.autocast("cpu", torch.bfloat16):
        found = ours(fake, real)
    assert found.dtype == torch.float32
    assert found.item() == ours(fake.float(), real.float()).item()


def test_float64_is_computed_in_float64_and_float32_again_afterwards(short_file: str) -> None:
    ours = loss(short_file)
    fake, real = pictures(1, 3, 8, 8), pictures(1, 3, 8, 8, seed=3)
    single, double = ours(fake, real), ours(fake.double(), real.double())
    assert double.dtype == torch.float64
    assert double.item() == pytest.approx(single.item(), rel=1e-5)
    assert ours(fake, real) == single


def test_channels_last_is_the_same_loss(short_file: str) -> None:
    ours = loss(short_file)
    fake, real = pictures(2, 3, 8, 10), pictures(2, 3, 8, 10, seed=3)
    last = [x.contiguous(memory_format=torch.channels_last) for x in (fake, real)]
    torch.testing.assert_close(ours(*last), ours(fake, real))


class Holder(nn.Module):
    """A method that has a network and a loss."""

    def __init__(self, perceptual: Perceptual) -> None:
        super().__init__()
        self.network, self.perceptual = nn.Conv2d(3, 3, 1), perceptual


def test_a_module_that_holds_it_neither_saves_nor_counts_it(short_file: str) -> None:
    holder = Holder(loss(short_file))
    assert list(holder.state_dict()) == ["network.weight", "network.bias"]
    assert len(list(holder.parameters())) == 2
    assert not list(holder.buffers())


def test_a_deep_copy_of_its_holder_gives_the_same_loss(short_file: str) -> None:
    holder = Holder(loss(short_file)).train()
    fake, real = pictures(1, 3, 8, 8), pictures(1, 3, 8, 8, seed=3)
    assert copy.deepcopy(holder).perceptual(fake, real) == holder.perceptual(fake, real)


def test_a_method_that_is_built_without_numbers_has_real_weights_all_the_same(short_file: str) -> None:
    with torch.device("meta"):
        ours = loss(short_file)
    assert ours(pictures(1, 3, 8, 8), pictures(1, 3, 8, 8, seed=3)) > 0


def test_half_precision_files_and_pth_files_give_the_loss_of_the_safetensors_file(
    short: nn.Sequential, short_file: str, tmp_path: Path
) -> None:
    fake, real = pictures(1, 3, 8, 8), pictures(1, 3, 8, 8, seed=3)
    state = load_file(short_file)
    torch.save(state | {"classifier.0.weight": torch.ones(2, 2)}, tmp_path / "whole.pth")
    assert loss(str(tmp_path / "whole.pth"))(fake, real) == loss(short_file)(fake, real)
    save_file({key: value.half() for key, value in state.items()}, tmp_path / "half.safetensors")
    torch.testing.assert_close(
        loss(str(tmp_path / "half.safetensors"))(fake, real), loss(short_file)(fake, real), rtol=1e-2, atol=0
    )


def test_what_torchvision_has_downloaded_is_found(
    short: nn.Sequential, short_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    # The first releases of torchvision wrote the format that torch had before zip archives.
    path = tmp_path / "checkpoints" / "vgg19-dcbb9e9d.pth"
    torch.save(load_file(short_file), path, _use_new_zipfile_serialization=False)
    found = Perceptual(PerceptualConfig(layers={"conv2_2": 1.0}))
    fake, real = pictures(1, 3, 8, 8), pictures(1, 3, 8, 8, seed=3)
    assert found(fake, real) == loss(short_file)(fake, real)


@pytest.mark.parametrize("network", ["vgg19", "vgg16"])
def test_without_weights_the_line_names_both_ways_to_them(
    network: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(ConfigError) as refusal:
        Perceptual(PerceptualConfig(network=network))
    fetching = f"""python -c 'import torchvision; torchvision.models.{network}(weights="DEFAULT")'"""
    assert str(refusal.value) == (
        f"the weights of {network} for the perceptual loss are not here. Give them with --features FILE, or let "
        f"torchvision fetch its own once: {fetching}"
    )
    assert not list(tmp_path.iterdir())


def test_a_file_that_ends_before_the_layer_says_which_it_has(short_file: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        loss(short_file, layers={"conv1_2": 1.0, "relu3_4": 1.0})
    assert str(refusal.value) == (
        f"{short_file}: has no layer relu3_4 of vgg19. "
        "Weigh layers that it has: conv1_1, conv1_2, conv2_1, conv2_2, and relu1_1 to relu2_2."
    )


def test_layers_behind_a_gap_or_of_another_network_are_not_there(short_file: str, tmp_path: Path) -> None:
    tensors = load_file(short_file)
    tensors["features.5.weight"] = torch.ones(128, 32, 3, 3)
    save_file(tensors, tmp_path / "odd.safetensors")
    with pytest.raises(ConfigError, match=r"has no layer conv2_2 .* has: conv1_1, conv1_2, and relu1_1 to relu1_2\.$"):
        loss(str(tmp_path / "odd.safetensors"))


def test_a_file_of_other_weights_holds_none_of_the_network(tmp_path: Path) -> None:
    save_file({"body.0.weight": torch.ones(2, 2)}, tmp_path / "other.safetensors")
    with pytest.raises(ConfigError, match=r"other\.safetensors: holds no weights of vgg19\. Give them with --features"):
        loss(str(tmp_path / "other.safetensors"))


def test_a_pth_file_of_something_else_holds_none_either(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save({"features.0.weight": "text", "features.0.bias": 3}, tmp_path / "text.pth")
    for name in ("list.pth", "text.pth"):
        with pytest.raises(ConfigError, match=r"\.pth: holds no weights of vgg19\."):
            loss(str(tmp_path / name))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for name in ("absent.pth", "absent.safetensors"):
        with pytest.raises(ConfigError) as refusal:
            loss(str(tmp_path / name))
        assert str(refusal.value) == f"{tmp_path / name}: there is no such file. Name another with --features FILE."


def test_a_folder_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory\. Name another with --features FILE\.$"):
        loss(str(tmp_path))


class Touch:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_that_is_no_weights_is_refused_and_nothing_in_it_is_run(suffix: str, tmp_path: Path) -> None:
    path, touched = (tmp_path / "no").with_suffix(suffix), tmp_path / "touched"
    for content in (b"", b"no weights", pickle.dumps(Touch(touched))):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=r"is no file of weights, or damaged\. Name another with --features FILE"):
            loss(str(path))
    assert not touched.exists()


def test_a_file_that_is_cut_off_is_refused(short_file: str, tmp_path: Path) -> None:
    path = tmp_path / "cut.safetensors"
    path.write_bytes(Path(short_file).read_bytes()[:-100])
    with pytest.raises(ConfigError, match=r"is no file of weights, or damaged"):
        loss(str(path))


def test_layers_are_named_by_block_and_number() -> None:
    assert layer_names("vgg19")[:5] == ["conv1_1", "relu1_1", "conv1_2", "relu1_2", "conv2_1"]
    assert [len(layer_names(network)) for network in ("vgg19", "vgg16")] == [2 * 16, 2 * 13]


@pytest.mark.parametrize(("network", "last"), [("vgg19", "conv5_4"), ("vgg16", "conv5_3")])
def test_without_layers_the_last_convolution_counts_once(network: Any, last: str) -> None:
    assert PerceptualConfig(network=network).layer_weights == {last: 1.0}


def test_a_layer_that_weighs_0_does_not_count_and_need_not_be_in_the_file(short_file: str) -> None:
    config = PerceptualConfig(layers={"conv5_4": 0, "conv1_2": 0.5})
    assert config.layer_weights == {"conv1_2": 0.5}
    assert loss(short_file, layers=config.layers)(pictures(1, 3, 8, 8), pictures(1, 3, 8, 8, seed=3)) > 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"layers": {"conv6_1": 1.0}}, "vgg19 has no layer conv6_1: they are named conv1_1, relu1_1 to relu5_4"),
        ({"layers": {"conv3_4": 1.0}, "network": "vgg16"}, "vgg16 has no layer conv3_4: they are named conv1_1"),
        ({"layers": {"conv1_1": 0.0}}, "every layer weighs 0: give one a weight, such as layers.conv5_4=1"),
        ({"layers": {"conv1_1": -1.0}}, "greater than or equal to 0"),
    ],
)
def test_other_layers_and_weights_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        PerceptualConfig(**settings)


@pytest.fixture(scope="module")
def real_file(test_data: Path) -> Path:
    """VGG19's weights up to relu3_4, as the world has them."""
    return test_data / "weights" / "vgg19_to_relu3_4_fp16.safetensors"


def test_features_of_real_weights_are_those_of_torchvision_s_stack(real_file: Path) -> None:
    reference = stack("vgg19", 17)
    state = {key.removeprefix("features."): value.float() for key, value in load_file(real_file).items()}
    reference.load_state_dict(state)
    ours = loss(str(real_file), layers=dict.fromkeys(["conv1_1", "relu1_2", "conv2_2", "relu3_1", "relu3_4"], 1.0))
    x = pictures(2, 3, 20, 18)
    for name, index in {"conv1_1": 0, "relu1_2": 3, "conv2_2": 7, "relu3_1": 11, "relu3_4": 17}.items():
        expected = reference[: index + 1](normalised(x))
        torch.testing.assert_close(ours.features(x)[name], expected, rtol=1e-4, atol=1e-6 * expected.abs().max().item())


def test_the_weights_of_pix2pixhd_are_a_table_of_layers(tmp_path: Path) -> None:
    # Wang et al. 2018: `features` 1, 6, 11, 20 and 29.
    reference = stack("vgg19", 29)
    layers = {"relu1_1": 1 / 32, "relu2_1": 1 / 16, "relu3_1": 1 / 8, "relu4_1": 1 / 4, "relu5_1": 1.0}
    ours = loss(saved(reference, tmp_path / "hd.safetensors"), layers=layers)
    fake, real = pictures(1, 3, 16, 16), pictures(1, 3, 16, 16, seed=3)
    expected = 0.0
    for index, weight in zip((1, 6, 11, 20, 29), layers.values(), strict=True):
        maps = [reference[: index + 1](normalised(x)) for x in (fake, real)]
        expected += weight * (maps[0] - maps[1]).abs().mean().item()
    assert ours(fake, real).item() == pytest.approx(expected, rel=1e-5)


def test_real_features_have_the_magnitude_that_they_are_known_for_and_blur_is_far(
    test_data: Path, real_file: Path
) -> None:
    with Image.open(test_data / "sr" / "Set5" / "HR" / "baby.png") as opened:
        photo = opened.convert("RGB").crop((128, 128, 256, 256))
    blurred = photo.resize((32, 32), Image.Resampling.BICUBIC).resize((128, 128), Image.Resampling.BICUBIC)
    real, fake = (torch.from_numpy(np.asarray(p) / 255.0).float().permute(2, 0, 1)[None] for p in (photo, blurred))
    ours = loss(str(real_file), layers={"relu3_4": 1.0})
    assert 100 < ours.features(real)["relu3_4"].mean() < 1000
    relative = loss(str(real_file), layers={"relu3_4": 1.0}, normalise=True)
    assert 0.1 < relative(fake, real) < 1.5
    assert relative(fake, real) > 3 * relative((real + 2 / 255).clamp(0, 1), real)
