"""Pictures of one size in memory, as files of whole data sets hold them. N pictures, H x W pixels, C channels."""

from __future__ import annotations

from dataclasses import dataclass
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
    Raises DataError for no pictures, for numbers that are not one each, or that have no name.
    """
    if not pixels.size:
        raise DataError("holds no pictures.", where=where, hint="Get the file again.")
    if numbers is None:
        return LabelledArrays(pixels, np.zeros(len(pixels), np.int64), (), notes)
    if len(numbers) != len(pixels):
        what = f"there are {len(pixels)} pictures and {len(numbers)} labels."
        raise DataError(what, where=where, hint="Both must be of the same set: get them again.")
    if names:
        if numbers.min() < 0 or numbers.max() >= len(names):
            what = f"has the class {numbers.max() if numbers.max() >= len(names) else numbers.min()}"
            hint = "The file is damaged, or the names are of another set."
            raise DataError(f"{what}, and there are names for 0 to {len(names) - 1}.", where=where, hint=hint)
        return LabelledArrays(pixels, numbers, names, notes)
    present, places = np.unique(numbers, return_inverse=True)
    return LabelledArrays(pixels, places.reshape(-1).astype(np.int64), tuple(map(str, present)), notes)


def file_bytes(path: Path) -> bytes:
    """The file's content. Raises DataError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}.", where=path) from error
