"""Noise, by its deviation and by the lattice that counted photons lie on."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from i2i.degradations.noise import gaussian_noise, poisson_noise


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ramp(levels: int, channels: int = 1) -> Tensor:
    """(1, C, 64, 64) of so many distinct 8-bit levels, far from black and white where there are few."""
    line = 100 + torch.arange(64 * 64) % levels if levels <= 100 else torch.arange(64 * 64) % levels
    return (line.double() / 255).view(1, 1, 64, 64).expand(1, channels, 64, 64).contiguous()


def test_gaussian_noise_deviates_as_it_is_told_around_a_mean_of_zero() -> None:
    gray = torch.full((1, 3, 128, 128), 0.5, dtype=torch.float64)
    noise = gaussian_noise(gray, 20 / 255, gray=False, generator=seeded()) - gray
    assert noise.std().item() == pytest.approx(20 / 255, rel=0.02)
    assert noise.mean().item() == pytest.approx(0, abs=0.001)
    red, green = noise[0, 0].flatten(), noise[0, 1].flatten()
    assert torch.corrcoef(torch.stack([red, green]))[0, 1].abs() < 0.04


@pytest.mark.parametrize("add", [gaussian_noise, poisson_noise])
def test_gray_noise_is_the_same_in_all_channels(add) -> None:  # type: ignore[no-untyped-def]
    colours = torch.full((1, 3, 16, 16), 0.5, dtype=torch.float64) + torch.tensor([-0.1, 0, 0.1]).view(1, 3, 1, 1)
    noise = add(colours, 0.05, gray=True, generator=seeded()) - colours
    assert noise.std() > 0.01
    torch.testing.assert_close(noise, noise[:, :1].expand(1, 3, 16, 16), rtol=0, atol=1e-12)


@pytest.mark.parametrize("add", [gaussian_noise, poisson_noise])
def test_noise_stays_between_black_and_white(add) -> None:  # type: ignore[no-untyped-def]
    ends = torch.cat([torch.zeros(1, 3, 16, 16), torch.ones(1, 3, 16, 16)], dim=3)
    noisy = add(ends, 3.0, gray=False, generator=seeded())
    assert (noisy.min(), noisy.max()) == (0, 1)


@pytest.mark.parametrize(("levels", "v"), [(2, 2), (3, 4), (4, 4), (5, 8), (64, 64), (65, 128), (129, 256), (256, 256)])
def test_photons_are_counted_in_the_power_of_two_from_the_distinct_levels_up(levels: int, v: int) -> None:
    light = ramp(levels)
    noisy = poisson_noise(light, 0.01, gray=False, generator=seeded())  # too weak to be clipped
    untouched = (noisy > 0) & (noisy < 1)
    photons = (((noisy - light) / 0.01 + light) * v)[untouched]
    torch.testing.assert_close(photons, photons.round(), rtol=0, atol=1e-8)
    assert (photons.round() % 2 == 1).any()  # else half of v would do


def test_poisson_noise_has_the_variance_of_counted_light() -> None:
    light = torch.full((1, 1, 128, 128), 0.4, dtype=torch.float64)
    light[..., :64] = 0.6  # two levels: v = 2
    noise = poisson_noise(light, 0.05, gray=False, generator=seeded()) - light
    for half, brightness in [(noise[..., :64], 0.6), (noise[..., 64:], 0.4)]:
        assert half.std().item() == pytest.approx(0.05 * (brightness / 2) ** 0.5, rel=0.03)
        assert half.mean().item() == pytest.approx(0, abs=0.001)
