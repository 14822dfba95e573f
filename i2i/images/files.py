"""Picture files: read whole and upright, written whole or not at all."""

from __future__ import annotations

import hashlib
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from i2i.errors import ImageError
from i2i.images.atomic import replace_file
from i2i.images.decoding import decode, header
from i2i.images.encoding import encode
from i2i.images.formats import format_of
from i2i.images.limits import Limits
from i2i.images.metadata import MetadataKept
from i2i.images.picture import Picture
from i2i.images.profiles import ProfileKept

BEGINNING = 1 << 16  # bytes in which nearly every file says its size

for library in ("PIL", "tifffile"):
    logging.getLogger(library).addHandler(logging.NullHandler())


@dataclass(frozen=True)
class FileContent:
    """The bytes of a file as they were at one moment, its time of change in nanoseconds, SHA-256 and size."""

    data: bytes
    mtime: int
    sha256: str
    size: int


def read(path: str | os.PathLike[str], limits: Limits = Limits(), *, own: bool = False) -> Picture:  # noqa: B008  frozen
    """The picture of a file, fully decoded, upright and in sRGB (first frame of several).

    `own` keeps the pixels in the colours of the file's profile too, see `Picture.own`. Raises ImageError with the path
    and the reason for everything that cannot be read.
    """
    content = read_content(Path(path), limits)
    try:
        return decode(content.data, limits, own=own)
    except ImageError as error:
        raise ImageError(error.what, where=path, hint=error.hint) from error.__cause__


def read_content(path: Path, limits: Limits) -> FileContent:
    """The bytes of a regular file; a pipe or device raises ImageError instead of waiting for ever."""
    try:
        with _regular_file(path) as (stream, before):
            if before.st_size > limits.max_bytes:
                size = f"{before.st_size / 1e9:.1f} GB"
                raise ImageError(f"a file of {size} is too large.", where=path, hint="--max-pixels allows more.")
            data = stream.read()
            after = os.fstat(stream.fileno())
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror or error}.", where=path) from error
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, len(data)):
        raise ImageError("was changed while it was read.", where=path, hint="Run the same command again.")
    return content_of(data, before.st_mtime_ns)


@contextmanager
def _regular_file(path: Path) -> Iterator[tuple[BinaryIO, os.stat_result]]:
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ImageError("cannot be read: it is no regular file.", where=path)
        yield stream, status


def content_of(data: bytes, mtime: int = 0) -> FileContent:
    """Bytes that come from somewhere else, as if they were of a file."""
    return FileContent(data, mtime, hashlib.sha256(data).hexdigest(), len(data))


def read_size(path: Path, limits: Limits) -> tuple[int, int]:
    """Width and height by a file's header alone. Raises ImageError."""
    try:
        with _regular_file(path) as (stream, _):
            try:
                return header(stream.read(BEGINNING), limits)[:2]
            except ImageError:  # a TIFF may describe itself at its end
                stream.seek(0)
                return header(stream.read(limits.max_bytes), limits)[:2]
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror or error}.", where=path) from error


def write(
    picture: Picture,
    path: str | os.PathLike[str],
    *,
    quality: int | None = None,
    metadata: MetadataKept = "keep",
    profile: ProfileKept = "keep",
) -> None:
    """Write a picture and all that its file carried in the format of the path's suffix; whole or not at all.

    `quality` (1 to 100) is that of the lossy formats; None takes the tables of a JPEG source for a JPEG, else 95.
    Raises ImageError when the format cannot hold the picture or the file cannot be written, NoRoomError when the disk
    is full.
    """
    path = Path(path)
    format = format_of(path)
    try:
        data = encode(picture, format, quality=quality, metadata=metadata, profile=profile)
    except ImageError as error:
        raise type(error)(error.what, where=path, hint=error.hint) from error.__cause__
    try:
        replace_file(path, data)
    except OSError as error:
        raise ImageError(f"cannot be written: {error.strerror or error}.", where=path) from error
