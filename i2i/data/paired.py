"""Samples of pairs: what of which file is the input and what the target, and how both are cut alike."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch

from i2i.config.data import DERIVED, Derivation, PairedConfig
from i2i.data.augment import Geometry, Jitter
from i2i.data.batches import Paired
from i2i.data.cache import PictureCache
from i2i.data.derived import derived
from i2i.data.draws import epoch_order, seed_of
from i2i.data.loader import stacked
from i2i.errors import DataError, ImageError
from i2i.images.files import read
from i2i.images.labels import read_labels
from i2i.images.picture import Picture, Samples

CACHE_BYTES = 256 * 2**20  # of each loading process


class View(NamedTuple):
    """What a sample shows of a file: all of it, a half, or what is made of it."""

    path: Path
    part: Literal["whole", "left", "right"] | Derivation


class PairedPictures:
    """Pairs (input, target). `channels` of each are 1 (gray) or 3 (RGB).

    With `labels` classes the inputs are label maps: class numbers (H, W, 1), which are never mixed with each other. An
    epoch passes once through all pairs in a shuffled order. `failed` holds, by file, why a file that could be read
    before cannot be read now.
    """

    batch = Paired

    def __init__(
        self,
        pairs: Sequence[tuple[View, View]],
        config: PairedConfig,
        channels: tuple[int, int] = (3, 3),
        labels: int = 0,
    ) -> None:
        if not pairs:
            raise DataError("there are no pairs to train on.")
        self.pairs, self.channels, self.labels = tuple(pairs), channels, labels
        self.geometry = Geometry(size=config.size, load=config.load_size, transform=config.transform, flip=config.flip)
        self.jitter = Jitter(config.jitter)
        self.failed: dict[Path, str] = {}
        self._kind = "uint16" if config.depth == 16 else "uint8"
        self._caches = PictureCache(CACHE_BYTES // 2), PictureCache(CACHE_BYTES // 2)

    def __len__(self) -> int:
        """Samples of an epoch."""
        return len(self.pairs)

    @property
    def fits_in_memory(self) -> bool:
        """Whether, going by square pictures, all pairs stay in the cache once they were read, and no input is made."""
        made = any(view.part in DERIVED for pair in self.pairs[:1] for view in pair)
        values = len(self.pairs) * max(self.channels) * self.geometry.load**2
        return not made and values * np.dtype(self._kind).itemsize <= CACHE_BYTES // 2

    def sample(self, seed: int, epoch: int, position: int) -> tuple[Samples, Samples]:
        """The crops (size, size, C) of input and target at a position of an epoch: the same for the same three numbers.

        Raises DataError when not one pair can be read any more.
        """
        index = epoch_order(seed, epoch, len(self))[position]
        source, target = self._scaled(index, seed_of(seed, epoch, position, "made"))
        source, target = self.geometry.drawn_together(source, target, seed_of(seed, epoch, position, "crop"))
        return self.jitter(source, seed_of(seed, epoch, position, "jitter")), target

    def fixed(self, count: int) -> Paired:
        """The middles of the first `count` pairs, or of as many as there are."""
        pairs = [self._scaled(index, seed_of("fixed", index)) for index in range(min(count, len(self)))]
        centred = [[self.geometry.centred(picture) for picture in side] for side in zip(*pairs, strict=True)]
        return Paired(*(torch.from_numpy(stacked(pictures)) for pictures in centred))

    def _scaled(self, index: int, seed: int) -> tuple[Samples, Samples]:
        """Input and target, of one height and width, of a pair or of the next one that can be read."""
        for offset in range(len(self)):
            number = (index + offset) % len(self)
            try:
                source, target = self._kept(number)
            except ImageError as error:
                self.failed[Path(error.where or self.pairs[number][0].path)] = error.what
                continue
            views, channels = self.pairs[number], self.channels
            return _made(views[0], source, channels[0], seed), _made(views[1], target, channels[1], seed)
        raise DataError(f"none of {len(self)} pairs can be read any more.", where=self.pairs[index][0].path.parent)

    def _kept(self, number: int) -> tuple[Samples, Samples]:
        """Scaled, but not yet made of the photo that stands for it: that may turn out another way each time.

        Kept by the number of the pair: a file may belong to several pairs, and be scaled to the partner's size in each.
        """
        path = self.pairs[number][0].path
        kept = [cache.get(path, number) for cache in self._caches]
        if kept[0] is not None and kept[1] is not None:
            return kept[0], kept[1]
        source, target = self._read(number)
        target = self.geometry.scaled(target)
        source = self.geometry.scaled_like(source, (target.shape[0], target.shape[1]), nearest=self.labels > 0)
        for cache, earlier, pixels in zip(self._caches, kept, (source, target), strict=True):
            if earlier is None:
                cache.put(path, number, pixels)
        return source, target

    def _read(self, number: int) -> tuple[Samples, Samples]:
        """Both as the files have them; a file that holds both is decoded once."""
        source, target = self.pairs[number]
        decoded = read(target.path).stored_as(self._kind)
        if self.labels:
            return _part(source, read_labels(source.path)), _shown(target, decoded, self.channels[1])
        other = decoded if source.path == target.path else read(source.path).stored_as(self._kind)
        return _shown(source, other, self.channels[0]), _shown(target, decoded, self.channels[1])


def _shown(view: View, picture: Picture, channels: int) -> Samples:
    """(H, W, C), or the photo (H, W, 3) that something is to be made of."""
    return _part(view, _in_channels(picture, 3 if view.part in DERIVED else channels))


def _part(view: View, whole: Samples) -> Samples:
    """Halves of one width: of an odd one, the column in the middle is left out."""
    half = whole.shape[1] // 2
    match view.part:
        case "left":
            return np.ascontiguousarray(whole[:, :half])
        case "right":
            return np.ascontiguousarray(whole[:, whole.shape[1] - half :])
    return whole


def _made(view: View, scaled: Samples, channels: int, seed: int) -> Samples:
    match view.part:
        case "whole" | "left" | "right":
            return scaled
        case kind:
            return _in_channels(Picture(derived(kind, scaled, seed)), channels)


def _in_channels(picture: Picture, channels: int) -> Samples:
    return picture.gray() if channels == 1 else picture.rgb()
