"""Crops of photos: which photo belongs to a position, and where it is cut."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch

from i2i.config.data import PhotosConfig
from i2i.data.batches import Photos
from i2i.data.cache import PictureCache
from i2i.data.draws import epoch_order, seed_of
from i2i.data.loader import stacked
from i2i.errors import DataError, ImageError
from i2i.images.files import read
from i2i.images.picture import Pixels
from i2i.images.transparency import filled

MEGABYTE = 2**20
SHARE = 0.8  # of the cache that photos of the mean size may fill: those that take turns may be larger ones


class Photo(NamedTuple):
    """A file, and the bytes of its decoded RGB pixels."""

    path: Path
    bytes: int


class PhotoCrops:
    """Square RGB crops with sides of `size` + 2 `margin`; photos that are smaller are continued by their mirror image.

    An epoch takes `crops` crops of each photo. As many photos as fit into the cache take turns until all of their crops
    are taken, so that each loader process, which has a cache of its own, decodes each once an epoch. `failed` holds,
    by file, why a file that could be read before cannot be read now.
    """

    batch = Photos

    def __init__(self, photos: Sequence[Photo], config: PhotosConfig, margin: int = 0) -> None:
        if not photos:
            raise DataError("there are no photos to train on.")
        self.photos, self.config = tuple(photos), config
        self.side = config.size + 2 * margin
        self.failed: dict[Path, str] = {}
        limit = config.cache * MEGABYTE
        self._cache = PictureCache(limit)
        self._bytes = sum(photo.bytes for photo in photos)
        fitting = len(photos) if self.fits_in_memory else int(SHARE * limit * len(photos) / self._bytes)
        self._at_once = max(1, fitting)

    def __len__(self) -> int:
        """Samples of an epoch."""
        return len(self.photos) * self.config.crops

    @property
    def fits_in_memory(self) -> bool:
        """Whether all photos stay in the cache once they were read."""
        return self._bytes <= self.config.cache * MEGABYTE

    def sample(self, seed: int, epoch: int, position: int) -> tuple[Pixels]:
        """The crop (side, side, 3) at a position of an epoch: the same for the same three numbers.

        Raises DataError when not one photo can be read any more.
        """
        pixels = self._pixels(epoch_order(seed, epoch, len(self.photos))[self._turn(position)])
        random = np.random.default_rng(seed_of(seed, epoch, position, "crop"))
        crop = max((self._place(pixels, random) for _ in range(self.config.candidates)), key=_detail)
        return (_turned(crop, int(random.integers(8))) if self.config.turn else crop,)

    def fixed(self, count: int) -> Photos:
        """The middles of the first `count` photos, or of as many as there are."""
        crops = []
        for index in range(min(count, len(self.photos))):
            pixels = self._pixels(index)
            top, left = ((length - self.side) // 2 for length in pixels.shape[:2])
            crops.append(pixels[top : top + self.side, left : left + self.side])
        return Photos(torch.from_numpy(stacked(crops)))

    def _turn(self, position: int) -> int:
        """Place in the epoch's order of photos: groups one after the other, in each the photos in turn."""
        group = position // (self._at_once * self.config.crops)
        first = group * self._at_once
        in_group = min(self._at_once, len(self.photos) - first)
        return first + (position - first * self.config.crops) % in_group

    def _place(self, pixels: Pixels, random: np.random.Generator) -> Pixels:
        side = self._cut(min(pixels.shape[:2]), random)
        top, left = (int(random.integers(length - side + 1)) for length in pixels.shape[:2])
        crop = pixels[top : top + side, left : left + side]
        if side == self.side:
            return crop
        return cv2.resize(crop, (self.side, self.side), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)

    def _cut(self, most: int, random: np.random.Generator) -> int:
        """The side in the photo of what becomes a crop, at most `most`; each doubling is as likely as the other."""
        if self.config.zoom == 1:
            return self.side
        return min(most, round(self.side * min(self.config.zoom, most / self.side) ** random.random()))

    def _pixels(self, index: int) -> Pixels:
        """(H, W, 3) of a photo, or of the next one that can be read; sides of at least `side`."""
        for offset in range(len(self.photos)):
            path = self.photos[(index + offset) % len(self.photos)].path
            cached = self._cache.get(path, 3)
            if cached is not None:
                return cached
            try:
                picture = read(path).in_eight_bits()
            except ImageError as error:
                self.failed[path] = error.what
                continue
            pixels = self._continued(picture.with_pixels(filled(picture)).rgb())
            self._cache.put(path, 3, pixels)
            return pixels
        raise DataError(f"none of {len(self.photos)} photos can be read any more.", where=self.photos[0].path.parent)

    def _continued(self, pixels: Pixels) -> Pixels:
        missing = [max(0, self.side - length) for length in pixels.shape[:2]]
        if not any(missing):
            return pixels
        edges = [(length // 2, length - length // 2) for length in missing]
        return np.pad(pixels, (*edges, (0, 0)), mode="symmetric")


def _detail(crop: Pixels) -> float:
    """Mean difference of neighbours in the green channel, levels."""
    green = crop[:, :, 1].astype(np.int16)
    return float(np.abs(np.diff(green, axis=0)).mean() + np.abs(np.diff(green, axis=1)).mean())


def _turned(crop: Pixels, position: int) -> Pixels:
    """One of the eight positions of a square."""
    turned = np.rot90(crop, position % 4)
    return turned[:, ::-1] if position >= 4 else turned
