from __future__ import annotations

import pytest

from i2i.config.intervals import Interval
from i2i.engine.due import Due


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("start", [0, 7])
def test_500_steps_are_multiples_of_500_wherever_a_run_began(start: int) -> None:
    due = Due(Interval.parse("500"))
    assert [step for step in range(start + 1, 2001) if due(step)] == [500, 1000, 1500, 2000]


def test_ten_minutes_are_due_after_600_seconds_and_again_600_later() -> None:
    clock = Clock()
    due = Due(Interval.parse("10min"), clock)
    found = []
    for second in range(0, 1900, 100):
        clock.now = 100.0 + second
        if due(step=second):
            found.append(second)
    assert found == [600, 1200, 1800]


def test_a_late_look_starts_the_next_interval_when_it_happened() -> None:
    clock = Clock()
    due = Due(Interval(seconds=10), clock)
    clock.now = 125
    assert due(1)
    clock.now = 134
    assert not due(2)
    clock.now = 135
    assert due(3)


def test_it_is_not_due_at_once_whatever_the_step() -> None:
    due = Due(Interval(seconds=10), Clock())
    assert not any(due(step) for step in (0, 10, 500))
