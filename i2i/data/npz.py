"""npz files: numpy's arrays of pictures and of their labels, by the names that public sets give them."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2i.data.arrays import LabelledArrays, Labels, begins, labelled_arrays
from i2i.errors import DataError
from i2i.images.picture import Pixels

# Names of pictures and of their labels: MedMNIST's, Keras', and what people write.
KEYS = (
    ("train_images", "train_labels"),
    ("x_train", "y_train"),
    ("images", "labels"),
    ("arr_0", "arr_1"),
)
EXPECTED = ", ".join(f"{images} + {labels}" for images, labels in KEYS)
SINGLE = b"\x93NUMPY"  # how a file of one array begins
LARGEST_LABEL = 2**53  # up to here fractions hold every whole number
DAMAGED = (ValueError, OSError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)


def read_npz(path: Path) -> LabelledArrays:
    """The pictures to train on, with their labels where there are some.

    Whole numbers from 0 to 255 are taken as they are; fractions from 0 to 1, or from -1 to 1, become 0 to 255.
    Raises DataError.
    """
    stored, numbers = _arrays(path)
    pixels, notes = _in_eight_bits(_with_channels(stored, path), path)
    labels, names = (None, ()) if numbers is None else _classes(_one_each(numbers, path), path)
    return labelled_arrays(np.ascontiguousarray(pixels), labels, names, notes, where=path)


def _arrays(path: Path) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Pictures and labels as they are stored; never a pickle."""
    if begins(path, SINGLE):
        raise DataError("is a single array.", where=path, hint="Save pictures and labels with numpy.savez.")
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            for images, labels in KEYS:
                if images in names:
                    return _array(archive, images), _array(archive, labels) if labels in names else None
    except DAMAGED as error:
        if "allow_pickle" in str(error):
            what, hint = "holds Python objects, which can run programs.", "Save plain arrays of numbers."
        else:
            what, hint = "cannot be read as npz.", "The file is damaged: get it again."
        raise DataError(what, where=path, hint=hint) from error
    found = f"It has {', '.join(sorted(names)[:8])}." if names else "It is empty."
    raise DataError(f"has no pictures by a name that is known. {found}", where=path, hint=f"Known: {EXPECTED}")


def _array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    with archive.open(f"{name}.npy") as member:
        array: NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
        member.read()  # to the end, where the checksum is compared
    return array


def _with_channels(stored: NDArray[Any], path: Path) -> NDArray[Any]:
    """(N, H, W, 1 or 3) of (N, H, W), (N, H, W, C) or (N, C, H, W)."""
    shape = stored.shape
    if len(shape) == 3:
        return stored[..., None]
    if len(shape) == 4 and shape[3] in (1, 3):
        return stored
    if len(shape) == 4 and shape[1] in (1, 3):
        return stored.transpose(0, 2, 3, 1)
    hint = "Pictures are (N, H, W), (N, H, W, C) or (N, C, H, W) with 1 or 3 channels."
    raise DataError(f"its pictures have the shape {_shown(shape)}.", where=path, hint=hint)


def _in_eight_bits(stored: NDArray[Any], path: Path) -> tuple[Pixels, tuple[str, ...]]:
    """The pictures in uint8, and what was done to them."""
    hint = "Save them as uint8 from 0 to 255, or as fractions from 0 to 1 or from -1 to 1."
    if not stored.size or stored.dtype.kind not in "uif":
        what = "holds no pictures." if not stored.size else f"its pictures are of type {stored.dtype}."
        raise DataError(what, where=path, hint=hint)
    low, high = stored.min(), stored.max()
    told = f"its pictures are {stored.dtype} from {low:g} to {high:g}"
    if stored.dtype.kind in "ui":
        if low < 0 or high > 255 or high == 1:  # 0 and 1 are black and white, which would be black and nearly black
            raise DataError(f"{told}.", where=path, hint=hint)
        return stored.astype(np.uint8, copy=False), ()
    if not (low >= -1 and high <= 1):  # false for NaN too
        raise DataError(f"{told}.", where=path, hint=hint)
    unit = (stored + 1) / 2 if low < 0 else stored
    taken = "-1 to 1" if low < 0 else "0 to 1"
    return np.rint(unit * 255).astype(np.uint8), (f"{path.name}: {stored.dtype} taken as {taken}, and made 8 bit",)


def _one_each(stored: NDArray[Any], path: Path) -> NDArray[Any]:
    """(N,) of (N,) or (N, 1)."""
    flat = stored[:, 0] if stored.ndim == 2 and stored.shape[1] == 1 else stored
    if flat.ndim != 1:
        wanted = "One number or name for each picture is needed."
        hint = "Save labels.argmax(1) in their place." if _is_one_hot(flat) else wanted
        raise DataError(f"its labels have the shape {_shown(stored.shape)}.", where=path, hint=hint)
    return flat


def _is_one_hot(stored: NDArray[Any]) -> bool:
    """Whether (N, K) has a single 1 in each row, and else 0."""
    if stored.ndim != 2 or stored.dtype.kind not in "buif":
        return False
    return bool(((stored == 0) | (stored == 1)).all() and (np.count_nonzero(stored, axis=1) == 1).all())


def _classes(stored: NDArray[Any], path: Path) -> tuple[Labels, tuple[str, ...]]:
    """The number of the class of each (N,), and where names are stored, these, sorted."""
    if stored.dtype.kind == "U":
        names, numbers = np.unique(stored, return_inverse=True)
        return numbers.reshape(-1).astype(np.int64), tuple(map(str, names))
    if stored.dtype.kind not in "uif" or not (stored == np.floor(stored)).all():
        what = f"its labels are neither whole numbers nor text ({stored.dtype})."
        raise DataError(what, where=path, hint="Give each class a number or a name.")
    if stored.size and (stored.min() < 0 or stored.max() > LARGEST_LABEL):
        what = f"its labels are from {stored.min():g} to {stored.max():g}."
        raise DataError(what, where=path, hint="Number the classes from 0 on.")
    return stored.astype(np.int64), ()


def _shown(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))})"
