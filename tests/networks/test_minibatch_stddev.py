"""Minibatch standard deviation, against numbers by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from i2i.networks.minibatch_stddev import MinibatchStddev

stddev = MinibatchStddev()


def batch(samples: int, *, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(samples, 3, 2, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)


def test_two_samples_one_apart_differ_by_a_half() -> None:
    x = torch.stack([torch.zeros(1, 2, 2), torch.ones(1, 2, 2)])
    told = stddev(x)
    assert told.shape == (2, 2, 2, 2)
    assert torch.equal(told[:, :1], x)
    torch.testing.assert_close(told[:, 1], torch.full((2, 2, 2), 0.5))  # population deviation of 0 and 1


@pytest.mark.parametrize(("samples", "group"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 1), (6, 3), (8, 4), (10, 2)])
def test_groups_are_of_four_or_the_largest_number_below_that_divides_the_batch(samples: int, group: int) -> None:
    x = batch(samples)
    groups = x.numpy().reshape(samples // group, group, 3, 2, 5)
    wanted = np.sqrt(groups.std(axis=1) ** 2 + 1e-8).mean(axis=(1, 2, 3)).repeat(group)
    np.testing.assert_allclose(stddev(x)[:, 3].numpy(), np.broadcast_to(wanted[:, None, None], (samples, 2, 5)))


def test_a_batch_cut_into_whole_groups_is_judged_as_in_one_piece() -> None:
    x = batch(8)
    assert torch.equal(stddev(x), torch.cat([stddev(x[:4]), stddev(x[4:])]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_equal_samples_have_a_finite_slope_in_every_precision(dtype: torch.dtype) -> None:
    x = batch(1, dtype=dtype).repeat(4, 1, 1, 1).requires_grad_()
    told = stddev(x)
    (slope,) = torch.autograd.grad(told.sum(), x)
    assert told.dtype == dtype
    assert slope.isfinite().all()
