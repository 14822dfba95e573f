"""The training loop: next batch, updates, average; then log, show, sample and save when due. It knows no method."""

from __future__ import annotations

import errno
import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, Protocol

import torch
from torch import nn

from i2i.config.intervals import Interval, duration
from i2i.config.run import RunConfig
from i2i.engine.averaging import Average
from i2i.engine.checkpoint import Checkpoint, write_checkpoint
from i2i.engine.due import Due
from i2i.engine.feed import Feed
from i2i.engine.meter import Meter
from i2i.engine.parts import differences
from i2i.engine.precision import Precision, batch_converter, place
from i2i.engine.progress import Progress
from i2i.engine.runfolder import RunFolder
from i2i.engine.schedule import rate_factor, stage_of
from i2i.engine.sheet import sheet
from i2i.engine.state import collect_state, restore_state
from i2i.engine.update import Engine
from i2i.errors import NoRoomError, StoppedError, TrainingError
from i2i.images.files import write
from i2i.images.picture import Picture
from i2i.interrupt import Interrupt
from i2i.methods.base import Method


class Batches(Protocol):
    """Endless typed batches of uint8 pictures on the CPU."""

    def __iter__(self) -> Iterator[Any]: ...
    def __next__(self) -> Any: ...
    def close(self) -> None:
        """Ends loader processes."""


class TrainingData(Protocol):
    """Where batches come from, in an order that is a function of the seed and of the number taken."""

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""

    def batches(self, taken: int) -> Batches:
        """Batches without the first `taken` ones."""

    def fixed(self, count: int) -> Any:
        """The same few pictures every time, for the sample sheet."""


FEW_SKIPPED = 5  # updates
Publish = Callable[[dict[str, nn.Module]], None]


class Trainer:
    """Trains a method on data into a run folder.

    `publish` writes the model files from the averaged networks; it is called after every checkpoint.
    """

    def __init__(
        self,
        config: RunConfig,
        method: Method,
        data: TrainingData,
        run: RunFolder,
        precision: Precision,
        publish: Publish,
        progress: Progress,
    ) -> None:
        self.config, self.method, self.data, self.folder = config, method, data, run
        self.precision, self.publish, self.progress = precision, publish, progress
        self.total = config.train.steps or max(1, round(config.train.epochs * data.steps_per_epoch))
        place(method, precision.device, config.engine.channels_last)
        self.engine = Engine(
            method,
            self._optimiser,
            precision,
            seed=config.train.seed,
            micro_batches=config.engine.micro_batches,
            stages=method.stages(self.total),
        )
        self.average = Average(method.deployed(), config.train.ema, config.train.batch)
        self.convert = batch_converter(precision.device, method.value_range, config.engine.channels_last)
        self.meter = Meter()
        self.taken = self.saved_at = 0
        self.rate = config.train.lr

    def _optimiser(self, params: list[nn.Parameter]) -> torch.optim.Optimizer:
        train = self.config.train
        if train.optimiser == "rmsprop":
            return torch.optim.RMSprop(params, lr=train.lr)
        return torch.optim.Adam(params, lr=train.lr, betas=(train.beta1, train.beta2), fused=True)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Goes on from a checkpoint. Raises ModelError when it belongs to other networks."""
        restore_state(checkpoint, self.engine, self.average)
        self.taken, self.saved_at = checkpoint.state["taken"], checkpoint.step

    def run(self) -> int:
        """Trains to the end and returns the number of steps.

        Raises StoppedError after a signal or the time limit, TrainingError on lasting non-finite values, NoRoomError
        when the last save fails; in each case what was saved before is whole.
        """
        config = self.config
        parts = {"micro_batches": config.engine.micro_batches, "world": self.engine.processes.world}
        for reason in differences(self.method, **parts):
            self.progress.note(f"note: the result is not that of whole batches: {reason}")
        limit = duration(config.engine.max_time) if config.engine.max_time else math.inf
        ends = time.monotonic() + limit
        save_due, sample_due = Due(Interval.parse(config.engine.save_every)), Due(Interval.parse(config.log.samples))
        with Interrupt() as interrupt, closing(self.data.batches(self.taken)) as batches:
            feed = Feed(batches, self.convert, config.engine.micro_batches, self.taken)
            while self.engine.index < self.total:
                self.step(feed)
                step = self.engine.index
                if step % config.log.every == 0:
                    self._log()
                if self.progress.due():
                    self.progress.show(step, self.total, self.meter.latest())
                if sample_due(step):
                    self._sample()
                if save_due(step) or interrupt.save_asked():
                    self._save()
                if step < self.total and (interrupt.exit_code is not None or time.monotonic() >= ends):
                    self._stop(interrupt.exit_code or StoppedError.exit_code)
            if self.engine.index % config.log.every:
                self._log()
            self._sample()
            if self.saved_at != self.engine.index:
                self._save(last=True)
        return self.engine.index

    def step(self, feed: Feed) -> None:
        """One step and what belongs to it: rate, stage, losses, averages."""
        train = self.config.train
        if self.engine.enter_stage():
            self.average.copy_to(self.method.deployed())
            self.average.reset(self.method.deployed())
        self.rate = self._rate()
        self.engine.set_rate(self.rate)
        self.meter.add(self.engine.step(feed, train.batch // self.engine.processes.world))
        self.average.update(self.method.deployed())
        self.taken = feed.taken

    def _rate(self) -> float:
        """Each stage has its own rate, and its own schedule from its first step to its last."""
        train = self.config.train
        stage, end = stage_of(self.engine.index, self.engine.stages)
        factor = rate_factor(
            train.schedule,
            self.engine.index - stage.begin,
            total=(end or self.total) - stage.begin,
            per_epoch=self.data.steps_per_epoch,
            decay=train.decay,
        )
        return stage.rate * train.lr * factor

    def _log(self) -> None:
        values = self.meter.read()
        epoch = self.engine.index / self.data.steps_per_epoch
        with self._going_on_without_room("log.jsonl"):
            self.folder.log(self.engine.index, {"epoch": round(epoch, 3), "lr": self.rate, **values})
        self._refuse_lasting_non_finite_values()

    def _refuse_lasting_non_finite_values(self) -> None:
        """Before each line of the log and each checkpoint: most updates since the last look were skipped.

        A few in a row are usual where float16 looks for its scale.
        """
        asked, skipped = self.engine.newly_asked(), self.engine.newly_skipped()
        few = min(FEW_SKIPPED, self.config.log.every) - 1
        if any(count > max(asked[player] / 2, few) for player, count in skipped.items()):
            rate = self.config.train.lr / 2
            raise TrainingError(
                f"gradients became non-finite around step {self.engine.index}; those updates were skipped.",
                where=self.folder.path,
                hint=f"Last saved: step {self.saved_at}. Try: {self.folder.resume_command} --set train.lr={rate:g}",
            )

    def _sample(self) -> None:
        config, step = self.config, self.engine.index
        batch = self.convert(self.data.fixed(config.log.columns))
        with torch.inference_mode(), self.precision.autocast():
            columns = self.method.pictures(batch, self.average.networks)
        pixels = sheet(columns, self.method.value_range)
        with self._going_on_without_room(f"the samples of step {step}"):
            self.folder.samples.mkdir(exist_ok=True)
            write(Picture(pixels=pixels), self.folder.samples / f"step-{step:06d}.jpg")

    def _save(self, *, last: bool = False) -> None:
        """The checkpoint, then the files that others take. Raises NoRoomError when the last one finds no room."""
        self._refuse_lasting_non_finite_values()
        tensors, state = collect_state(self.engine, self.average)
        step, keep = self.engine.index, self.config.engine.keep
        with self._going_on_without_room(f"step {step}", last=last):
            write_checkpoint(self.folder.checkpoints, step, tensors, {**state, "taken": self.taken}, keep)
            self.publish(self.average.networks)
            self.folder.event("save", step=step)
            self.saved_at = step
            self.progress.saved()

    @contextmanager
    def _going_on_without_room(self, what: str, *, last: bool = False) -> Iterator[None]:
        """A full disk does not end a training: the next save may find room. It does end the last one."""
        try:
            yield
        except (OSError, NoRoomError) as error:
            if isinstance(error, OSError) and error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            if last:
                hint = f"Free space, then: {self.folder.resume_command}"
                raise NoRoomError(
                    "disk full, the last state could not be saved.", where=self.folder.path, hint=hint
                ) from error
            self.progress.note(f"warning: disk full, {what} could not be written; the training goes on")

    def _stop(self, exit_code: int) -> None:
        step = self.engine.index
        if self.saved_at != step:
            self._save(last=True)
        with self._going_on_without_room("events.jsonl"):
            self.folder.event("stop", step=step, exit=exit_code)
        raise StoppedError(
            f"stopped, step {step} of {self.total} is saved.",
            hint=f"Continue: {self.folder.resume_command}",
            exit_code=exit_code,
        )
