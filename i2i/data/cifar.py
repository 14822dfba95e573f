"""The binary version of CIFAR-10 and CIFAR-100: records of one or two labels and 32x32 pixels, plane by plane."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from i2i.data.arrays import LabelledArrays, begins, file_bytes, labelled_arrays
from i2i.errors import DataError

SIDE = 32
PIXELS = 3 * SIDE * SIDE
TEN, HUNDRED = r"(data_batch_\d+|test_batch)\.bin", r"(train|test)\.bin"
PICKLES = re.compile(r"data_batch_\d+|test_batch|batches\.meta")
REFUSED_PICKLES = "holds CIFAR's Python pickles, which can run programs when they are opened."
BINARY_VERSION = "Take the binary version: cifar-10-binary.tar.gz or cifar-100-binary.tar.gz."


def is_cifar(path: Path) -> bool:
    """Whether a file is one of the binary version, by its name."""
    return re.fullmatch(f"{TEN}|{HUNDRED}", path.name) is not None


def is_cifar_pickle(path: Path) -> bool:
    """Whether a file is one of the Python version, by its name and first byte."""
    if not (PICKLES.fullmatch(path.name) or path.name in ("train", "test", "meta")) or not path.is_file():
        return False
    return begins(path, b"\x80")


def cifar_batches(folder: Path) -> tuple[Path, ...]:
    """The files to train on in a folder: data_batch_*.bin, or train.bin where there are none."""
    batches = tuple(sorted(folder.glob("data_batch_*.bin")))
    return batches or tuple(sorted(folder.glob("train.bin")))


def read_cifar(batches: tuple[Path, ...]) -> LabelledArrays:
    """The pictures of all files, with the names of the classes that stand beside them; CIFAR-100's are the fine ones.

    Raises DataError.
    """
    ten = re.fullmatch(TEN, batches[0].name) is not None
    labels = 1 if ten else 2  # coarse, then fine
    records = np.concatenate([_records(path, labels) for path in batches])  # (N, labels + 3 * 32 * 32)
    planes = records[:, labels:].reshape(-1, 3, SIDE, SIDE)
    pixels = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))  # (N, 32, 32, 3)
    names = _names(batches[0].with_name("batches.meta.txt" if ten else "fine_label_names.txt"))
    return labelled_arrays(pixels, records[:, labels - 1].astype(np.int64), names, where=batches[0])


def _records(path: Path, labels: int) -> np.ndarray:
    content, record = file_bytes(path), labels + PIXELS
    if not content or len(content) % record:
        what = f"has {len(content)} bytes, which are no whole records of {record}."
        raise DataError(what, where=path, hint="The file is damaged: get it again.")
    return np.frombuffer(content, np.uint8).reshape(-1, record)


def _names(path: Path) -> tuple[str, ...]:
    """The names in a file, one a line; none where there is no such file."""
    if not path.is_file():
        return ()
    try:
        text = file_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError("is no text.", where=path, hint="The file is damaged: get it again.") from error
    return tuple(line.strip() for line in text.splitlines() if line.strip())
