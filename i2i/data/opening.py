"""From settings to samples: find the folders, scan them, hold some pictures out, and say what there is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from i2i.config.data import PhotosConfig, UnpairedConfig
from i2i.data.batches import Photos, Unpaired
from i2i.data.holdout import automatic_share, hold_out, share_or_folder
from i2i.data.layouts import (
    Domain,
    Domains,
    all_photos,
    find_photos,
    find_role,
    find_training,
    find_validation,
    find_validation_photos,
    some_of,
)
from i2i.data.loader import Samples
from i2i.data.photos import Photo, PhotoCrops
from i2i.data.scan import MISSING, PATHS_OF_LISTS, Progress, Scan, Scans, not_read, scan_all
from i2i.data.unpaired import UnpairedPictures
from i2i.errors import DataError


class OpenedData(Protocol):
    """Training pictures of any kind, ready to be loaded; what a person should know of them."""

    @property
    def train(self) -> Samples[Any]:
        """The samples of an epoch."""

    @property
    def scans(self) -> Scans:
        """What was found."""

    @property
    def summary(self) -> str:
        """The line that a person reads."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Further lines that need attention."""

    def fixed(self, count: int) -> Any:
        """The same few pictures every time, for the sample sheet."""


@dataclass(frozen=True)
class PhotoScans(Scans):
    """The scans of the photos and, where there are such, of the validation folder and of a folder of masks."""

    photos: Scan
    val: Scan | None = None
    masks: Scan | None = None


@dataclass(frozen=True)
class UnpairedScans(Scans):
    """The scans of the training folders and, where there are such, of the validation folders."""

    a: Scan
    b: Scan
    val_a: Scan | None = None
    val_b: Scan | None = None


@dataclass(frozen=True)
class UnpairedData:
    """Opened training pictures. `val` is None where a domain has no held-out pictures.

    `sheet` are the pictures for the sample sheet: held-out ones of each domain that has some. `summary` is the line
    that a person reads; `notes` are further lines that need attention.
    """

    train: UnpairedPictures
    val: UnpairedPictures | None
    sheet: UnpairedPictures
    scans: UnpairedScans
    summary: str
    notes: tuple[str, ...]

    def fixed(self, count: int) -> Unpaired:
        """The first `count` pictures for the sample sheet."""
        return self.sheet.fixed(count)


@dataclass(frozen=True)
class PhotosData:
    """Opened training photos; see `OpenedData`. `sheet` are held-out ones where there are some."""

    train: PhotoCrops
    sheet: PhotoCrops
    scans: PhotoScans
    summary: str
    notes: tuple[str, ...]

    def fixed(self, count: int) -> Photos:
        """The middles of the first `count` photos for the sample sheet."""
        return self.sheet.fixed(count)


@dataclass(frozen=True)
class _Part:
    """One domain: what is trained on and what is held out, each with the folder that it lies in."""

    domain: Domain
    train: Scan
    val_domain: Domain
    val: Scan

    @property
    def files(self) -> list[Path]:
        return [self.domain.root / picture.name for picture in self.train.pictures]

    @property
    def val_files(self) -> list[Path]:
        return [self.val_domain.root / picture.name for picture in self.val.pictures]


def open_unpaired(
    config: UnpairedConfig,
    channels: tuple[int, int] = (3, 3),
    *,
    previous: UnpairedScans | None = None,
    progress: Progress | None = None,
) -> UnpairedData:
    """The samples of the folders that the settings name.

    `previous` are the scans of an earlier opening: unchanged files are not read again. `progress` hears of every
    file. Raises DataError for folders that cannot be trained on, ConfigError for wrong settings.
    """
    path = Path(config.path) if config.path is not None else None
    domains = find_training(path, config.a, config.b)
    val = _validation_domains(config.val, path)
    scans = _scan_all(domains, val, previous, progress)
    a = _part(domains.a, scans.a, val.a if val else None, scans.val_a, config.val)
    b = _part(domains.b, scans.b, val.b if val else None, scans.val_b, config.val)
    train = UnpairedPictures(a.files, b.files, config, channels)
    held_out = a.val_files and b.val_files
    return UnpairedData(
        train=train,
        val=UnpairedPictures(a.val_files, b.val_files, config, channels) if held_out else None,
        sheet=UnpairedPictures(a.val_files or a.files, b.val_files or b.files, config, channels),
        scans=scans,
        summary=_summary(a, b, scans, val),
        notes=_notes(a, b, config.size, previous, scans),
    )


def open_photos(
    config: PhotosConfig,
    margin: int = 0,
    *,
    previous: PhotoScans | None = None,
    progress: Progress | None = None,
) -> PhotosData:
    """The crops of the photos in the folder that the settings name, with `margin` more pixels at each side.

    Otherwise as `open_unpaired`.
    """
    if config.path is None:
        raise DataError("no training photos were named.", hint="Give a folder.")
    path = Path(config.path)
    domain, val = find_photos(path), _validation_photos(config.val, path)
    wanted = [(domain, previous.photos if previous else None)]
    if val:
        wanted.append((val, previous.val if previous else None))
    found = scan_all(wanted, progress)
    for (each, _), scan in zip(wanted, found, strict=True):
        _check_readable(each, scan)
    scans = PhotoScans(*found)
    part = _part(domain, scans.photos, val, scans.val, config.val)
    train = PhotoCrops(_photos(domain, part.train), config, margin)
    sheet = PhotoCrops(_photos(part.val_domain, part.val), config, margin) if part.val.pictures else train
    return PhotosData(
        train, sheet, scans, _photo_summary(part, scans, val), _photo_notes(part, train.side, previous, scans)
    )


def _validation_photos(setting: str, path: Path) -> Domain | None:
    if setting == "auto":
        return find_validation_photos(path)
    wanted = share_or_folder(setting)
    return all_photos(wanted) if isinstance(wanted, Path) else None


def _photos(domain: Domain, found: Scan) -> list[Photo]:
    return [Photo(domain.root / picture.name, 3 * picture.width * picture.height) for picture in found.pictures]


def _photo_summary(part: _Part, scans: PhotoScans, val: Domain | None) -> str:
    photos, smallest = scans.photos, scans.photos.smallest
    megapixels = sum(picture.width * picture.height for picture in photos.pictures) / 1e6
    parts = [f"{len(photos.pictures)} photos, {megapixels:.1f} megapixels, smallest {smallest.width}x{smallest.height}"]
    if photos.duplicates:
        parts.append(f"{photos.duplicates} duplicate{'s' if photos.duplicates > 1 else ''}")
    parts += _lost([(part.domain, photos), (part.val_domain, scans.val)])
    held_out = len(part.val.pictures)
    parts.append(f"{held_out} for validation in {val.label}/" if val else f"{held_out or 'none'} held out")
    return ", ".join(parts)


def _photo_notes(part: _Part, side: int, previous: PhotoScans | None, scans: PhotoScans) -> tuple[str, ...]:
    notes = []
    if small := sum(picture.short_side < side for picture in part.train.pictures):
        are = "photo is" if small == 1 else "photos are"
        notes.append(
            f"{small} {are} smaller than the crop of {side}x{side} and {are.split()[1]} continued by the mirror image"
        )
    changed = changed_line(part.domain, previous.photos, scans.photos) if previous else None
    return (*notes, changed) if changed else tuple(notes)


def _validation_domains(setting: str, path: Path | None) -> Domains | None:
    if setting == "auto":
        return find_role(path, "val") if path else None
    wanted = share_or_folder(setting)
    return find_validation(wanted) if isinstance(wanted, Path) else None


def _scan_all(
    domains: Domains, val: Domains | None, previous: UnpairedScans | None, progress: Progress | None
) -> UnpairedScans:
    known = previous or UnpairedScans(Scan(()), Scan(()))
    wanted = [(domains.a, known.a), (domains.b, known.b)]
    if val:
        wanted += [(val.a, known.val_a or Scan(())), (val.b, known.val_b or Scan(()))]
    found = scan_all(wanted, progress)
    for (domain, _), scan in zip(wanted, found, strict=True):
        _check_readable(domain, scan)
    return UnpairedScans(*found)


def _check_readable(domain: Domain, found: Scan) -> None:
    if not found.pictures:
        first = found.unreadable[0]
        raise DataError(
            f"none of {len(found.unreadable)} images can be read; the first, {first.name}: {first.reason}",
            where=domain.root,
            hint=PATHS_OF_LISTS if first.reason == MISSING else None,
        )


def _part(domain: Domain, found: Scan, val_domain: Domain | None, val: Scan | None, setting: str) -> _Part:
    if val_domain and val:
        return _Part(domain, found, val_domain, val)
    share = automatic_share(found) if setting == "auto" else share_or_folder(setting)
    assert isinstance(share, float)
    train, held_out = hold_out(found, share)
    if not train.pictures:
        raise DataError(
            f"all {len(found.pictures)} images would be held out, none are left to train on.",
            where=domain.root,
            hint="Add pictures or use --val 0.",
        )
    return _Part(domain, train, domain, held_out)


def _summary(a: _Part, b: _Part, scans: UnpairedScans, val: Domains | None) -> str:
    smallest = min(scans.a.smallest, scans.b.smallest, key=lambda picture: picture.short_side)
    parts = [
        f"{len(scans.a.pictures)} + {len(scans.b.pictures)} pictures",
        f"smallest {smallest.width}x{smallest.height}",
    ]
    if doubles := scans.a.duplicates + scans.b.duplicates:
        parts.append(f"{doubles} duplicate{'s' if doubles > 1 else ''}")
    found = (scans.a, scans.b, scans.val_a, scans.val_b)
    parts += _lost(zip((a.domain, b.domain, a.val_domain, b.val_domain), found, strict=True))
    parts.append(_held_out(a, b, val))
    return ", ".join(parts)


def _lost(scans: Iterable[tuple[Domain, Scan | None]]) -> list[str]:
    """What could not be read, counted by reason."""
    lost = not_read((domain, found) for domain, found in scans if found)
    return [f"{len(names)} {reason} ({some_of(names)})" for reason, names in lost.items()]


def _held_out(a: _Part, b: _Part, val: Domains | None) -> str:
    counts = f"{len(a.val.pictures)} + {len(b.val.pictures)}"
    if val:
        return f"{counts} for validation in {val.a.label}/ and {val.b.label}/"
    return f"{counts} held out by content" if a.val.pictures or b.val.pictures else "none held out"


def _notes(a: _Part, b: _Part, size: int, previous: UnpairedScans | None, scans: UnpairedScans) -> tuple[str, ...]:
    notes = []
    if small := sum(picture.short_side < size for part in (a, b) for picture in part.train.pictures):
        are = "picture is" if small == 1 else "pictures are"
        notes.append(f"{small} {are} smaller than the crop of {size}x{size} and {are.split()[1]} scaled up")
    if previous:
        changed = [changed_line(a.domain, previous.a, scans.a), changed_line(b.domain, previous.b, scans.b)]
        notes += [line for line in changed if line]
    return tuple(notes)


def changed_line(domain: Domain, before: Scan, now: Scan) -> str | None:
    """A line about pictures that came, went or became others since the previous scan."""
    old, new = ({(picture.name, picture.sha256) for picture in found.pictures} for found in (before, now))
    if old == new:
        return None
    where = domain.label or domain.root
    changes = f"{len(old - new)} gone, {len(new - old)} new"
    return f"{where} has changed since: {changes}. The training goes on, but not as it would have."
