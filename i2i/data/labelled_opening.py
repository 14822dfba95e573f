"""From settings to samples of pictures with classes: read them, hold some out, and say what there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from i2i.config.data import LabelledConfig
from i2i.config.noise_networks import doublings
from i2i.data.arrays import Labels
from i2i.data.batches import Labelled
from i2i.data.holdout import held_out_contents, held_out_of_classes, share_or_folder
from i2i.data.labelled import LabelledPictures
from i2i.data.labelled_layouts import NAMED_CLASSES, find_labelled
from i2i.data.labelled_sets import ArrayScan, FileSet, LabelledSet, each_of, read_set
from i2i.data.opening import changed_line
from i2i.data.scan import Progress, Scan, Scans
from i2i.errors import DataError

LARGEST_OWN = 64  # side in pixels up to which pictures that are all alike keep theirs unasked


@dataclass(frozen=True)
class Facts:
    """What the pictures say of a training: side in pixels, channels, names of the classes (none: they have none).

    `read` are the pictures that were read for it, which `open_labelled` then takes as they are.
    """

    size: int
    channels: Literal[1, 3]
    classes: tuple[str, ...]
    read: LabelledSet = field(compare=False, repr=False)


@dataclass(frozen=True)
class LabelledScans(Scans):
    """What was found to train on, and where `data.val` names a folder or file, there."""

    pictures: Scan | ArrayScan
    val: Scan | ArrayScan | None = None

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """The scans that `to_json` wrote."""
        return cls(
            **{
                name: ArrayScan.from_json(found) if "files" in found else Scan.from_json(found)
                for name, found in document.items()
            }
        )


@dataclass(frozen=True)
class LabelledData:
    """Opened pictures; see `OpenedData`. `sheet` are held-out ones where there are some."""

    train: LabelledPictures
    sheet: LabelledPictures
    scans: LabelledScans
    summary: str
    notes: tuple[str, ...]

    def fixed(self, count: int) -> Labelled:
        """The first of each class, then the second of each, for the sample sheet."""
        return self.sheet.fixed(count)


def facts(config: LabelledConfig, *, previous: LabelledScans | None = None, progress: Progress | None = None) -> Facts:
    """The size and channels that the pictures have by themselves, and their classes.

    The size is theirs where all are alike and at most 64 px, else 64; the nearest that networks of doublings reach.
    Gray is what all are gray in. `previous` and `progress` as for `open_labelled`. Raises DataError.
    """
    found = _read(config, previous, progress)
    sides = {min(size) for size in found.sizes}
    own = min(sides) if len(found.sizes) == 1 else LARGEST_OWN
    size = nearest_size(own) if own <= LARGEST_OWN else LARGEST_OWN
    return Facts(size, 1 if found.gray == len(found.labels) else 3, found.classes, found)


def nearest_size(size: int) -> int:
    """The side nearest to `size` that networks of doublings reach; of two as near the smaller."""

    def is_reached(side: int) -> bool:
        try:
            doublings(side)
        except ValueError:
            return False
        return True

    return next(side for away in range(size + 4) for side in (size - away, size + away) if is_reached(side))


def open_labelled(
    config: LabelledConfig,
    *,
    channels: int,
    classes: tuple[str, ...],
    previous: LabelledScans | None = None,
    read: LabelledSet | None = None,
    progress: Progress | None = None,
) -> LabelledData:
    """The samples of the folder or file that the settings name, brought to size x size pixels of so many channels.

    `classes` are the names in the order of their numbers; with none, all pictures are of number 0. `previous` are the
    scans of an earlier opening: unchanged files are not read again; nor are those of `read`, which `facts` gave.
    `progress` hears of every file. Raises DataError for data that cannot be trained on or is of other classes,
    ConfigError for wrong settings.
    """
    if config.size is None:
        raise ValueError("the size is open: take that of facts()")
    found = read or _read(config, previous, progress)
    kept = share_or_folder(config.val)
    val = _validation(kept, previous, progress) if isinstance(kept, Path) else None
    labels = _numbered(found, classes)
    chosen, held_out = _parts(found, kept if isinstance(kept, float) else 0.0)
    size = config.size

    def taken(part: LabelledSet, numbers: NDArray[np.intp], labels: Labels, *, flip: bool = False) -> LabelledPictures:
        store = part.store(numbers, size, channels)
        return LabelledPictures(store, labels[numbers], flip=flip, kinds=part.labels[numbers])

    train = taken(found, chosen, labels, flip=config.flip)
    sheet = train
    if val:
        sheet = taken(val, np.arange(len(val.labels)), _numbered(val, classes, partly=True))
    elif len(held_out):
        sheet = taken(found, held_out, labels)
    scans = LabelledScans(found.scan, val.scan if val else None)
    notes = (*found.notes, *(val.notes if val else ()), *_changes(found, previous))
    summary = f"{summary_of(found)}{_brought(found, config.size, channels)}{_kept(held_out, val, config.val)}"
    return LabelledData(train, sheet, scans, summary, notes)


def summary_of(found: LabelledSet) -> str:
    """How many, how large, in which classes: 20000 pictures 28x28 gray, 10 classes, 1863 to 2270 each."""
    count = len(found.labels)
    low, high = ("x".join(map(str, size)) for size in (found.sizes[0], found.sizes[-1]))
    sizes = low if low == high else f"{low} to {high}"
    gray = {0: "in colour", count: "gray"}.get(found.gray, f"in colour, {found.gray} gray")
    each = sorted(each_of(found.labels, found.classes).values())
    parts = [f"{count} picture{'' if count == 1 else 's'} {sizes} {gray}"]
    if each:
        parts.append(f"{len(each)} class{'' if len(each) == 1 else 'es'}")
        parts.append(f"{each[0]} each" if each[0] == each[-1] else f"{each[0]} to {each[-1]} each")
    else:
        parts.append("no classes")
    return ", ".join(parts)


def _read(config: LabelledConfig, previous: LabelledScans | None, progress: Progress | None) -> LabelledSet:
    if config.path is None:
        raise DataError("no training pictures were named.", hint="Give a folder or a file.")
    return read_set(find_labelled(Path(config.path)), previous.pictures if previous else None, progress)


def _validation(place: Path, previous: LabelledScans | None, progress: Progress | None) -> LabelledSet:
    return read_set(find_labelled(place), previous.val if previous else None, progress)


def _parts(found: LabelledSet, share: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Numbers of the pictures to train on, and of those that are held out: equal ones stay together.

    Raises DataError where none would be left to train on.
    """
    if share == 0:
        return np.arange(len(found.labels)), np.arange(0)
    contents = found.contents()
    if found.classes:
        chosen = held_out_of_classes(contents, found.labels.tolist(), share)
    else:
        chosen = held_out_contents(contents, share)
    is_held_out = np.array([content in chosen for content in contents])
    if is_held_out.all():
        what = "all pictures would be held out, none are left to train on."
        raise DataError(what, where=found.place, hint="Add pictures or use --val 0.")
    return np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)


def _numbered(found: LabelledSet, classes: tuple[str, ...], *, partly: bool = False) -> Labels:
    """The labels as numbers among `classes`, 0 without any; `partly` where some may lack pictures. Raises DataError."""
    if not classes:
        return np.zeros_like(found.labels)
    if set(found.classes) - set(classes) or not found.classes:
        has = f"its classes are {_some(found.classes)}" if found.classes else "it has no classes"
        what = f"{has}, and the settings name {_some(classes)}."
        hint = "Give data of these classes, rename its own to them, or train anew on it, without --init."
        raise DataError(what, where=found.place, hint=hint)
    counts = each_of(found.labels, found.classes)
    missing = [name for name in classes if not counts.get(name)]
    if missing and not partly:
        what = f"has no readable picture of {_some(missing)}: each class needs one."
        raise DataError(what, where=found.place, hint="Add some, or train anew without this class.")
    numbers = np.array([classes.index(name) for name in found.classes], np.int64)
    return numbers[found.labels]


def _some(classes: Sequence[str]) -> str:
    more = len(classes) - NAMED_CLASSES
    return ", ".join(classes[:NAMED_CLASSES]) + (f" and {more} more" if more > 0 else "")


def _brought(found: LabelledSet, size: int, channels: int) -> str:
    """What is done to the pictures, where their size or their channels become others."""
    colours = "gray" if channels == 1 else "in colour"
    if found.sizes != ((size, size),):
        return f", brought to {size}x{size} {colours}"
    are_so = found.gray == (len(found.labels) if channels == 1 else 0)
    return "" if are_so else f", taken {colours}"


def _kept(held_out: NDArray[np.intp], val: LabelledSet | None, setting: str) -> str:
    if val:
        return f", {len(val.labels)} for validation in {setting}"
    return f", {len(held_out)} held out" if len(held_out) else ""


def _changes(found: LabelledSet, previous: LabelledScans | None) -> tuple[str, ...]:
    """A line where the pictures are not those of the previous scan."""
    if not previous:
        return ()
    if isinstance(found, FileSet) and isinstance(previous.pictures, Scan):
        line = changed_line(found.found.domain, previous.pictures, found.scan)
        return (line,) if line else ()
    if found.scan == previous.pictures:
        return ()
    return (f"{found.place} has changed since. The training goes on, but not as it would have.",)
