"""What is drawn: shares and ranges of Wang et al. 2021, over 1000 pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import pi

import numpy as np
import pytest

from i2i.config.degradation import SecondOrderConfig, SecondStageConfig, StageConfig
from i2i.degradations.draws import Bell, Plan, Ringing, Stage, draw_plan

COUNT = 1000


@pytest.fixture(scope="module")
def plans() -> list[Plan]:
    return [draw_plan(SecondOrderConfig(), np.random.default_rng(seed)) for seed in range(COUNT)]


def is_share(happened: Iterable[bool], share: float) -> bool:
    """Within four deviations of what that many draws give."""
    draws = list(happened)
    return abs(sum(draws) / len(draws) - share) <= 4 * (share * (1 - share) / len(draws)) ** 0.5


def is_spread(values: Iterable[float], low: float, high: float) -> bool:
    """Uniform: all inside, close to both ends, and the mean in the middle within four deviations."""
    drawn, width = np.array(list(values)), high - low
    inside = drawn.min() >= low and drawn.max() <= high
    close = max(drawn.min() - low, high - drawn.max()) < 20 * width / len(drawn)
    return bool(inside and close and abs(drawn.mean() - (low + high) / 2) < 4 * width / (12 * len(drawn)) ** 0.5)


def bells(stages: list[Stage]) -> list[Bell]:
    return [stage.blur for stage in stages if isinstance(stage.blur, Bell)]


def test_one_kernel_in_ten_is_a_sinc_and_the_others_are_shared_out_as_published(plans: list[Plan]) -> None:
    first = [plan.first for plan in plans]
    assert all(stage.blur for stage in first)
    assert is_share((isinstance(stage.blur, Ringing) for stage in first), 0.1)
    kinds = [bell.kind for bell in bells(first)]
    shares = {
        "isotropic": 0.45,
        "anisotropic": 0.25,
        "generalized-isotropic": 0.12,
        "generalized-anisotropic": 0.03,
        "plateau-isotropic": 0.12,
        "plateau-anisotropic": 0.03,
    }
    assert Counter(kinds).keys() == shares.keys()
    for kind, share in shares.items():
        assert is_share((found == kind for found in kinds), share), kind


def test_the_second_blur_is_left_out_for_one_in_five(plans: list[Plan]) -> None:
    assert is_share((plan.second.blur is not None for plan in plans), 0.8)


def test_kernels_have_the_odd_sizes_from_7_to_21_equally_often(plans: list[Plan]) -> None:
    sizes = [plan.first.blur.size for plan in plans if plan.first.blur]
    assert sorted(set(sizes)) == [7, 9, 11, 13, 15, 17, 19, 21]
    assert all(is_share((found == size for found in sizes), 1 / 8) for size in set(sizes))


def test_deviations_fill_0_2_to_3_and_in_the_second_round_0_2_to_1_5(plans: list[Plan]) -> None:
    for stages, high in [([p.first for p in plans], 3.0), ([p.second for p in plans], 1.5)]:
        assert is_spread((bell.sigma[0] for bell in bells(stages)), 0.2, high)
        assert is_spread((bell.sigma[1] for bell in bells(stages)), 0.2, high)


def test_oblong_kernels_have_any_angle_and_two_deviations_and_round_ones_one(plans: list[Plan]) -> None:
    drawn = bells([plan.first for plan in plans])
    oblong = [bell for bell in drawn if "anisotropic" in bell.kind]
    assert is_spread((bell.angle for bell in oblong), -pi, pi)
    assert all(bell.sigma[0] != bell.sigma[1] for bell in oblong)
    assert all(bell.sigma[0] == bell.sigma[1] and bell.angle == 0 for bell in drawn if bell not in oblong)


def test_half_of_the_exponents_are_below_one(plans: list[Plan]) -> None:
    drawn = bells([plan.first for plan in plans]) + bells([plan.second for plan in plans])
    generalized = [bell.beta for bell in drawn if bell.kind.startswith("generalized")]
    plateaus = [bell.beta for bell in drawn if bell.kind.startswith("plateau")]
    assert is_share((beta < 1 for beta in generalized), 0.5)
    assert is_spread((beta for beta in generalized if beta < 1), 0.5, 1)
    assert is_spread((beta for beta in generalized if beta > 1), 1, 4)
    assert is_share((beta == 1 for beta in plateaus), 0.5)  # the published range begins at 1
    assert is_spread((beta for beta in plateaus if beta > 1), 1, 2)


def test_cut_offs_begin_at_a_third_of_pi_for_small_kernels_and_at_a_fifth_for_large_ones(plans: list[Plan]) -> None:
    rings = [stage.blur for plan in plans for stage in (plan.first, plan.second) if isinstance(stage.blur, Ringing)]
    assert is_spread((ring.cutoff for ring in rings if ring.size < 13), pi / 3, pi)
    assert is_spread((ring.cutoff for ring in rings if ring.size >= 13), pi / 5, pi)


@pytest.mark.parametrize(("name", "grow", "shrink", "low", "high"), [
    ("first", 0.2, 0.7, 0.15, 1.5), ("second", 0.3, 0.4, 0.3, 1.2)
])  # fmt: skip
def test_resizing_goes_up_and_down_as_often_and_as_far_as_published(
    plans: list[Plan], name: str, grow: float, shrink: float, low: float, high: float
) -> None:
    stages = [plan.first if name == "first" else plan.second for plan in plans]
    factors = [stage.factor for stage in stages]
    assert is_share((factor > 1 for factor in factors), grow)
    assert is_share((factor < 1 for factor in factors), shrink)
    assert is_spread((factor for factor in factors if factor > 1), 1, high)
    assert is_spread((factor for factor in factors if factor < 1), low, 1)
    assert all(is_share((stage.mode == mode for stage in stages), 1 / 3) for mode in ("area", "bilinear", "bicubic"))


@pytest.mark.parametrize(("name", "deviation", "strength"), [("first", 30, 3.0), ("second", 25, 2.5)])
def test_half_of_the_noise_is_gaussian_and_two_in_five_are_gray(
    plans: list[Plan], name: str, deviation: float, strength: float
) -> None:
    noises = [plan.first.noise if name == "first" else plan.second.noise for plan in plans]
    assert is_share((noise.kind == "gaussian" for noise in noises), 0.5)
    assert is_share((noise.gray for noise in noises), 0.4)
    assert is_spread((noise.strength for noise in noises if noise.kind == "gaussian"), 1 / 255, deviation / 255)
    assert is_spread((noise.strength for noise in noises if noise.kind == "poisson"), 0.05, strength)


def test_jpeg_has_quality_30_to_95_and_begins_anywhere_in_a_block(plans: list[Plan]) -> None:
    for jpegs in ([plan.first.jpeg for plan in plans], [plan.second.jpeg for plan in plans]):
        assert is_spread((jpeg.quality for jpeg in jpegs), 30, 95)
        assert {jpeg.corner[0] for jpeg in jpegs} == {jpeg.corner[1] for jpeg in jpegs} == set(range(16))


def test_the_end_is_a_sinc_for_four_in_five_and_jpeg_for_one_in_two(plans: list[Plan]) -> None:
    assert is_share((plan.ringing is not None for plan in plans), 0.8)
    assert is_spread((plan.ringing.cutoff for plan in plans if plan.ringing), pi / 3, pi)
    assert is_share((plan.jpeg_last for plan in plans), 0.5)


def test_shares_of_zero_and_one_are_never_and_always() -> None:
    calm = {"blur_share": 1, "sinc": 0, "isotropic": 0, "anisotropic": 0, "generalized_isotropic": 0, "grow": 0}
    calm |= {"generalized_anisotropic": 0, "plateau_isotropic": 0, "plateau_anisotropic": 1, "shrink": 0, "gaussian": 0}
    config = SecondOrderConfig(
        first=StageConfig(**calm), second=SecondStageConfig(blur_share=0), final_sinc=0, jpeg_last=1
    )
    for seed in range(50):
        plan = draw_plan(config, np.random.default_rng(seed))
        assert isinstance(plan.first.blur, Bell)
        assert (plan.first.blur.kind, plan.first.factor) == ("plateau-anisotropic", 1)
        assert (plan.first.noise.kind, plan.second.blur, plan.ringing) == ("poisson", None, None)
        assert plan.jpeg_last
