"""What was read of pictures with classes: how large and how many, what of them is held out, and samples of the rest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from i2i.data.arrays import LabelledArrays, Labels, opened
from i2i.data.labelled import ArrayStore, FileStore, Store, brought
from i2i.data.labelled_layouts import ArrayFiles, ClassFolders
from i2i.data.layouts import some_of
from i2i.data.scan import Progress, Scan, not_read, scan
from i2i.errors import DataError, NoRoomError


@dataclass(frozen=True)
class ArrayFile:
    """A file that holds a whole set: its name, size in bytes and SHA-256."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class ArrayScan:
    """The files that hold a set."""

    files: tuple[ArrayFile, ...]

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return {"files": [asdict(file) for file in self.files]}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> ArrayScan:
        """The scan that `to_json` wrote."""
        return cls(tuple(ArrayFile(**file) for file in document["files"]))


class LabelledSet(Protocol):
    """Pictures that were read, each with the number of its class among `classes`; 0 where there are none."""

    @property
    def found(self) -> ArrayFiles | ClassFolders:
        """Where they are."""

    @property
    def place(self) -> Path:
        """The folder or file that an error names."""

    @property
    def scan(self) -> Scan | ArrayScan:
        """What a run folder keeps of them."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names in the order of the numbers."""

    @property
    def labels(self) -> Labels:
        """(N,)"""

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """(width, height) of all pictures, each once, by area."""

    @property
    def gray(self) -> int:
        """How many are gray."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines that need attention."""

    def contents(self) -> list[str]:
        """What tells each from others, in hexadecimal: equal for equal pictures."""

    def store(self, chosen: NDArray[np.intp], size: int, channels: int) -> Store:
        """The pictures of these numbers, brought to size x size."""


@dataclass(frozen=True)
class ArraySet:
    """Pictures out of files that hold a whole set."""

    found: ArrayFiles
    scan: ArrayScan
    arrays: LabelledArrays

    @property
    def place(self) -> Path:
        """The first file."""
        return self.found.paths[0]

    @property
    def classes(self) -> tuple[str, ...]:
        """The names in the order of the numbers."""
        return self.arrays.classes

    @property
    def labels(self) -> Labels:
        """(N,)"""
        return self.arrays.labels

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """The one (width, height)."""
        _, height, width, _ = self.arrays.pixels.shape
        return ((width, height),)

    @property
    def gray(self) -> int:
        """All or none."""
        return len(self.labels) if self.arrays.pixels.shape[3] == 1 else 0

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines that need attention."""
        return (*self.found.notes, *self.arrays.notes)

    def contents(self) -> list[str]:
        """SHA-256 of the pixels of each."""
        return [hashlib.sha256(picture.tobytes()).hexdigest() for picture in self.arrays.pixels]

    def store(self, chosen: NDArray[np.intp], size: int, channels: int) -> Store:
        """The pictures of these numbers, brought to size x size now."""
        pixels = self.arrays.pixels if len(chosen) == len(self.labels) else self.arrays.pixels[chosen]
        if pixels.shape[1:] == (size, size, channels):
            return ArrayStore(pixels)
        return ArrayStore(np.stack([brought(picture, size, channels) for picture in pixels]))


@dataclass(frozen=True)
class FileSet:
    """Pictures of a folder, a file each; those that cannot be read are left out."""

    found: ClassFolders
    scan: Scan

    @property
    def place(self) -> Path:
        """The folder."""
        return self.found.domain.root

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the sub-folders."""
        return self.found.classes

    @cached_property
    def labels(self) -> Labels:
        """(N,)"""
        numbers = {name: number for number, name in enumerate(self.classes)}
        folders = (picture.name.partition("/")[0] for picture in self.scan.pictures)
        return np.array([numbers[folder] if numbers else 0 for folder in folders], np.int64)

    @cached_property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """(width, height) of all pictures, each once, by area."""
        found = {(picture.width, picture.height) for picture in self.scan.pictures}
        return tuple(sorted(found, key=lambda size: (size[0] * size[1], size[0])))

    @property
    def gray(self) -> int:
        """How many are gray."""
        return sum(picture.gray for picture in self.scan.pictures)

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines that need attention, unreadable files among them."""
        lost = not_read([(self.found.domain, self.scan)])
        return (*self.found.notes, *(f"{len(names)} {reason} ({some_of(names)})" for reason, names in lost.items()))

    def contents(self) -> list[str]:
        """SHA-256 of the bytes of each file."""
        return [picture.sha256 for picture in self.scan.pictures]

    def store(self, chosen: NDArray[np.intp], size: int, channels: int) -> Store:
        """The files of these numbers."""
        paths = [self.found.domain.root / self.scan.pictures[index].name for index in chosen]
        return FileStore(paths, size, channels)


def read_set(
    found: ArrayFiles | ClassFolders, previous: Scan | ArrayScan | None = None, progress: Progress | None = None
) -> LabelledSet:
    """What is in the files or folders; files that are as in the `previous` scan are not read again.

    Raises DataError where nothing can be read, NoRoomError where a file holds more than fits into memory.
    """
    if isinstance(found, ArrayFiles):
        files = tuple(_identified(path) for path in found.files)
        return ArraySet(found, ArrayScan(files), _in_memory(found))
    read = scan(found.domain, previous=previous if isinstance(previous, Scan) else None, progress=progress)
    if not read.pictures:
        first = read.unreadable[0]
        what = f"none of {len(read.unreadable)} images can be read; the first, {first.name}: {first.reason}"
        raise DataError(what, where=found.domain.root)
    return FileSet(found, read)


def _in_memory(found: ArrayFiles) -> LabelledArrays:
    try:
        return found.read()
    except MemoryError as error:
        what = "its pictures need more memory than there is."
        raise NoRoomError(what, where=found.paths[0], hint="Make a folder of picture files of it.") from error


def _identified(path: Path) -> ArrayFile:
    with opened(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return ArrayFile(path.name, file.tell(), digest)


def each_of(labels: Labels, classes: Sequence[str]) -> dict[str, int]:
    """Class -> how many pictures it has."""
    counts = np.bincount(labels, minlength=len(classes))
    return {name: int(counts[number]) for number, name in enumerate(classes)}
