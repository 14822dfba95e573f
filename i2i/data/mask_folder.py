"""The masks of a folder, found and scanned by the rules of training photos."""

from __future__ import annotations

from pathlib import Path

from i2i.config.data import MaskedConfig
from i2i.data.layouts import Domain, all_photos, find_photos, find_validation_photos
from i2i.data.scan import Progress, Scan, scan
from i2i.errors import DataError
from i2i.images.masks import mask_of
from i2i.masks.folder import EMPTY, NOTHING_KNOWN, why_unusable

WHITE_IS_HOLE = "White is the hole, black is known."


def find_masks(config: MaskedConfig) -> Domain | None:
    """The masks of the folder that the settings name; None where masks are drawn.

    Raises DataError for a folder that is none, and for masks that a training would take for photos.
    """
    if config.masks.folder is None:
        return None
    folder = Path(config.masks.folder)
    if folder.is_file():
        raise DataError("is a file, no folder of masks.", where=folder)
    masks = all_photos(folder)
    if config.path is not None:
        _refuse_among_photos(masks, Path(config.path))
    return masks


def scan_masks(masks: Domain, *, previous: Scan | None = None, progress: Progress | None = None) -> Scan:
    """Decode all of them; one that is empty, or has nothing but hole, counts as unreadable. Otherwise as `scan`."""
    return scan(masks, previous=previous, progress=progress, objection=lambda picture: why_unusable(mask_of(picture)))


def refuse_unusable(masks: Domain, found: Scan) -> None:
    """Raises DataError for the first mask that cannot be used, and says how many there are."""
    if not found.unreadable:
        return
    first, count = found.unreadable[0], len(found.unreadable)
    more = f" ({count} of {len(masks.names)} masks cannot be used.)" if count > 1 else ""
    hint = WHITE_IS_HOLE if first.reason in (EMPTY, NOTHING_KNOWN) else None
    raise DataError(first.reason + more, where=masks.root / first.name, hint=hint)


def _refuse_among_photos(masks: Domain, path: Path) -> None:
    photos = {file for domain in (find_photos(path), find_validation_photos(path)) if domain for file in _files(domain)}
    if shared := photos & _files(masks):
        many = "1 mask lies" if len(shared) == 1 else f"{len(shared)} masks lie"
        raise DataError(
            f"{many} among the photos of {path}, and would be trained on.",
            where=masks.root,
            hint="Move the masks to a folder outside.",
        )


def _files(domain: Domain) -> set[Path]:
    root = domain.root.resolve()
    return {root / name for name in domain.names}
