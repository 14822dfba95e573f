"""Learning rate over time: functions of the step, so that a resumed run has the same rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from i2i.methods.base import Stage

Schedule = Literal["constant", "linear", "linear-pytorch", "linear-lua", "cosine"]


def stage_of(step: int, stages: Sequence[Stage]) -> tuple[Stage, int | None]:
    """The stage of a step, and the step that the next one begins at; None for the last one."""
    number = sum(stage.begin <= step for stage in stages) - 1
    return stages[number], stages[number + 1].begin if number + 1 < len(stages) else None


def rate_factor(schedule: Schedule, step: int, *, total: int, per_epoch: int, decay: float) -> float:
    """What the learning rate is multiplied by in a step (counted from 0) of a stage of `total` steps.

    The last share `decay` of the stage lowers it. `linear` and `cosine` fall with every step. The two published
    ones fall once per epoch e = 1, 2, ...; with n constant and m falling epochs their factors are
    1 - max(0, e - n) / (m + 1) (the authors' PyTorch release) and 1 - max(0, e - 1 - n) / m (their Lua release).
    """
    if schedule == "constant":
        return 1.0
    if schedule in ("linear", "cosine"):
        start = total * (1 - decay)
        share = 0.0 if step < start else (step - start) / max(total - start, 1)
        return 1 - share if schedule == "linear" else 0.5 * (1 + math.cos(math.pi * share))
    epochs = max(1, math.ceil(total / per_epoch))
    falling = round(epochs * decay)
    constant, epoch = epochs - falling, step // per_epoch + 1
    if schedule == "linear-pytorch":
        return 1 - max(0, epoch - constant) / (falling + 1)
    return 1 - max(0, epoch - 1 - constant) / max(falling, 1)
