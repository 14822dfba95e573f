"""Pictures of one size in memory, as files of whole data sets hold them. N pictures, H x W pixels, C channels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i2i.errors import DataError
from i2i.images.picture import Pixels

Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LabelledArrays:
    """`pixels` (N, H, W, C) with C = 1 (gray) or 3 (RGB), and the number of the class of each (N,).

    `classes` are the names in the order of the numbers; without any, all numbers are 0. `notes` say
    what was done to the file's own values.
    """

    pixels: Pixels
    labels: Labels
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def labelled_arrays(
    pixels: Pixels,
    numbers: Labels | None,
    names: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
    *,
    where: Path,
) -> LabelledArrays:
    """Pictures with the numbers of their classes as a file has them; without `names` the numbers are the names.

    Numbers of which there is no picture are then no classes: digits 3 and 7 alone are the classes "3" and "7".
    Raises DataError for no pictures, for numbers that are not one each or have no name, for names that are no text.
    """
    if not pixels.size:
        raise DataError("holds no pictures.", where=where, hint="Get the file again.")
    if numbers is None:
        return LabelledArrays(pixels, np.zeros(len(pixels), np.int64), (), notes)
    if len(numbers) != len(pixels):
        what = f"there are {len(pixels)} pictures and {len(numbers)} labels."
        raise DataError(what, where=where, hint="Both must be of the same set: get them again.")
    if names:
        _refuse_unwritable(names, where)
        if numbers.min() < 0 or numbers.max() >= len(names):
            what = f"has the class {numbers.max() if numbers.max() >= len(names) else numbers.min()}"
            hint = "The file is damaged, or the names are of another set."
            raise DataError(f"{what}, and there are names for 0 to {len(names) - 1}.", where=where, hint=hint)
        return LabelledArrays(pixels, numbers, names, notes)
    present, places = np.unique(numbers, return_inverse=True)
    return LabelledArrays(pixels, places.reshape(-1).astype(np.int64), tuple(map(str, present)), notes)


def _refuse_unwritable(names: tuple[str, ...], where: Path) -> None:
    for name in names:
        if not name.strip() or not name.isprintable():
            raise DataError(f"the name {name!r} of a class is no plain text.", where=where, hint="Rename that class.")


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """The file, to be read. Raises DataError where it cannot be."""
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}.", where=path) from error


def file_bytes(path: Path) -> bytes:
    """The file's content. Raises DataError."""
    with opened(path) as file:
        return file.read()


def begins(path: Path, with_bytes: bytes) -> bool:
    """Whether these are the first bytes of a file. Raises DataError."""
    with opened(path) as file:
        return file.read(len(with_bytes)) == with_bytes
