"""Settings of the training itself: how long, how fast, on what, and what is written."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator

from i2i.config.base import Settings, TextOrNumber, setting
from i2i.config.intervals import Interval, duration

Duration = Annotated[str, AfterValidator(lambda text: (duration(text), text)[1])]
Every = Annotated[TextOrNumber, AfterValidator(lambda text: (Interval.parse(text), text)[1])]


def _device(text: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?|mps", text):
        raise ValueError(f"'{text}' is no device: write auto, cpu, cuda, cuda:1 or mps")
    return text


Device = Annotated[str, AfterValidator(_device)]


class TrainConfig(Settings):
    """Length, rates and averaging."""

    steps: int | None = setting(None, "length of the training in steps; overrides epochs", option="--steps", ge=1)
    epochs: float = setting(200, "length of the training in epochs", option="--epochs", gt=0)
    batch: int = setting(1, "samples in a step: pictures (of each domain), or crops", option="--batch", ge=1)
    lr: float = setting(2e-4, "learning rate", option="--lr", gt=0)
    optimiser: Literal["adam", "rmsprop"] = setting(
        "adam", "how weights follow their gradients; rmsprop, without a momentum, is that of WGAN"
    )
    beta1: float = setting(0.5, "first moment decay of Adam", ge=0, lt=1)
    beta2: float = setting(0.999, "second moment decay of Adam", ge=0, lt=1)
    schedule: Literal["constant", "linear", "linear-pytorch", "linear-lua", "cosine"] = setting(
        "linear",
        "learning rate over time; linear falls by the step, linear-pytorch and linear-lua by the epoch as published",
    )
    decay: float = setting(0.5, "last share of the training in which the learning rate falls to zero", ge=0, le=1)
    ema: float = setting(
        10_000,
        "half-life in images of the averaged networks that are shipped; 0 ships the last ones",
        option="--ema",
        ge=0,
    )
    init: str | None = setting(None, "start from the networks of a model file, run or shipped model", option="--init")
    seed: int = setting(0, "seed of every random draw", option="--seed", ge=0, lt=2**63)


class EngineConfig(Settings):
    """Device, precision, saving."""

    device: Device = setting("auto", "where to compute: auto, cpu, cuda, cuda:N or mps", option="--device")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = setting(
        "auto", "arithmetic of the networks; auto: bf16 on CUDA, fp32 elsewhere", option="--precision"
    )
    micro_batches: int = setting(1, "parts that a batch is computed in, one after the other, to save memory", ge=1)
    channels_last: bool = setting(False, "keep pictures and weights in channels-last order")
    threads: int | None = setting(None, "CPU threads of the arithmetic (default: all cores)", option="--threads", ge=1)
    save_every: Every = setting("10min", "time or steps between checkpoints: 10min, 2h, 500", option="--save-every")
    keep: int = setting(3, "checkpoints kept", option="--keep", ge=1)
    max_time: Duration | None = setting(None, "stop after this time, state saved: 90s, 30min, 8h", option="--max-time")


class LogConfig(Settings):
    """What a run writes while it goes on."""

    every: int = setting(50, "steps between lines of log.jsonl", ge=1)
    samples: Every = setting("500", "time or steps between sample sheets: 500, 10min")
    columns: int = setting(4, "pictures of each domain on a sample sheet", ge=1, le=64)
