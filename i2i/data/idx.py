"""IDX files, as MNIST, Fashion-MNIST, KMNIST and EMNIST come: pictures in one, the numbers of their classes in another.

The format is that of LeCun's MNIST page: two zeros, the type (8: uint8), the number of dimensions, each dimension in
four bytes, big-endian, then the values.
"""

from __future__ import annotations

import gzip
import io
import math
import re
import struct
import zlib
from pathlib import Path

import numpy as np

from i2i.data.arrays import LabelledArrays, file_bytes, labelled_arrays
from i2i.errors import DataError
from i2i.images.picture import Pixels

IMAGES = re.compile(r"(?P<set>.*?)[-_.]?images[-.]idx3-ubyte(\.gz)?", re.IGNORECASE)
LABELS = re.compile(r".*?labels[-.]idx1-ubyte(\.gz)?", re.IGNORECASE)
UINT8 = 8
GET_AGAIN = "The file is damaged: get it again."


def idx_sets(folder: Path) -> dict[str, Path]:
    """The files of pictures in a folder by the names of their sets, such as train and t10k; plain ones before .gz."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if (match := IMAGES.fullmatch(path.name)) and path.is_file():
            found.setdefault(match["set"], path)
    return found


def labels_beside(images: Path) -> Path | None:
    """The file of labels that belongs to a file of pictures by its name, packed or not; None where there is none."""
    name = re.sub("images", "labels", images.name, flags=re.IGNORECASE).replace("idx3", "idx1")
    plain = name.removesuffix(".gz")
    both = [images.with_name(plain), images.with_name(f"{plain}.gz")]
    return next((path for path in both if path.is_file()), None)


def read_idx(images: Path) -> LabelledArrays:
    """The gray pictures of a file, with the labels of the file beside it. Raises DataError."""
    pixels = _values(images, dimensions=3, kind="pictures")
    labels = labels_beside(images)
    numbers = None if labels is None else _values(labels, dimensions=1, kind="labels").astype(np.int64)
    return labelled_arrays(pixels[:, :, :, None], numbers, where=images)


def _values(path: Path, *, dimensions: int, kind: str) -> Pixels:
    content = _unpacked(path)
    wanted = bytes([0, 0, UINT8, dimensions])
    if content[:4] != wanted:
        begins = content[:4].hex(" ") or "nothing"
        what = f"is no IDX file of {kind}: it begins with {begins}, not {wanted.hex(' ')}."
        raise DataError(what, where=path, hint=GET_AGAIN)
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise DataError("ends within its header.", where=path, hint=GET_AGAIN)
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    promised, there = math.prod(shape), len(content) - start
    if there != promised:
        sizes = "x".join(map(str, shape))
        what = f"its header says {sizes}, which is {promised} bytes, and {there} are there."
        raise DataError(what, where=path, hint=GET_AGAIN)
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _unpacked(path: Path) -> bytes:
    content = file_bytes(path)
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        return gzip.GzipFile(fileobj=io.BytesIO(content)).read()
    except (OSError, EOFError, zlib.error) as error:
        what = "ends too early" if isinstance(error, EOFError) else "cannot be unpacked"
        raise DataError(f"{what}: it is no whole gzip file.", where=path, hint=GET_AGAIN) from error
