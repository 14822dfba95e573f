"""25 Gaussians: which points are good, which modes are covered, and every row of the table trains."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch

ROWS = [
    "plain", "wgan", "wgan-gp", "spectral", "gradient", "r1", "discriminators", "mode-seeking", "updates", "rate",
    "stddev", "instance-noise", "label-smoothing", "hinge",
]  # fmt: skip


@pytest.fixture
def mixture(program: Callable[[str], ModuleType]) -> Any:
    return program("mixture")


def test_the_modes_stand_on_a_grid_of_five_by_five_from_minus_four_to_four(mixture: Any):
    modes = mixture.modes()
    assert modes.shape == (25, 2)
    assert set(modes.flatten().tolist()) == {-4.0, -2.0, 0.0, 2.0, 4.0}


def test_a_mode_is_covered_by_forty_good_points_and_not_by_thirty_nine(mixture: Any):
    near = [torch.tensor(place).expand(count, 2) for place, count in (((0.0, 2.0), 40), ((4.0, 4.0), 39))]
    between = torch.full((21, 2), 1.0)
    assert mixture.measured(torch.cat([*near, between])) == (1, 0.79)


def test_a_point_is_good_within_three_deviations(mixture: Any):
    at = torch.tensor([[2.0 + 2.9 * 0.05, 0.0], [2.0, 3.1 * 0.05]])
    assert mixture.measured(at) == (0, 0.5)


def test_real_points_cover_all_modes_and_are_good_as_often_as_a_normal_distribution_is_within_three_deviations(
    mixture: Any,
):
    modes, good = mixture.measured(mixture.real_points(10_000, torch.Generator().manual_seed(3)))
    assert modes == 25
    assert good == pytest.approx(1 - math.exp(-(3**2) / 2), abs=0.005)


@pytest.mark.parametrize("row", ROWS)
def test_each_row_trains(mixture: Any, row: str):
    points = mixture.generated(mixture.ROWS[row], 0, mixture.Settings(steps=2, batch=8, lr=1e-3))
    assert points.shape == (10_000, 2)
    assert bool(torch.isfinite(points).all())


def test_there_is_no_other_row(mixture: Any):
    assert list(mixture.ROWS) == ROWS


def test_a_table_gives_median_and_range_over_the_seeds(mixture: Any):
    runs = [mixture.Training("r1", seed, [1, 2, 3.0], *found, 9.0) for seed, found in enumerate([(3, 0.5), (9, 0.25)])]
    runs.append(mixture.Training("r1", 2, [1, 2, 3.0], 4, 0.75, 11.0))
    assert mixture.table(runs)[-1].split() == ["r1", "4", "(3-9)", "50.0", "(25.0-75.0)", "9", "3"]
