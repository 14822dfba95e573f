"""LPIPS against its authors' package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from i2i.errors import ModelError
from i2i.evaluation.lpips import CHANNEL_WEIGHTS, DOWNLOADED, Lpips, torchvision_features
from i2i.images.files import read


def noise(seed: int, side: int = 100) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (2, side, side, 3), dtype=np.uint8)


def untrained() -> dict[str, Tensor]:
    """AlexNet's convolutions by torchvision's names."""
    torch.manual_seed(0)
    layers = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}
    state: dict[str, Tensor] = {}
    for at, (after, before, side) in layers.items():
        state |= {f"features.{at}.{name}": value for name, value in nn.Conv2d(before, after, side).state_dict().items()}
    return state


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("alexnet") / "features.safetensors"
    save_file(untrained(), path)
    return path


@pytest.fixture(scope="module")
def lpips(test_data: Path) -> Lpips:
    return Lpips(test_data / "weights/alexnet_features_fp16.safetensors")


def test_the_channel_weights_are_1152_numbers_none_below_0():
    weights = load_file(CHANNEL_WEIGHTS)
    assert {layer: len(values) for layer, values in weights.items()} == {
        "conv1": 64, "conv2": 192, "conv3": 384, "conv4": 256, "conv5": 256,
    }  # fmt: skip
    assert min(float(values.min()) for values in weights.values()) == 0
    # sums of weights/v0.1/alex.pth in the package lpips 0.1.4
    sums = [float(values.double().sum()) for values in weights.values()]
    assert sums == pytest.approx([2.349532, 16.143028, 39.268440, 27.197179, 20.317177], abs=1e-5)


def test_the_channel_weights_carry_their_licence():
    with safe_open(CHANNEL_WEIGHTS, "pt") as file:
        licence = file.metadata()["licence"]
    assert "Richard Zhang" in licence
    assert "Redistributions in binary form must reproduce the above copyright notice" in licence


def test_equal_pictures_are_0_apart_and_others_as_far_both_ways(features: Path):
    distance, (one, other) = Lpips(features), noise(0, side=64)
    assert distance(one, one) == 0
    assert distance(one, other) > 0
    assert distance(one, other) == pytest.approx(distance(other, one), rel=1e-6)


def test_the_distance_is_that_of_the_equation_written_out(features: Path):
    one, other = noise(1, side=64)
    alexnet, weights = untrained(), load_file(CHANNEL_WEIGHTS)
    # ScalingLayer of the authors' package, for pictures from -1 to 1
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    x, y = (((torch.from_numpy(p) / 127.5 - 1 - shift) / scale).permute(2, 0, 1)[None] for p in (one, other))
    expected = 0.0
    for at, (layer, (stride, padding)) in zip(
        (0, 3, 6, 8, 10), zip(weights, ((4, 2), (1, 2), (1, 1), (1, 1), (1, 1)), strict=True), strict=True
    ):
        if at in (3, 6):
            x, y = F.max_pool2d(x, 3, 2), F.max_pool2d(y, 3, 2)
        w, b = alexnet[f"features.{at}.weight"], alexnet[f"features.{at}.bias"]
        x, y = F.conv2d(x, w, b, stride, padding).relu(), F.conv2d(y, w, b, stride, padding).relu()
        gap = (F.normalize(x, dim=1) - F.normalize(y, dim=1)).square() * weights[layer][None, :, None, None]
        expected += float(gap.sum(1).mean())
    assert Lpips(features)(one, other) == pytest.approx(expected, rel=1e-5)


def test_noise_is_as_far_apart_as_the_authors_package_says(lpips: Lpips):
    assert lpips(*noise(0)) == pytest.approx(0.137608, abs=2e-6)  # lpips 0.1.4, net="alex", the same features


@pytest.mark.parametrize(("name", "distance"), [("butterfly", 0.429632), ("head", 0.344338)])
def test_squares_of_4_px_are_as_far_from_the_truth_as_the_authors_package_says(
    lpips: Lpips, test_data: Path, name: str, distance: float
):
    truth = read(test_data / f"sr/Set5/HR/{name}.png").pixels
    small = read(test_data / f"sr/Set5/LR_bicubic_x4/{name}.png").pixels
    made = small.repeat(4, axis=0).repeat(4, axis=1)
    truth = truth[: made.shape[0], : made.shape[1]]
    assert lpips(made, truth) == pytest.approx(distance, abs=2e-6)  # lpips 0.1.4, net="alex", the same features


def test_torchvisions_own_file_is_taken_too(features: Path, tmp_path: Path):
    torch.save(untrained() | {"classifier.1.weight": torch.zeros(2, 2)}, tmp_path / "alexnet.pth")
    one, other = noise(2, side=40)
    assert Lpips(tmp_path / "alexnet.pth")(one, other) == Lpips(features)(one, other)


def test_what_torchvision_has_fetched_is_found_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert torchvision_features() is None
    path = tmp_path / "checkpoints" / DOWNLOADED
    path.parent.mkdir()
    path.touch()
    assert torchvision_features() == path


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_file_that_is_no_alexnet_is_refused_by_name(suffix: str, tmp_path: Path):
    path = tmp_path / f"other{suffix}"
    path.write_bytes(b"no weights at all")
    with pytest.raises(ModelError, match=rf"other\{suffix}: no AlexNet weights\. Give torchvision's AlexNet features"):
        Lpips(path)


def test_convolutions_of_another_size_are_refused(tmp_path: Path):
    save_file(untrained() | {"features.3.weight": torch.zeros(192, 64, 3, 3)}, tmp_path / "narrow.safetensors")
    with pytest.raises(ModelError, match=r"narrow\.safetensors: no AlexNet weights"):
        Lpips(tmp_path / "narrow.safetensors")
