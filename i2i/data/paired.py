"""Samples of pairs: what of which file is the input and what the target, and how both are cut alike."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from i2i.config.data import DERIVED, Derivation, PairedConfig
from i2i.data.augment import Geometry, Jitter
from i2i.data.batches import Paired
from i2i.data.cache import PictureCache
from i2i.data.derived import derived
from i2i.data.draws import epoch_order, seed_of
from i2i.data.loader import stacked
from i2i.data.paired_scan import Part, part_of
from i2i.errors import DataError, ImageError
from i2i.images.files import read
from i2i.images.labels import read_labels
from i2i.images.picture import Picture, Samples
from i2i.images.transparency import filled

CACHE_BYTES = 256 * 2**20  # of each loading process


class View(NamedTuple):
    """What a sample shows of a file: all of it, a half, or what is made of it."""

    path: Path
    part: Part | Derivation


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
        self._of_photos = any(view.part in DERIVED for view in pairs[0])
        kept = 1 if self._of_photos else 2  # pictures of each pair
        self._caches = [PictureCache(CACHE_BYTES // kept) for _ in range(kept)]

    def __len__(self) -> int:
        """Samples of an epoch."""
        return len(self.pairs)

    @property
    def fits_in_memory(self) -> bool:
        """Whether, going by square pictures, all pairs stay in the cache once they were read, and no input is made."""
        values = len(self.pairs) * max(self.channels) * self.geometry.load**2
        return not self._of_photos and values * np.dtype(self._kind).itemsize <= CACHE_BYTES // 2

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
                scaled = self._kept(number)
            except ImageError as error:
                self.failed[Path(error.where or self.pairs[number][0].path)] = error.what
                continue
            views, channels = self.pairs[number], self.channels
            return _made(views[0], scaled[0], channels[0], seed), _made(views[1], scaled[-1], channels[1], seed)
        raise DataError(f"none of {len(self)} pairs can be read any more.", where=self.pairs[index][0].path.parent)

    def _kept(self, number: int) -> tuple[Samples, ...]:
        """Scaled: both, or the photo (H, W, 3) that one is made of, which may turn out another way each time.

        Kept by the number of the pair: a file may belong to several pairs, and be scaled to the partner's size in each.
        """
        path = self.pairs[number][0].path
        kept = [cache.get(path, number) for cache in self._caches]
        found = tuple(pixels for pixels in kept if pixels is not None)
        if len(found) == len(kept):
            return found
        scaled = self._scaled_photo(path) if self._of_photos else self._scaled_pair(number)
        for cache, earlier, pixels in zip(self._caches, kept, scaled, strict=True):
            if earlier is None:
                cache.put(path, number, pixels)
        return scaled

    def _scaled_photo(self, path: Path) -> tuple[Samples]:
        return (self.geometry.scaled(_shown(read(path).stored_as(self._kind), "whole", 3)),)

    def _scaled_pair(self, number: int) -> tuple[Samples, Samples]:
        """A file that holds both is decoded once."""
        source, target = self.pairs[number]
        decoded = read(target.path).stored_as(self._kind)
        pixels = self.geometry.scaled(_shown(decoded, target.part, self.channels[1]))
        if self.labels:
            other = part_of(read_labels(source.path), source.part)
        else:
            partner = decoded if source.path == target.path else read(source.path).stored_as(self._kind)
            other = _shown(partner, source.part, self.channels[0])
        return self.geometry.scaled_like(other, (pixels.shape[0], pixels.shape[1]), nearest=self.labels > 0), pixels


def _shown(picture: Picture, part: Part | Derivation, channels: int) -> Samples:
    """(H, W, C) of a part of a picture, as a network sees it that translates: nothing of what is transparent."""
    alpha = None if picture.alpha is None else part_of(picture.alpha, part)
    alone = Picture(part_of(picture.pixels, part), alpha)
    return _in_channels(filled(alone), channels)


def _made(view: View, scaled: Samples, channels: int, seed: int) -> Samples:
    match view.part:
        case "whole" | "left" | "right":
            return _in_channels(scaled, channels)
        case kind:
            return _in_channels(derived(kind, scaled, seed), channels)


def _in_channels(pixels: Samples, channels: int) -> Samples:
    picture = Picture(pixels)
    return picture.gray() if channels == 1 else picture.rgb()
