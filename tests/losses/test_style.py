"""The style loss, against loops over channels and pixels, and what it shares with the perceptual loss."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from i2i.config.perceptual import PerceptualConfig
from i2i.errors import ConfigError
from i2i.losses.perceptual import Perceptual, gram, style_loss

BOTH = ("perceptual", "style")


def random(*shape: int, seed: int = 2) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def short_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """VGG19 up to conv2_2, with weights that keep the scale of the features."""
    torch.manual_seed(1)
    tensors = {}
    for index, before, after in [(0, 3, 64), (2, 64, 64), (5, 64, 128), (7, 128, 128)]:
        tensors[f"features.{index}.weight"] = torch.randn(after, before, 3, 3) * (2 / (9 * before)) ** 0.5
        tensors[f"features.{index}.bias"] = torch.randn(after) * 0.1
    path = tmp_path_factory.mktemp("weights") / "short.safetensors"
    save_file(tensors, path)
    return str(path)


def compared(file: str, compare: Any = ("style",), **settings: Any) -> Perceptual:
    given = {"weights": file, "layers": {"conv2_1": 1.0}, "style_layers": {"relu1_2": 1.0, "relu2_2": 0.5}}
    return Perceptual(PerceptualConfig(**given | settings), compare)


def gram_by_hand(features: np.ndarray) -> np.ndarray:
    """(C, H, W) -> (C, C): for each two channels, the sum of their products over C H W."""
    channels, height, width = features.shape
    products = [[(features[i] * features[j]).sum() for j in range(channels)] for i in range(channels)]
    return np.array(products) / (channels * height * width)


def style_by_hand(fake: Tensor, real: Tensor) -> float:
    """|gram - gram|^2, mean over the samples of (N, C, H, W)."""
    pairs = zip(fake.double().numpy(), real.double().numpy(), strict=True)
    return float(np.mean([((gram_by_hand(f) - gram_by_hand(r)) ** 2).sum() for f, r in pairs]))


def test_two_channels_of_two_pixels_have_the_gram_matrix_on_paper() -> None:
    # (1, 2) and (3, 4): products 5, 11, 25, over 2 channels x 2 pixels.
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])
    assert gram(features).tolist() == [[[1.25, 2.75], [2.75, 6.25]]]


def test_a_gram_matrix_is_the_products_of_channels_in_each_sample() -> None:
    features = random(2, 4, 3, 5).double()
    expected = np.array([gram_by_hand(sample) for sample in features.numpy()])
    np.testing.assert_allclose(gram(features).numpy(), expected, rtol=1e-12)


def test_a_gram_matrix_knows_no_places_and_no_size() -> None:
    features = random(1, 4, 6, 6).double()
    torch.testing.assert_close(gram(features.roll((2, 3), (2, 3)).mT), gram(features))
    torch.testing.assert_close(gram(features.repeat(1, 1, 2, 3)), gram(features))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_multiplied_in_float32_under_autocast_too(dtype: torch.dtype) -> None:
    features = (300 * random(1, 8, 9, 9)).to(dtype)  # products of 90000: float16 ends at 65504
    with torch.autocast("cpu", torch.bfloat16):
        found = gram(features)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), gram(features.double()), rtol=1e-5, atol=0)


def test_the_loss_is_the_weighted_sum_over_layers_of_squared_distances() -> None:
    fake = {"a": random(2, 3, 4, 5), "b": random(2, 5, 2, 2)}
    real = {"a": random(2, 3, 4, 5, seed=3), "b": random(2, 5, 2, 2, seed=3)}
    found = style_loss(fake, real, {"a": 0.5, "b": 3.0}).item()
    expected = 0.5 * style_by_hand(fake["a"], real["a"]) + 3 * style_by_hand(fake["b"], real["b"])
    assert found == pytest.approx(expected, rel=1e-5)


def test_twice_the_features_are_9_squared_gram_matrices_away() -> None:
    features = {"a": random(1, 3, 4, 4)}
    found = style_loss({"a": 2 * features["a"]}, features, {"a": 1.0})
    torch.testing.assert_close(found, 9 * gram(features["a"]).square().sum())


def test_normalised_both_are_divided_by_the_magnitude_of_the_real_sample() -> None:
    scales = torch.tensor([0.01, 500.0]).view(2, 1, 1, 1)
    fake, real = scales * random(2, 3, 4, 5), scales * random(2, 3, 4, 5, seed=3)
    magnitudes = real.mean((1, 2, 3), keepdim=True)
    found = style_loss({"a": fake}, {"a": real}, {"a": 1.0}, normalise=True).item()
    assert found == pytest.approx(style_by_hand(fake / magnitudes, real / magnitudes), rel=1e-4)


def test_a_dark_layer_gives_a_finite_loss_and_gradient() -> None:
    fake = torch.zeros(1, 3, 4, 4, requires_grad=True)
    value = style_loss({"a": fake}, {"a": torch.zeros(1, 3, 4, 4)}, {"a": 1.0}, normalise=True)
    (slope,) = torch.autograd.grad(value, fake)
    assert (value.item(), slope.any().item()) == (0, False)


@pytest.mark.parametrize("normalise", [False, True])
def test_the_gradient_of_pictures_is_the_slope(short_file: str, normalise: bool) -> None:
    ours, real = compared(short_file, normalise=normalise), random(1, 3, 6, 6, seed=3).double()
    fake = random(1, 3, 6, 6).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: ours.losses(x, real)["style"], fake, fast_mode=True)


def test_pictures_are_compared_by_the_named_layers(short_file: str) -> None:
    ours = compared(short_file)
    fake, real = random(2, 3, 12, 9), random(2, 3, 12, 9, seed=3)
    maps = [ours.features(x) for x in (fake, real)]
    shares = [style_by_hand(maps[0][name], maps[1][name]) for name in ("relu1_2", "relu2_2")]
    assert ours.losses(fake, real)["style"].item() == pytest.approx(shares[0] + 0.5 * shares[1], rel=1e-4)


def test_both_losses_are_those_of_each_alone(short_file: str) -> None:
    fake, real = random(2, 3, 12, 9), random(2, 3, 12, 9, seed=3)
    both = compared(short_file, BOTH).losses(fake, real)
    assert list(both) == ["perceptual", "style"]
    assert both["perceptual"] == compared(short_file, ("perceptual",))(fake, real)
    assert both["style"] == compared(short_file).losses(fake, real)["style"]


def test_both_losses_take_one_pass_of_features(short_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, convolve, widths = compared(short_file, BOTH), torch.nn.functional.conv2d, []

    def counted(x: Tensor, weight: Tensor, *rest: Any, **more: Any) -> Tensor:
        widths.append(len(weight))
        return convolve(x, weight, *rest, **more)

    monkeypatch.setattr(torch.nn.functional, "conv2d", counted)
    ours.losses(random(1, 3, 8, 8), random(1, 3, 8, 8, seed=3))
    assert widths == 2 * [64, 64, 128, 128]  # the real picture's pass, then the fake one's


@pytest.mark.parametrize(
    ("compare", "layers"),
    [
        (("perceptual",), ["conv2_1"]),
        (("style",), ["relu1_2", "relu2_2"]),
        (BOTH, ["conv2_1", "relu1_2", "relu2_2"]),
    ],
)
def test_only_layers_of_wanted_losses_are_computed(short_file: str, compare: Any, layers: list[str]) -> None:
    ours = compared(short_file, compare)
    assert list(ours.features(random(1, 3, 8, 8))) == layers
    assert len(ours.convolutions) == (3 if compare == ("perceptual",) else 4)


def test_without_a_style_its_layers_need_not_be_in_the_file(short_file: str) -> None:
    assert compared(short_file, ("perceptual",), style_layers={})(random(1, 3, 8, 8), random(1, 3, 8, 8, seed=3)) > 0
    with pytest.raises(ConfigError) as refusal:
        compared(short_file, BOTH, style_layers={})
    assert str(refusal.value) == (
        f"{short_file}: has no layer relu3_4 of vgg19. "
        "Weigh layers that it has: conv1_1, conv1_2, conv2_1, conv2_2, and relu1_1 to relu2_2."
    )


def test_only_the_fake_picture_gets_a_gradient(short_file: str) -> None:
    fake, real = random(1, 3, 8, 8).requires_grad_(), random(1, 3, 8, 8, seed=3).requires_grad_()
    style = compared(short_file).losses(fake, real)["style"]
    found = torch.autograd.grad(style, (fake, real), allow_unused=True)
    assert found[0].abs().min() > 0
    assert found[1] is None


def test_samples_stay_apart(short_file: str) -> None:
    ours = compared(short_file, normalise=True)
    fake, real = random(4, 3, 10, 10), random(4, 3, 10, 10, seed=3)
    parts = [ours.losses(fake[k : k + 2], real[k : k + 2])["style"] for k in (0, 2)]
    torch.testing.assert_close(ours.losses(fake, real)["style"], torch.stack(parts).mean())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_pictures_under_autocast_are_compared_in_float32(short_file: str, dtype: torch.dtype) -> None:
    ours = compared(short_file, BOTH)
    fake, real = random(1, 3, 8, 8).to(dtype), random(1, 3, 8, 8, seed=3).to(dtype)
    with torch.autocast("cpu", torch.bfloat16):
        found = ours.losses(fake, real)
    assert [value.dtype for value in found.values()] == [torch.float32] * 2
    assert found == ours.losses(fake.float(), real.float())


@pytest.mark.thorough
def test_compiled_losses_and_gradients_are_the_plain_ones(short_file: str) -> None:
    ours = compared(short_file, BOTH, normalise=True)
    compiled = torch.compile(ours.losses, backend="aot_eager", fullgraph=True)
    fake, real = random(1, 3, 8, 8).requires_grad_(), random(1, 3, 8, 8, seed=3)
    expected, found = ours.losses(fake, real), compiled(fake, real)
    for name in BOTH:
        torch.testing.assert_close(found[name], expected[name])
    slopes = [torch.autograd.grad(sum(losses.values()), fake)[0] for losses in (found, expected)]
    torch.testing.assert_close(*slopes)


class Holder(nn.Module):
    """A method that has a network and both losses."""

    def __init__(self, perceptual: Perceptual) -> None:
        super().__init__()
        self.network, self.perceptual = nn.Conv2d(3, 3, 1), perceptual


def test_a_module_that_holds_both_losses_neither_saves_nor_counts_them(short_file: str) -> None:
    holder = Holder(compared(short_file, BOTH)).train()
    assert list(holder.state_dict()) == ["network.weight", "network.bias"]
    assert len(list(holder.parameters())) == 2
    assert not list(holder.buffers())
    fake, real = random(1, 3, 8, 8), random(1, 3, 8, 8, seed=3)
    assert copy.deepcopy(holder).perceptual.losses(fake, real) == holder.perceptual.losses(fake, real)


def test_a_training_on_the_style_leaves_the_weights_alone(short_file: str) -> None:
    ours, holder = compared(short_file), nn.Conv2d(3, 3, 1)
    ours.losses(holder(random(1, 3, 8, 8)), random(1, 3, 8, 8, seed=3))["style"].backward()
    assert holder.weight.grad.abs().min() > 0
    state = load_file(short_file)
    assert all(torch.equal(ours._tensors[key], value) and not value.requires_grad for key, value in state.items())


@pytest.mark.parametrize(
    ("network", "layers"),
    [("vgg16", ["relu1_2", "relu2_2", "relu3_3", "relu4_3"]), ("vgg19", ["relu1_2", "relu2_2", "relu3_4", "relu4_4"])],
)
def test_without_layers_the_published_ones_count_once(network: Any, layers: list[str]) -> None:
    assert PerceptualConfig(network=network).style_weights == dict.fromkeys(layers, 1.0)


def test_a_layer_that_weighs_0_does_not_count() -> None:
    assert PerceptualConfig(style_layers={"relu5_4": 0, "conv1_2": 0.5}).style_weights == {"conv1_2": 0.5}


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ({"relu3_5": 1.0}, "vgg19 has no layer relu3_5: they are named conv1_1, relu1_1 to relu5_4"),
        ({"relu1_1": 0.0}, "every layer of the style weighs 0: give one a weight, such as style_layers.relu2_2=1"),
        ({"relu1_1": -1.0}, "greater than or equal to 0"),
    ],
)
def test_other_layers_and_weights_are_refused(layers: dict[str, float], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        PerceptualConfig(style_layers=layers)


def test_with_real_weights_a_moved_photo_keeps_its_style_and_another_has_its_own(test_data: Path) -> None:
    file = str(test_data / "weights" / "vgg19_to_relu3_4_fp16.safetensors")
    layers = {"relu1_2": 1.0, "relu2_2": 1.0, "relu3_4": 1.0}
    ours = compared(file, BOTH, layers={"relu3_4": 1.0}, style_layers=layers, normalise=True)
    photos = []
    for name in ("baby", "bird"):
        with Image.open(test_data / "sr" / "Set5" / "HR" / f"{name}.png") as opened:
            pixels = np.asarray(opened.convert("RGB").crop((64, 64, 192, 192))) / 255.0
        photos.append(torch.from_numpy(pixels).float().permute(2, 0, 1)[None])
    baby, bird = photos
    moved, other = ours.losses(baby.roll(40, 3), baby), ours.losses(bird, baby)
    assert moved["perceptual"] > 0.5 * other["perceptual"]
    assert moved["style"] < 0.1 * other["style"]
