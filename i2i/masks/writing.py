"""The fixed masks of a folder of pictures, as files."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from i2i.errors import FREE_SPACE, ImageError, NoRoomError, UsageError, is_full
from i2i.images.atomic import sync_folder, write_new
from i2i.images.files import read
from i2i.images.masks import encode_mask
from i2i.masks.fixed import fixed_mask

Size = tuple[int, int]  # width, height
LEFTOVERS = re.compile(r"\.[0-9a-f]{12}\.masks\.part")  # of a process that was killed


def write_fixed_masks(
    pictures: Mapping[str, Path],
    folder: Path,
    *,
    bands: Sequence[int],
    seed: int,
    report: Callable[[str, Size | ImageError], None],
) -> int:
    """Write `folder/band-B/PLACE.png` for each band and each picture, known by its place without suffix; how many.

    All of them or, when `report` or anything else raises, none. `report` is told of each picture: its upright size, or
    why it cannot be read; those are left out. Raises UsageError for a folder that is in use, ImageError when not one
    picture can be read or a file cannot be written, NoRoomError when the disk is full.
    """
    refuse_used(folder)
    with _whole_or_not_at_all(folder, [_name(band) for band in bands]) as part:
        failures, written = [], 0
        for place, path in pictures.items():
            try:
                picture = read(path)
            except ImageError as error:
                failures.append(error)
                report(place, error)
                continue
            for band in bands:
                mask = fixed_mask(picture.height, picture.width, band, place, seed)
                _write(part / _name(band) / f"{place}.png", encode_mask(mask))
                written += 1
            report(place, (picture.width, picture.height))
        if not written and failures:
            raise failures[0]
    return written


def refuse_used(folder: Path) -> None:
    """Raises UsageError for a file, and for a folder that holds anything but hidden files."""
    if folder.exists() and not folder.is_dir():
        raise UsageError("is a file and should be a folder.", where=folder)
    if folder.exists() and any(not entry.name.startswith(".") for entry in folder.iterdir()):
        raise UsageError("there is something in this folder already.", where=folder, hint="Give a new folder.")


def _name(band: int) -> str:
    return f"band-{band}"


@contextmanager
def _whole_or_not_at_all(folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """A private folder inside, whose folders `names` get into the open at the end; or, on an error, nothing stays.

    What a killed process left there is removed first.
    """
    new = [place for place in (folder, *folder.parents) if not place.exists()]
    part = folder / f".{secrets.token_hex(6)}.masks.part"
    try:
        with _told(folder):
            _remove_leftovers(folder)
            for name in names:
                (part / name).mkdir(parents=True)
        yield part
        with _told(folder):
            _into_the_open(part, folder, names)
        new = []
    finally:
        shutil.rmtree(part, ignore_errors=True)
        for place in new:
            if place.exists() and not os.listdir(place):
                place.rmdir()


def _remove_leftovers(folder: Path) -> None:
    if folder.exists():
        for entry in folder.iterdir():
            if LEFTOVERS.fullmatch(entry.name):
                shutil.rmtree(entry)


def _into_the_open(part: Path, folder: Path, names: Sequence[str]) -> None:
    opened: list[Path] = []
    try:
        for name in names:
            (part / name).rename(folder / name)
            opened.append(folder / name)
        sync_folder(folder)
    except BaseException:
        for path in opened:
            shutil.rmtree(path, ignore_errors=True)
        raise


def _write(path: Path, data: bytes) -> None:
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_new(path, data)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise NoRoomError("disk full.", where=path, hint=FREE_SPACE) from error
        raise ImageError(f"cannot be written: {error.strerror or error}.", where=path) from error
