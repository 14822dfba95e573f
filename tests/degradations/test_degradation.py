"""Degradations as a training uses them: any batch, any scale, by seeds alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from i2i.config.degradation import BicubicConfig, FirstOrderConfig, SecondOrderConfig, SecondStageConfig, StageConfig
from i2i.degradations.bicubic import imresize
from i2i.degradations.build import degradation

KINDS = [BicubicConfig(), FirstOrderConfig(), SecondOrderConfig(), SecondOrderConfig(antialias=True)]
RANDOM = KINDS[1:]
SEEDS = [7, 2**40, 0, 12345, 8, 2**63 - 1]

every_kind = pytest.mark.parametrize("config", KINDS, ids=lambda config: config.kind)
random_kinds = pytest.mark.parametrize("config", RANDOM, ids=lambda config: config.kind)


def photos(batch: int, side: int, channels: int = 3, dtype: torch.dtype = torch.float32) -> Tensor:
    """Large and small shapes, with edges."""
    generator = torch.Generator().manual_seed(5)
    coarse, fine = (torch.rand(batch, channels, n, n, generator=generator, dtype=dtype) for n in (5, 40))
    return 0.6 * interpolate(coarse, side, mode="bicubic").clamp(0, 1) + 0.4 * interpolate(fine, side, mode="nearest")


@every_kind
@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(("channels", "dtype"), [(3, torch.float32), (1, torch.float64)])
def test_results_are_smaller_8_bit_pictures(config, scale: int, channels: int, dtype: torch.dtype) -> None:  # type: ignore[no-untyped-def]
    degrade = degradation(config, scale)
    side = 2 * degrade.margin + 12 * scale
    small = degrade(photos(6, side, channels, dtype).requires_grad_(), SEEDS)
    assert degrade.margin % scale == 0
    assert (small.shape, small.dtype) == ((6, channels, side // scale, side // scale), dtype)
    assert not small.requires_grad
    assert small.isfinite().all()
    assert small.min() >= 0
    assert small.max() <= 1
    torch.testing.assert_close(small * 255, (small * 255).round(), rtol=0, atol=1e-4)


@every_kind
def test_a_batch_of_six_is_six_times_one_and_can_be_cut_anywhere(config) -> None:  # type: ignore[no-untyped-def]
    degrade = degradation(config, 4)
    real = photos(6, 2 * degrade.margin + 16)
    together = degrade(real, SEEDS)
    alone = torch.cat([degrade(real[i : i + 1], SEEDS[i : i + 1]) for i in range(6)])
    parts = torch.cat([degrade(real[:4], SEEDS[:4]), degrade(real[4:], SEEDS[4:])])
    assert torch.equal(together, alone)
    assert torch.equal(together, parts)


@random_kinds
def test_the_same_seed_gives_the_same_bytes_and_another_one_others(config) -> None:  # type: ignore[no-untyped-def]
    degrade = degradation(config, 4)
    real = photos(1, 2 * degrade.margin + 16).expand(8, -1, -1, -1)
    small = degrade(real, [1, 2, 3, 4, 1, 2, 3, 4])
    assert torch.equal(small[:4], small[4:])
    assert len({one.numpy().tobytes() for one in small}) == 4


@random_kinds
def test_nobody_elses_random_numbers_are_used_or_moved(config) -> None:  # type: ignore[no-untyped-def]
    degrade = degradation(config, 2)
    real = photos(2, 2 * degrade.margin + 8)
    states = torch.get_rng_state(), np.random.get_state()[1].tobytes()  # type: ignore[index]
    first = degrade(real, [1, 2])
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.random.get_state()[1].tobytes() == states[1]  # type: ignore[index]
    torch.rand(3)
    assert torch.equal(degrade(real, [1, 2]), first)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_is_imresize_rounded(scale: int) -> None:
    real = photos(2, 24 * scale, dtype=torch.float64)
    expected = (imresize(real, (24, 24)).clamp(0, 1) * 255).round().byte()
    assert torch.equal((degradation(BicubicConfig(), scale)(real, [1, 2]) * 255).round().byte(), expected)


@pytest.mark.parametrize("config", [BicubicConfig(), FirstOrderConfig(blur_share=1, noise_share=0, jpeg_share=0)])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_without_its_margin_a_crop_is_a_part_of_the_whole_small_photo(config, scale: int) -> None:  # type: ignore[no-untyped-def]
    degrade = degradation(config, scale)
    margin, inner = degrade.margin, 8 * scale
    whole = photos(1, 4 * margin + inner, dtype=torch.float64)
    crop = whole[..., margin : 3 * margin + inner, margin : 3 * margin + inner]
    cut, place = margin // scale, 2 * margin // scale
    found = degrade(crop, [3])[..., cut : cut + 8, cut : cut + 8]
    assert torch.equal(found, degrade(whole, [3])[..., place : place + 8, place : place + 8])


def test_first_order_noise_deviates_as_drawn() -> None:
    config = FirstOrderConfig(blur_share=0, noise_share=1, noise=(9, 9), jpeg_share=0)
    small = degradation(config, 4)(torch.full((2, 3, 256, 256), 0.5), [1, 2])
    assert ((small - 0.5).std() * 255).item() == pytest.approx((9**2 + 1 / 12) ** 0.5, rel=0.02)  # and of rounding


def test_shares_of_first_order_are_those_of_400_pictures() -> None:
    degrade = degradation(FirstOrderConfig(blur_share=0, noise_share=0.25, noise=(9, 9), jpeg_share=0), 4)
    small = degrade(torch.full((400, 1, 52, 52), 0.5), range(400))
    noisy = (small.flatten(1).std(1) > 0).double().mean().item()
    assert noisy == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / 400) ** 0.5)


def gentle(**stage: object) -> dict[str, object]:
    """A round that does nothing but what it is told."""
    return {"blur_share": 0, "grow": 0, "shrink": 0, "gaussian": 1, "noise": (0, 0), "quality": (100, 100)} | stage


def test_second_order_that_does_next_to_nothing_is_nearly_the_mean_of_blocks() -> None:
    config = SecondOrderConfig(
        first=StageConfig.model_validate(gentle()),
        second=SecondStageConfig.model_validate(gentle()),
        final_sinc=0,
        antialias=True,
    )
    degrade = degradation(config, 4)
    coarse = torch.rand(3, 1, 6, 6, generator=torch.Generator().manual_seed(1))
    real = interpolate(coarse, 2 * degrade.margin + 40, mode="bicubic").clamp(0, 1)
    small = degrade(real, [1, 2, 3])
    assert (small - avg_pool2d(real, 4)).abs().mean() < 0.01


def test_antialiased_shrinking_keeps_a_fine_grating_gray_and_the_published_one_does_not() -> None:
    quiet = {"first": gentle(), "second": gentle(), "final_sinc": 0}
    stripes = (torch.arange(152) % 3 == 0).float().expand(1, 3, 152, 152).contiguous()
    spread = {}
    for antialias in (True, False):
        degrade = degradation(SecondOrderConfig.model_validate(quiet | {"antialias": antialias}), 4)
        spread[antialias] = torch.cat([degrade(stripes, [seed]) for seed in range(6)])[..., 13:-13, 13:-13].std()
    assert spread[False] > 3 * spread[True]


@every_kind
def test_sides_must_be_multiples_of_the_scale_and_leave_something_between_the_margins(config) -> None:  # type: ignore[no-untyped-def]
    degrade = degradation(config, 4)
    least = 2 * degrade.margin
    for height, width in [(least, least + 8), (least + 4, least + 6)]:
        with pytest.raises(ValueError, match=f"sides must be multiples of 4 above {least} px, got {height} x {width}"):
            degrade(torch.zeros(1, 3, height, width), [1])


def test_every_picture_needs_a_seed() -> None:
    with pytest.raises(ValueError, match="each picture has a seed, got 1 for 2"):
        degradation(BicubicConfig(), 2)(torch.zeros(2, 3, 32, 32), [1])
