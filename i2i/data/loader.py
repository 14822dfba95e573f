"""Endless batches, the same bytes for any number of loader processes. N samples, C channels, H x W pixels."""

from __future__ import annotations

import itertools
import logging
import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from i2i.errors import DataError, I2IError, NoRoomError

logger = logging.getLogger("i2i.data")
MOST_WORKERS = 8
FEWEST_CORES = 4  # with fewer, loader processes take their time from the arithmetic

BatchT = TypeVar("BatchT", bound=tuple[Tensor, ...], covariant=True)
ValueT = TypeVar("ValueT", bound=np.generic)


class Samples(Protocol[BatchT]):
    """What is loaded: arrays (H, W, C) for each position of each epoch, a function of nothing else but the seed."""

    failed: dict[Path, str]

    @property
    def batch(self) -> Callable[..., BatchT]:
        """The named tuple that a batch becomes."""

    @property
    def fits_in_memory(self) -> bool:
        """Whether loading costs next to nothing once every picture was read."""

    def __len__(self) -> int: ...

    def sample(self, seed: int, epoch: int, position: int) -> tuple[NDArray[Any], ...]:
        """One sample."""


class Batches(Generic[BatchT]):
    """Iterator of batches (N, C, H, W) on the CPU that never ends; samples that fill no batch are left out.

    `batch` samples make a batch, of which process `rank` of `world` gets its share; `taken` batches were used before.
    `workers` is the number of loader processes, None chooses. Raises DataError when a batch is larger than an epoch
    or not a single file of a domain can be read any more, NoRoomError when a loader process is killed.
    """

    def __init__(
        self,
        samples: Samples[BatchT],
        *,
        batch: int,
        seed: int,
        workers: int | None = None,
        taken: int = 0,
        rank: int = 0,
        world: int = 1,
        pin_memory: bool = False,
    ) -> None:
        check_batch(len(samples), batch, world)
        self.steps_per_epoch = len(samples) // batch
        self.taken = taken
        self.workers = chosen_workers(samples.fits_in_memory, world) if workers is None else workers
        self._make, self._pin_memory = samples.batch, pin_memory
        self._reported: set[Path] = set()
        share = batch // world
        places = _Places(self.steps_per_epoch, batch, taken, first=rank * share)
        self._loaded = _start(_Slices(samples, seed, share), places, self.workers)

    def __iter__(self) -> Iterator[BatchT]:
        return self

    def __next__(self) -> BatchT:
        loaded = self._next()
        if isinstance(loaded, I2IError):
            raise loaded
        self._report(loaded.failed)
        self.taken += 1
        tensors = [torch.from_numpy(pictures) for pictures in loaded.pictures]
        return self._make(*(tensor.pin_memory() if self._pin_memory else tensor for tensor in tensors))

    def close(self) -> None:
        """End the loader processes. No batch can be taken afterwards."""
        self._loaded = iter(())

    def _next(self) -> _Loaded | I2IError:
        try:
            return next(self._loaded)
        except StopIteration:
            raise RuntimeError("these batches were closed") from None
        except RuntimeError as error:
            if not str(error).startswith("DataLoader worker"):
                raise
            raise NoRoomError(
                "a loader process was killed, most often for want of memory.", hint="Try --workers 0."
            ) from error

    def _report(self, failed: dict[Path, str]) -> None:
        for path in failed.keys() - self._reported:
            logger.warning("%s: %s The next picture takes its place.", path, failed[path])
            self._reported.add(path)


def chosen_workers(fits_in_memory: bool, world: int = 1) -> int:
    """Loader processes for each of `world` training processes on this machine: none for small jobs and few cores."""
    cores = _usable_cores() // world
    return 0 if fits_in_memory or cores < FEWEST_CORES else min(MOST_WORKERS, cores - 1)


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def check_batch(length: int, batch: int, world: int = 1) -> None:
    """Raises DataError where an epoch of `length` samples fills no batch, or processes cannot share one equally."""
    if batch > length:
        raise DataError(f"a batch of {batch} is larger than the epoch: {length} pictures.", hint="Lower --batch.")
    if batch % world:
        raise DataError(f"a batch of {batch} cannot be shared by {world} processes.", hint="Use a multiple.")


@dataclass(frozen=True)
class _Loaded:
    """What a loader process sends.

    Arrays go through a pipe; tensors would go through /dev/shm, which containers keep small.
    """

    pictures: tuple[NDArray[Any], ...]  # each (N, C, H, W)
    failed: dict[Path, str]


class _Places(Sampler[tuple[int, int]]):
    """(epoch, position of the first sample) of batch after batch, without end."""

    def __init__(self, steps_per_epoch: int, batch: int, taken: int, first: int) -> None:
        self.steps_per_epoch, self.batch, self.taken, self.first = steps_per_epoch, batch, taken, first

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for number in itertools.count(self.taken):
            epoch, step = divmod(number, self.steps_per_epoch)
            yield epoch, step * self.batch + self.first


class _Slices(Dataset["_Loaded | I2IError"]):
    """The samples from a place on, stacked.

    An error that a person can cause travels as a value: torch would wrap it into a traceback of many lines.
    """

    def __init__(self, samples: Samples[Any], seed: int, count: int) -> None:
        self.samples, self.seed, self.count = samples, seed, count

    def __getitem__(self, place: tuple[int, int]) -> _Loaded | I2IError:
        epoch, first = place
        try:
            taken = [self.samples.sample(self.seed, epoch, first + number) for number in range(self.count)]
        except I2IError as error:
            return error
        return _Loaded(tuple(map(stacked, zip(*taken, strict=True))), dict(self.samples.failed))


def _start(slices: _Slices, places: _Places, workers: int) -> Iterator[_Loaded | I2IError]:
    with warnings.catch_warnings():
        # More processes than cores is what the person asked for.
        warnings.filterwarnings("ignore", "This DataLoader will create")
        loader = DataLoader(
            slices,
            batch_size=None,
            sampler=places,
            num_workers=workers,
            collate_fn=_as_it_is,
            worker_init_fn=_start_worker if workers else None,
            multiprocessing_context=_context() if workers else None,
            generator=torch.Generator(),  # without one, the global generator would be drawn from
        )
        return iter(loader)


def _as_it_is(loaded: Any) -> Any:
    return loaded


def _start_worker(number: int) -> None:
    """Ctrl-C is for the main process; one thread each, since there is one process for each core."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def _context() -> BaseContext:
    """Fork can hang once torch has threads; a server that has torch loaded starts each process in milliseconds."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["i2i.data.loader"])
    return context


def stacked(pictures: Sequence[NDArray[ValueT]]) -> NDArray[ValueT]:
    """N pictures (H, W, C) as one contiguous (N, C, H, W)."""
    return np.ascontiguousarray(np.stack(pictures).transpose(0, 3, 1, 2))
