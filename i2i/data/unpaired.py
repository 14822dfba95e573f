"""Samples of two unrelated domains: which pictures belong to a position, and how they are cut."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from i2i.config.data import UnpairedConfig
from i2i.data.augment import Geometry
from i2i.data.batches import Unpaired
from i2i.data.cache import PictureCache
from i2i.data.draws import drawn_index, epoch_order, seed_of
from i2i.data.loader import stacked
from i2i.errors import DataError, ImageError
from i2i.images.files import read
from i2i.images.picture import Pixels
from i2i.images.transparency import filled

CACHE_BYTES = 256 * 2**20  # of each loading process


class UnpairedPictures:
    """The pictures of domains A and B. `channels` of each are 1 (gray) or 3 (RGB).

    An epoch is as long as the larger domain and passes through A in a shuffled order; B is drawn for each sample.
    `failed` holds, by file, why a file that could be read before cannot be read now.
    """

    batch = Unpaired

    def __init__(
        self, a: Sequence[Path], b: Sequence[Path], config: UnpairedConfig, channels: tuple[int, int] = (3, 3)
    ) -> None:
        if not a or not b:
            raise DataError(f"unpaired training needs pictures of both domains: there are {len(a)} and {len(b)}.")
        self.a, self.b, self.channels = tuple(a), tuple(b), channels
        self.geometry = Geometry(size=config.size, load=config.load_size, transform=config.transform, flip=config.flip)
        self.failed: dict[Path, str] = {}
        self._cache = PictureCache(CACHE_BYTES)

    def __len__(self) -> int:
        """Samples of an epoch."""
        return max(len(self.a), len(self.b))

    @property
    def fits_in_memory(self) -> bool:
        """Whether, going by square pictures, all of them stay in the cache once they were read."""
        values = len(self.a) * self.channels[0] + len(self.b) * self.channels[1]
        return values * self.geometry.load**2 <= CACHE_BYTES

    def sample(self, seed: int, epoch: int, position: int) -> tuple[Pixels, Pixels]:
        """The crops (size, size, C) of A and B at a position of an epoch: the same for the same three numbers.

        Raises DataError when not one file of a domain can be read any more.
        """
        index_a = epoch_order(seed, epoch, len(self))[position] % len(self.a)
        index_b = drawn_index(len(self.b), seed, epoch, position, "choice")
        scaled_a = self._scaled(self.a, index_a, self.channels[0])
        scaled_b = self._scaled(self.b, index_b, self.channels[1])
        return (
            self.geometry.drawn(scaled_a, seed_of(seed, epoch, position, "a")),
            self.geometry.drawn(scaled_b, seed_of(seed, epoch, position, "b")),
        )

    def fixed(self, count: int) -> Unpaired:
        """The middles of the first `count` pictures of each domain, or of as many as both have."""
        count = min(count, len(self.a), len(self.b))
        return Unpaired(
            self._centred(self.a[:count], self.channels[0]), self._centred(self.b[:count], self.channels[1])
        )

    def _centred(self, files: Sequence[Path], channels: int) -> torch.Tensor:
        pictures = [self.geometry.centred(self._scaled(files, index, channels)) for index in range(len(files))]
        return torch.from_numpy(stacked(pictures))

    def _scaled(self, files: Sequence[Path], index: int, channels: int) -> Pixels:
        """The scaled picture of a file, or of the next one that can be read."""
        for offset in range(len(files)):
            path = files[(index + offset) % len(files)]
            cached = self._cache.get(path, channels)
            if cached is not None:
                return cached
            try:
                picture = read(path).in_eight_bits()
            except ImageError as error:
                self.failed[path] = error.what
                continue
            shown = picture.with_pixels(filled(picture))
            scaled = self.geometry.scaled(shown.gray() if channels == 1 else shown.rgb())
            self._cache.put(path, channels, scaled)
            return scaled
        raise DataError(f"none of {len(files)} pictures can be read any more.", where=files[index].parent)
