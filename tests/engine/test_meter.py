from __future__ import annotations

import math

import pytest
import torch

from i2i.engine.meter import Meter


def losses(**values: float) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}


def test_reading_gives_the_means() -> None:
    meter = Meter()
    for value in (1.0, 2.0, 6.0):
        meter.add(losses(gan_a=value, cycle_a=10 * value))
    assert meter.read() == {"gan_a": 3.0, "cycle_a": 30.0}


def test_each_reading_begins_anew() -> None:
    meter = Meter()
    meter.add(losses(gan_a=100.0))
    meter.read()
    meter.add(losses(gan_a=1.0))
    assert meter.read() == {"gan_a": 1.0}
    assert meter.read() == {}


def test_a_loss_of_some_steps_is_averaged_over_those() -> None:
    meter = Meter()
    for values in ({"d": 1.0}, {"d": 3.0, "penalty": 8.0}, {"d": 5.0}, {"penalty": 4.0}):
        meter.add(losses(**values))
    assert meter.read() == {"d": 3.0, "penalty": 6.0}


def test_the_latest_values_are_those_of_the_last_step_before_and_after_reading() -> None:
    meter = Meter()
    assert meter.latest() == {}
    meter.add(losses(d=1.0))
    meter.add(losses(d=5.0, g=7.0))
    assert meter.latest() == {"d": 5.0, "g": 7.0}
    meter.read()
    assert meter.latest() == {"d": 5.0, "g": 7.0}


def test_what_was_added_stays_as_it_is() -> None:
    meter, first = Meter(), losses(d=1.0)
    meter.add(first)
    meter.add(losses(d=5.0))
    assert first["d"] == 1


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_is_not_finite_is_not_hidden(value: float) -> None:
    meter = Meter()
    meter.add(losses(d=1.0))
    meter.add(losses(d=value))
    assert not math.isfinite(meter.read()["d"])


def test_two_thousand_steps_of_a_tenth_average_to_a_tenth() -> None:
    meter, step = Meter(), losses(d=0.1)
    for _ in range(2000):
        meter.add(step)
    assert meter.read()["d"] == pytest.approx(0.1, rel=1e-12)
