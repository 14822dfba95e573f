"""Crops of photos with holes, for inpainting."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from i2i.config.data import MaskedConfig
from i2i.config.masks import MaskConfig
from i2i.data.batches import Masked
from i2i.data.draws import seed_of
from i2i.data.loader import stacked
from i2i.data.mask_folder import find_masks, refuse_unusable, scan_masks
from i2i.data.opening import PhotoScans, changed_line, open_photos
from i2i.data.photos import PhotoCrops
from i2i.data.scan import Progress
from i2i.images.picture import Pixels
from i2i.masks.mixture import Masks, open_masks

SHEET_SEED = 0  # of the sample sheet's masks, which are the same in every training


class MaskedCrops:
    """Square RGB crops, each with a mask of its own: a function of (seed, epoch, position), as the crop is.

    `failed` holds, by file, why a photo or a mask that could be read before cannot be read now.
    """

    batch = Masked

    def __init__(self, photos: PhotoCrops, masks: Masks) -> None:
        self.photos, self.masks = photos, masks
        self.side, self.failed = photos.side, photos.failed  # of both: masks are added

    @property
    def fits_in_memory(self) -> bool:
        """Whether all photos stay in the cache once they were read."""
        return self.photos.fits_in_memory

    def __len__(self) -> int:
        """Samples of an epoch."""
        return len(self.photos)

    def sample(self, seed: int, epoch: int, position: int) -> tuple[Pixels, NDArray[np.bool_]]:
        """The crop (side, side, 3) at a position of an epoch, and its mask (side, side, 1), true in the hole."""
        (crop,) = self.photos.sample(seed, epoch, position)
        return crop, self._mask(seed, epoch, position)

    def fixed(self, count: int) -> Masked:
        """The middles of the first `count` photos, or of as many as there are, with masks that are always the same."""
        (real,) = self.photos.fixed(count)
        masks = [self._mask(SHEET_SEED, 0, row) for row in range(len(real))]
        return Masked(real, torch.from_numpy(stacked(masks)))

    def _mask(self, seed: int, epoch: int, position: int) -> NDArray[np.bool_]:
        random = np.random.default_rng(seed_of(seed, epoch, position, "mask"))
        mask = self.masks(self.side, self.side, random)
        self.failed.update(self.masks.failed)
        return mask[:, :, None]


@dataclass(frozen=True)
class MaskedData:
    """Opened training photos with masks; see `OpenedData`. `sheet` are held-out ones where there are some."""

    train: MaskedCrops
    sheet: MaskedCrops
    scans: PhotoScans
    summary: str
    notes: tuple[str, ...]

    def fixed(self, count: int) -> Masked:
        """The middles of the first `count` photos for the sample sheet."""
        return self.sheet.fixed(count)


def open_masked(
    config: MaskedConfig, *, previous: PhotoScans | None = None, progress: Progress | None = None
) -> MaskedData:
    """The crops of the photos in the folder that the settings name, with the masks that these ask for.

    Raises DataError for folders, of photos or of masks, that cannot be used; otherwise as `open_photos`.
    """
    folder, before = find_masks(config), previous.masks if previous else None
    scan, files, notes = None, [], []
    if folder:
        scan = scan_masks(folder, previous=before, progress=progress)
        refuse_unusable(folder, scan)
        files = [folder.root / name for name in folder.names]
        notes = _mask_notes(config.masks, changed_line(folder, before, scan) if before else None)
    masks = open_masks(config.masks, files)
    photos = open_photos(config, previous=previous, progress=progress)
    train, sheet = MaskedCrops(photos.train, masks), MaskedCrops(photos.sheet, masks)
    scans = replace(photos.scans, masks=scan)
    return MaskedData(train, sheet, scans, f"{photos.summary}, {masks.summary}", (*photos.notes, *notes))


def _mask_notes(config: MaskConfig, changed: str | None) -> list[str]:
    notes = [changed] if changed else []
    if config.idle:
        notes.append(f"no effect beside masks from a folder: {', '.join(f'data.masks.{name}' for name in config.idle)}")
    return notes
