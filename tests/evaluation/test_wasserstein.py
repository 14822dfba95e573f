"""Distances between sets of pictures, against values from theory."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from i2i.errors import ModelError
from i2i.evaluation.wasserstein import AlexNet, feature_distances, patch_distance, sliced_wasserstein


def noise(count: int, seed: int, side: int = 32) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).integers(60, 190, (count, side, side, 3), dtype=np.uint8))


def normal(count: int, dimensions: int, seed: int) -> torch.Tensor:
    return torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed))


def test_a_set_is_nowhere_from_itself_whatever_its_order():
    x = normal(500, 3, seed=1)
    assert sliced_wasserstein(x, x.flip(0)) == pytest.approx(0, abs=1e-6)


def test_the_distance_is_the_same_both_ways():
    x, y = normal(400, 3, seed=1), 2 * normal(300, 3, seed=2)
    assert sliced_wasserstein(x, y) == pytest.approx(sliced_wasserstein(y, x))


def test_on_a_line_a_shift_is_its_own_distance():
    x = normal(1000, 1, seed=1)
    assert sliced_wasserstein(x, x + 2.5) == pytest.approx(2.5, rel=1e-5)


def test_in_the_plane_a_shift_counts_two_over_pi():
    x = normal(1000, 2, seed=1)
    shifted = x + torch.tensor([3.0, 0.0])  # the mean of |cos| over all directions is 2 / pi
    assert sliced_wasserstein(x, shifted, directions=4000) == pytest.approx(3 * 2 / math.pi, rel=0.03)


def test_two_gaussians_of_other_widths_differ_by_the_mean_of_the_absolute_normal():
    x, y = normal(100_000, 1, seed=1), 3 * normal(100_000, 1, seed=2)
    assert sliced_wasserstein(x, y) == pytest.approx(2 * math.sqrt(2 / math.pi), rel=0.02)


def test_sets_of_other_sizes_are_compared_by_their_quantiles():
    x = torch.linspace(0, 1, 1001)[:, None]
    assert sliced_wasserstein(x, torch.linspace(0, 1, 401)[:, None]) == pytest.approx(0, abs=2e-3)
    assert sliced_wasserstein(torch.tensor([[0.0], [1.0], [2.0], [3.0]]), torch.tensor([[0.5], [2.5]])) == 0


def test_brightness_counts_at_the_coarse_scale_alone():
    pictures = noise(20, seed=1)
    brighter = [picture + np.uint8(30) for picture in pictures]
    # The sum of a random unit direction is nearly standard normal: E|sum| = sqrt(2 / pi). One scale of three sees it.
    assert patch_distance(pictures, brighter) == pytest.approx(30 * math.sqrt(2 / math.pi) / 3, rel=0.2)


def test_the_direction_of_stripes_counts_and_not_their_place():
    side = np.arange(32)
    upright = [np.repeat(((side + k) // 2 % 2 * 200)[None, :, None], 32, 0).repeat(3, 2) for k in range(4)]
    lying = [picture.transpose(1, 0, 2).copy() for picture in upright]
    upright, lying = ([p.astype(np.uint8) for p in kind] for kind in (upright, lying))
    assert patch_distance(upright, upright[::-1]) < 0.2 * patch_distance(upright, lying)


def test_pictures_too_small_for_three_scales_are_refused():
    with pytest.raises(ValueError, match="multiples of 4 from 28 px on, got 24 x 24"):
        patch_distance(noise(1, seed=1, side=24), noise(1, seed=2, side=24))


def test_a_file_without_alexnet_is_refused_by_name(tmp_path: Path):
    save_file({"features.0.weight": torch.zeros(64, 3, 11, 11)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match=r"other\.safetensors: no AlexNet weights"):
        AlexNet(tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match=r"missing\.safetensors: no AlexNet weights"):
        AlexNet(tmp_path / "missing.safetensors")


def test_alexnet_features_are_those_of_the_plain_stack_of_layers(tmp_path: Path):
    torch.manual_seed(0)
    stack = torch.nn.Sequential(
        torch.nn.Conv2d(3, 64, 11, 4, 2), torch.nn.ReLU(), torch.nn.MaxPool2d(3, 2),
        torch.nn.Conv2d(64, 192, 5, 1, 2), torch.nn.ReLU(), torch.nn.MaxPool2d(3, 2),
        torch.nn.Conv2d(192, 384, 3, 1, 1), torch.nn.ReLU(),
        torch.nn.Conv2d(384, 256, 3, 1, 1), torch.nn.ReLU(),
        torch.nn.Conv2d(256, 256, 3, 1, 1), torch.nn.ReLU(),
    )  # fmt: skip
    save_file({f"features.{k}": v for k, v in stack.state_dict().items()}, tmp_path / "alexnet.safetensors")
    picture = noise(1, seed=3, side=96)[0]
    x = torch.from_numpy(picture).permute(2, 0, 1) / 255
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = (x - mean[:, None, None]) / deviation[:, None, None]
    found = AlexNet(tmp_path / "alexnet.safetensors").features(picture)
    torch.testing.assert_close(found["conv3"], stack[:8](x[None])[0])
    torch.testing.assert_close(found["conv5"], stack(x[None])[0])


def test_paintings_are_further_from_photographs_than_from_paintings():
    root = Path(os.environ.get("I2I_TEST_DATA", ""))
    if "I2I_TEST_DATA" not in os.environ:
        pytest.skip("I2I_TEST_DATA is not set: no paintings, no AlexNet")
    from i2i.images.files import read

    paintings = [read(path).rgb() for path in sorted((root / "monet2photo/trainA").iterdir())[:24]]
    photos = [read(path).rgb() for path in sorted((root / "monet2photo/trainB").iterdir())[:12]]
    alexnet = AlexNet(root / "weights/alexnet_features_fp16.safetensors")
    near = feature_distances(paintings[:12], paintings[12:], alexnet)
    far = feature_distances(paintings[:12], photos, alexnet)
    assert near["conv3"] < far["conv3"]
    assert near["conv5"] < far["conv5"]
