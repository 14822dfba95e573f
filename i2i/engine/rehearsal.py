"""A few steps that leave nothing behind: how long one takes and how much memory it needs."""

from __future__ import annotations

import resource
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from statistics import median

import torch

from i2i.engine.feed import Feed
from i2i.engine.loop import Trainer
from i2i.engine.schedule import stage_of

WARM_UP, MEASURED = 1, 5  # steps


@dataclass(frozen=True)
class Rehearsal:
    """Seconds of all steps, and bytes at the peak: of the device, on a CPU of the whole process."""

    seconds: float
    peak: int


def rehearse(trainer: Trainer) -> Rehearsal:
    """Takes the last steps of each stage without saving them; the trainer is used up afterwards."""
    device = trainer.precision.device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    seconds = 0.0
    with closing(trainer.data.batches(0)) as batches:
        feed = Feed(batches, trainer.convert, trainer.config.engine.micro_batches)
        for stage in trainer.engine.stages:
            end = stage_of(stage.begin, trainer.engine.stages)[1] or trainer.total
            trainer.engine.index = max(stage.begin, end - WARM_UP - MEASURED)
            seconds += (end - stage.begin) * _seconds_of_a_step(trainer, feed)
    return Rehearsal(seconds, _peak(device))


def _seconds_of_a_step(trainer: Trainer, feed: Feed) -> float:
    """The median."""
    times = []
    for _ in range(WARM_UP + MEASURED):
        start = time.perf_counter()
        trainer.step(feed)
        trainer.meter.latest()  # waits for the device
        times.append(time.perf_counter() - start)
    return median(times[WARM_UP:])


def _peak(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024  # kilobytes, but bytes on macOS
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
