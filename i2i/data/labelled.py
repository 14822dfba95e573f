"""Pictures of one size with the numbers of their classes: which belongs to a position, and how it becomes that size."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch
from torch import Tensor

from i2i.data.arrays import Labels
from i2i.data.batches import Labelled
from i2i.data.cache import PictureCache
from i2i.data.draws import epoch_order, seed_of
from i2i.data.loader import stacked
from i2i.errors import DataError, ImageError
from i2i.images.files import read
from i2i.images.picture import Picture, Pixels
from i2i.images.transparency import filled

CACHE = 2**30  # bytes of pictures, as small as they are trained on, that a loader process keeps


class Store(Protocol):
    """Pictures by their numbers, all (S, S, C)."""

    failed: dict[Path, str]

    @property
    def fits_in_memory(self) -> bool:
        """Whether each is read once at most."""

    def take(self, index: int) -> tuple[int, Pixels]:
        """A picture, or the next one that can be read, with its number. Raises DataError where there is none."""


class ArrayStore:
    """Pictures in memory: (N, S, S, C)."""

    fits_in_memory = True

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels
        self.failed: dict[Path, str] = {}

    def take(self, index: int) -> tuple[int, Pixels]:
        """The picture."""
        return index, self.pixels[index]


class FileStore:
    """Files, each read when it is asked for and kept as small as it is trained on."""

    def __init__(self, paths: Sequence[Path], size: int, channels: int) -> None:
        self.paths, self.size, self.channels = tuple(paths), size, channels
        self.failed: dict[Path, str] = {}
        self._cache = PictureCache(CACHE)

    @property
    def fits_in_memory(self) -> bool:
        """Whether all stay in the cache once they were read."""
        return len(self.paths) * self.size**2 * self.channels <= CACHE

    def take(self, index: int) -> tuple[int, Pixels]:
        """The picture, or the next one that can be read. Raises DataError where not one can be."""
        for offset in range(len(self.paths)):
            place = (index + offset) % len(self.paths)
            path = self.paths[place]
            if (cached := self._cache.get(path, self.channels)) is not None:
                return place, cached
            try:
                picture = read(path).in_eight_bits()
            except ImageError as error:
                self.failed[path] = error.what
                continue
            pixels = brought(filled(picture), self.size, self.channels)
            self._cache.put(path, self.channels, pixels)
            return place, pixels
        raise DataError(f"none of {len(self.paths)} pictures can be read any more.", where=self.paths[0].parent)


class LabelledPictures:
    """Samples: a picture (S, S, C), mirrored with `flip` in half of the draws, and the number of its class.

    An epoch takes each picture once. `failed` holds, by file, why a file that could be read before cannot be now; the
    next picture then takes its place, with its own class. `kinds` (N,) take turns on the sample sheet: the labels,
    where nothing else is given.
    """

    def __init__(self, store: Store, labels: Labels, *, flip: bool = False, kinds: Labels | None = None) -> None:
        if not len(labels):
            raise DataError("there are no pictures to train on.")
        self.store, self.labels, self.flip = store, labels, flip
        self.kinds = labels if kinds is None else kinds

    def __len__(self) -> int:
        """Samples of an epoch."""
        return len(self.labels)

    @staticmethod
    def batch(real: Tensor, label: Tensor) -> Labelled:
        """Labels travel as (N, 1, 1, 1), since all that is loaded is (N, C, H, W)."""
        return Labelled(real, label.flatten())

    @property
    def failed(self) -> dict[Path, str]:
        """File -> why it cannot be read any more."""
        return self.store.failed

    @failed.setter
    def failed(self, failed: dict[Path, str]) -> None:
        self.store.failed = failed

    @property
    def fits_in_memory(self) -> bool:
        """Whether all pictures stay in memory once they were read."""
        return self.store.fits_in_memory

    def sample(self, seed: int, epoch: int, position: int) -> tuple[Pixels, Labels]:
        """The picture (S, S, C) at a position of an epoch and its class (1, 1, 1): the same for the same numbers.

        Raises DataError when not one picture can be read any more.
        """
        index, pixels = self.store.take(epoch_order(seed, epoch, len(self))[position])
        mirrored = self.flip and seed_of(seed, epoch, position, "flip") % 2
        return pixels[:, ::-1] if mirrored else pixels, self.labels[index].reshape(1, 1, 1)

    def fixed(self, count: int) -> Labelled:
        """`count` pictures, or as many as there are: the first of each kind, then the second of each."""
        by_kind = [np.flatnonzero(self.kinds == kind) for kind in np.unique(self.kinds)]
        in_turn = [int(index) for index in chain.from_iterable(zip_longest(*by_kind)) if index is not None]
        taken = [self.store.take(index) for index in in_turn[:count]]
        labels = self.labels[[index for index, _ in taken]]
        return Labelled(torch.from_numpy(stacked([pixels for _, pixels in taken])), torch.from_numpy(labels))


def brought(pixels: Pixels, size: int, channels: int) -> Pixels:
    """The middle square of (H, W, 1 or 3) as (size, size, channels): means when it shrinks, cubic when it grows."""
    side = min(pixels.shape[:2])
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    square = Picture(np.ascontiguousarray(pixels[top : top + side, left : left + side]))
    in_channels = square.gray() if channels == 1 else square.rgb()
    if side == size:
        return in_channels
    way = cv2.INTER_AREA if size < side else cv2.INTER_CUBIC
    return cv2.resize(in_channels, (size, size), interpolation=way).reshape(size, size, channels).astype(np.uint8)
