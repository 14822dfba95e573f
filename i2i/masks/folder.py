"""Masks from a folder: of any sizes and formats, laid over crops. H x W pixels, true = hole."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from i2i.errors import DataError, ImageError
from i2i.images.masks import Mask, read_mask

HELD_BYTES = 64 * 2**20  # of masks in memory, eight pixels to a byte
TRIES = 8  # places in a mask before it is taken whole
EMPTY = "this mask is empty: nothing in it is white."
NOTHING_KNOWN = "this mask leaves nothing known: all of it is white."


class MaskFolder:
    """The masks `files` of a folder; each is read when it is its turn, and the last ones are kept.

    `failed` holds, by file, why a mask that could be used before cannot be used now.
    """

    def __init__(self, folder: Path, files: Sequence[Path]) -> None:
        self.folder, self.files = folder, tuple(files)
        self.failed: dict[Path, str] = {}
        self._held = _HeldMasks(HELD_BYTES)

    @property
    def summary(self) -> str:
        """Such as: 12 masks of holes/."""
        return f"{len(self.files)} mask{'' if len(self.files) == 1 else 's'} of {self.folder}"

    def __call__(self, height: int, width: int, random: np.random.Generator) -> Mask:
        """Any of the masks, flipped or not, and a part of it with the aspect of height to width; scaled to nearest.

        Parts without hole, or with nothing else, are passed over. Raises DataError when not one mask can be used any
        more.
        """
        mask = self._mask(int(random.integers(len(self.files))))
        for axis in (0, 1):
            mask = np.flip(mask, axis) if random.random() < 0.5 else mask
        for _ in range(TRIES):
            part = _scaled(_part(mask, height, width, random), height, width)
            if part.any() and not part.all():
                return part
        return _never_nothing(mask, height, width)

    def _mask(self, index: int) -> Mask:
        """A mask, or the next one that can be used."""
        for offset in range(len(self.files)):
            path = self.files[(index + offset) % len(self.files)]
            held = self._held.get(path)
            if held is not None:
                return held
            try:
                mask = read_mask(path)
                reason = why_unusable(mask)
            except ImageError as error:
                reason = error.what
            if reason:
                self.failed[path] = reason
                continue
            self._held.put(path, mask)
            return mask
        raise DataError(f"none of {len(self.files)} masks can be used any more.", where=self.folder)


def why_unusable(mask: Mask) -> str | None:
    """What is wrong with a mask that says nothing; None for all others."""
    if not mask.any():
        return EMPTY
    return NOTHING_KNOWN if mask.all() else None


def _part(mask: Mask, height: int, width: int, random: np.random.Generator) -> Mask:
    """As much of the mask as has the aspect of height to width, at a random place."""
    scale = min(mask.shape[0] / height, mask.shape[1] / width)
    up, across = max(1, round(scale * height)), max(1, round(scale * width))
    top, left = int(random.integers(mask.shape[0] - up + 1)), int(random.integers(mask.shape[1] - across + 1))
    return mask[top : top + up, left : left + across]


def _scaled(mask: Mask, height: int, width: int) -> Mask:
    """Each pixel is the one that its middle falls on."""
    rows, columns = (
        (np.arange(length) + 0.5) * old / length for length, old in zip((height, width), mask.shape, strict=True)
    )
    return mask[rows.astype(int)[:, None], columns.astype(int)]


def _never_nothing(mask: Mask, height: int, width: int) -> Mask:
    """The whole mask at that size, where a pixel of the hole, or of what is known, is lost if all of them would be."""
    whole = _scaled(mask, height, width)
    if whole.any() and not whole.all():
        return whole
    share = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    whole.ravel()[int(np.argmin(share) if whole.all() else np.argmax(share))] ^= True
    return whole


class _HeldMasks:
    """The masks that were used last, packed. A process that gets a copy gets it empty."""

    def __init__(self, limit: int) -> None:
        self.limit, self.bytes = limit, 0
        self._packed: OrderedDict[Path, tuple[tuple[int, ...], NDArray[np.uint8]]] = OrderedDict()

    def get(self, path: Path) -> Mask | None:
        """The mask, now the last to be dropped, or None."""
        if path not in self._packed:
            return None
        self._packed.move_to_end(path)
        shape, packed = self._packed[path]
        return np.unpackbits(packed, count=shape[0] * shape[1]).view(np.bool_).reshape(shape)

    def put(self, path: Path, mask: Mask) -> None:
        """Keep a mask that is not here; those that were not used for longest make room."""
        packed = np.packbits(mask)
        self._packed[path] = mask.shape, packed
        self.bytes += packed.nbytes
        while self.bytes > self.limit:
            self.bytes -= self._packed.popitem(last=False)[1][1].nbytes

    def __getstate__(self) -> dict[str, Any]:
        return {"limit": self.limit, "bytes": 0, "_packed": OrderedDict()}
