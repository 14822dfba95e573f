"""What a training takes its batches from: samples in the order that seed and epoch give, and pictures for the sheet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from i2i.data.loader import Batches, Samples, check_batch
from i2i.data.opening import OpenedData


@dataclass(frozen=True)
class TrainingPictures:
    """Batches of `batch` samples, of which process `rank` of `world` gets its share; see `Batches`.

    Raises DataError where an epoch fills no batch.
    """

    opened: OpenedData
    batch: int
    seed: int
    workers: int | None = None
    rank: int = 0
    world: int = 1
    pin_memory: bool = False

    def __post_init__(self) -> None:
        check_batch(len(self.opened.train), self.batch, self.world)

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch; what fills none is left out."""
        return len(self.opened.train) // self.batch

    def batches(self, taken: int) -> Batches[Any]:
        """Endless batches without the first `taken` ones."""
        samples: Samples[Any] = self.opened.train
        return Batches(
            samples,
            batch=self.batch,
            seed=self.seed,
            workers=self.workers,
            taken=taken,
            rank=self.rank,
            world=self.world,
            pin_memory=self.pin_memory,
        )

    def fixed(self, count: int) -> Any:
        """The same few pictures every time."""
        return self.opened.fixed(count)
