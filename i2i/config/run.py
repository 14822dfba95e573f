"""The configuration of one training: five tables, the same in TOML, on the command line and in the run folder."""

from __future__ import annotations

from typing import Any

from pydantic import model_validator

from i2i.config.base import Settings
from i2i.config.data import DataConfig
from i2i.config.engine import EngineConfig, LogConfig, TrainConfig


class MethodConfig(Settings):
    """Settings of a method: networks and loss weights. Each method's own class adds a literal `kind`."""

    kind: str

    @property
    def judged(self) -> bool:
        """Whether a discriminator judges what is made."""
        return True


class RunConfig(Settings):
    """Everything that defines a training. A method's run narrows `method` and `data` to its own."""

    method: MethodConfig
    data: DataConfig
    train: TrainConfig = TrainConfig()
    engine: EngineConfig = EngineConfig()
    log: LogConfig = LogConfig()

    @property
    def samples(self) -> int:
        """What a part of a batch has."""
        return self.train.batch // self.engine.micro_batches

    @property
    def following(self) -> dict[str, Any]:
        """Table -> names of its settings that follow from others, which can be changed as files leave these out."""
        return {}

    @model_validator(mode="after")
    def _a_batch_has_equal_parts(self) -> RunConfig:
        batch, parts = self.train.batch, self.engine.micro_batches
        if batch % parts:
            raise ValueError(f"a batch of {batch} cannot be cut into engine.micro_batches={parts} equal parts")
        return self
