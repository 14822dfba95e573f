"""The masks of a training, as its settings ask for them. H x W pixels, true = hole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from i2i.config.masks import MASK_KINDS, MaskConfig, MaskKind
from i2i.images.masks import Mask
from i2i.masks.area import Area, area_of_shares, fitted
from i2i.masks.draw import draw
from i2i.masks.folder import MaskFolder

TRIES = 8  # draws of a kind before its last one is made to fit


class Masks(Protocol):
    """Where a training gets its masks from."""

    failed: dict[Path, str]  # by file, why a mask that could be used before cannot be used now

    @property
    def summary(self) -> str:
        """What a person reads of them."""

    def __call__(self, height: int, width: int, random: np.random.Generator) -> Mask:
        """A hole (H, W), neither empty nor everything; the same for the same state of the generator."""


def open_masks(config: MaskConfig, files: Sequence[Path] = ()) -> Masks:
    """The masks that the settings ask for; `files` are those of the folder, where they name one."""
    return MixedMasks(config) if config.folder is None else MaskFolder(Path(config.folder), files)


class MixedMasks:
    """Drawn masks: a kind by its weight, drawn until its area is in the range.

    One that never is, is grown or shrunk to any area of the range: so weights are kept, whatever kinds usually cover.
    """

    def __init__(self, config: MaskConfig) -> None:
        self.shares = config.smallest, config.largest
        self.failed: dict[Path, str] = {}
        self.kinds: tuple[MaskKind, ...] = tuple(config.weights)
        weights = np.array([*config.weights.values()])
        self._borders = np.cumsum(weights / weights.sum())

    @property
    def summary(self) -> str:
        """Such as: masks of boxes and lines on 1 to 60 % of a crop."""
        if self.kinds == MASK_KINDS:
            named = "all kinds"
        else:
            named = " and ".join(filter(None, [", ".join(self.kinds[:-1]), self.kinds[-1]]))
        low, high = (f"{100 * share:g}" for share in self.shares)
        return f"masks of {named} on {low} to {high} % of a crop"

    def __call__(self, height: int, width: int, random: np.random.Generator) -> Mask:
        """A hole (H, W) that covers at least `smallest` and at most `largest` of the pixels, as far as these divide.

        Of one pixel it is the hole. Never empty; with two pixels or more, never everything.
        """
        area = area_of_shares(height * width, *self.shares)
        kind = self.kinds[min(int(np.searchsorted(self._borders, random.random(), "right")), len(self.kinds) - 1)]
        for _ in range(TRIES):
            mask = draw(kind, height, width, random)
            if area.has(mask):
                return mask
        wanted = int(random.integers(area.least, area.most + 1))
        return fitted(mask, Area(wanted, wanted))
