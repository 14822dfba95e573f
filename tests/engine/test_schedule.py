"""Learning rates, against the tables of the published releases."""

from __future__ import annotations

from math import cos, pi

import pytest

from i2i.engine.schedule import Schedule, rate_factor

PER_EPOCH = 7
PUBLISHED = {"total": 200 * PER_EPOCH, "per_epoch": PER_EPOCH, "decay": 0.5}


@pytest.mark.parametrize(
    ("schedule", "epoch", "factor"),
    [
        ("linear-pytorch", 1, 1.0),
        ("linear-pytorch", 100, 1.0),
        ("linear-pytorch", 101, 0.9901),
        ("linear-pytorch", 150, 0.5050),
        ("linear-pytorch", 200, 0.0099),
        ("linear-lua", 1, 1.0),
        ("linear-lua", 100, 1.0),
        ("linear-lua", 101, 1.0),
        ("linear-lua", 102, 0.99),
        ("linear-lua", 151, 0.5),
        ("linear-lua", 200, 0.01),
    ],
)
def test_the_published_schedules_have_their_table_in_every_step_of_an_epoch(
    schedule: Schedule, epoch: int, factor: float
) -> None:
    steps = range((epoch - 1) * PER_EPOCH, epoch * PER_EPOCH)
    found = [rate_factor(schedule, step, **PUBLISHED) for step in steps]
    assert found == pytest.approx([factor] * PER_EPOCH, abs=5e-5)


@pytest.mark.parametrize(
    ("schedule", "factor"),
    [
        ("linear-pytorch", lambda e: 1 - max(0, e - 150) / 51),
        ("linear-lua", lambda e: 1 - max(0, e - 1 - 150) / 50),
    ],
)
def test_with_150_constant_and_50_falling_epochs_every_epoch_has_its_formula(schedule: Schedule, factor) -> None:
    more = {"total": 200 * PER_EPOCH, "per_epoch": PER_EPOCH, "decay": 0.25}
    found = [rate_factor(schedule, (epoch - 1) * PER_EPOCH, **more) for epoch in range(1, 201)]
    assert found == pytest.approx([factor(epoch) for epoch in range(1, 201)])


@pytest.mark.parametrize(("schedule", "quarter"), [("linear", 0.75), ("cosine", 0.5 * (1 + cos(pi / 4)))])
def test_falling_by_the_step_is_whole_until_half_time_and_zero_after_the_last_step(
    schedule: Schedule, quarter: float
) -> None:
    more = {"total": 1000, "per_epoch": 10, "decay": 0.5}
    found = [rate_factor(schedule, step, **more) for step in (0, 499, 500, 625, 750, 1000)]
    assert found == pytest.approx([1, 1, 1, quarter, 0.5, 0])


@pytest.mark.parametrize("schedule", ["linear", "linear-pytorch", "linear-lua", "cosine"])
def test_a_rate_never_climbs_and_the_last_step_still_learns(schedule: Schedule) -> None:
    found = [rate_factor(schedule, step, total=95, per_epoch=10, decay=0.6) for step in range(95)]
    assert found == sorted(found, reverse=True)
    assert found[0] == 1
    assert 0 < found[-1] < 0.3


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_a_decay_of_1_falls_from_the_first_step_on(schedule: Schedule) -> None:
    found = [rate_factor(schedule, step, total=100, per_epoch=10, decay=1.0) for step in (0, 50, 100)]
    assert found == pytest.approx([1, 0.5, 0])


@pytest.mark.parametrize("schedule", ["constant", "linear", "linear-pytorch", "linear-lua", "cosine"])
def test_a_decay_of_0_never_falls(schedule: Schedule) -> None:
    assert {rate_factor(schedule, step, total=100, per_epoch=10, decay=0.0) for step in range(100)} == {1}


def test_constant_is_constant() -> None:
    assert {rate_factor("constant", step, **PUBLISHED) for step in range(0, 1400, 50)} == {1}


@pytest.mark.parametrize("schedule", ["linear", "linear-lua", "cosine"])
@pytest.mark.parametrize("decay", [0.5, 1.0])
def test_a_training_of_one_step_learns_at_full_rate(schedule: Schedule, decay: float) -> None:
    assert rate_factor(schedule, 0, total=1, per_epoch=10, decay=decay) == 1
