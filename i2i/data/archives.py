"""Archives from strangers: unpacked into a new folder, and refused whole for anything that pictures do not need."""

from __future__ import annotations

import gzip
import io
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Literal, cast
from unicodedata import normalize

from i2i.errors import FREE_SPACE, DataError, NoRoomError, is_full

MOST_FILES = 500_000  # and folders
MOST_BYTES = 64 * 2**30
MOST_RATIO = 100  # pictures are compressed already: what comes out is about as large as what goes in
FREE_BYTES = 64 * 2**20  # whatever the ratio
MOST_DIRECTORY = 64 * 2**20  # bytes of a zip file's directory: 128 for each of so many files
DEEPEST = 32  # folders and a file
LONGEST_READ = 2**16
ENTRY = b"PK\x01\x02"  # begins each entry of a zip file's directory
DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    RuntimeError,  # zipfile meets a feature that it does not have; tarfile follows headers of headers too deep
)
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
FORBIDDEN = re.compile(r'[<>:"|?*\x00-\x1f\x7f-\x9f]')


class _RefusedError(Exception):
    """Why an archive is not unpacked."""


@dataclass(frozen=True)
class _Member:
    """One entry: `other` says what it is if it is neither a file nor a folder; `size` is in bytes."""

    name: str
    size: int
    folder: bool
    other: str | None
    opened: Callable[[], IO[bytes]]


def unpack(archive: Path, kind: Literal["zip", "tar.gz"], folder: Path) -> int:
    """Unpack into `folder`, which is empty; gives the number of files. Permissions and times are not taken over.

    Raises DataError for an archive that is damaged or that holds what leads outside of the folder, links, devices,
    names that are one on some file systems, or more than the limits above; NoRoomError. What was written until then
    stays in `folder`, for the caller to remove.
    """
    most = min(MOST_BYTES, max(FREE_BYTES, MOST_RATIO * archive.stat().st_size))
    members = _zip_members if kind == "zip" else _tar_members
    try:
        with members(archive, most) as found:
            return _write_all(found, most, folder)
    except _RefusedError as refused:
        raise DataError(f"refused, nothing is unpacked: {refused}.", where=archive) from refused
    except DAMAGED as error:
        hint = "Delete it and run the same command again."
        raise DataError(f"is damaged or no {kind} archive: {error}.", where=archive, hint=hint) from error
    except OSError as error:
        if is_full(error):
            raise NoRoomError("disk full while unpacking.", where=archive, hint=FREE_SPACE) from error
        raise DataError(f"cannot be unpacked: {error.strerror or error}.", where=archive) from error


def _write_all(members: Iterator[_Member], most: int, folder: Path) -> int:
    names, files, total = _Names(), 0, 0
    for member in members:
        if member.other:
            raise _RefusedError(f"'{member.name}' is {member.other}")
        path = folder / names.place(member.name, folder=member.folder)
        if member.folder:
            path.mkdir(parents=True, exist_ok=True)
            continue
        files, total = files + 1, total + member.size
        if member.size < 0 or total > most:
            raise _too_large(most)
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(member, path)
    return files


def _write(member: _Member, path: Path) -> None:
    written = 0
    with member.opened() as source, open(path, "xb") as file:
        while chunk := source.read(LONGEST_READ):
            file.write(chunk)
            written += len(chunk)
    if written != member.size:
        raise EOFError(f"'{member.name}' is cut off")


class _Names:
    """The names of an archive, each of which must be another one on every file system."""

    def __init__(self) -> None:
        self._kinds: dict[str, tuple[str, bool]] = {}  # as a file system without case knows it -> as written, folder

    def place(self, name: str, *, folder: bool) -> PurePosixPath:
        """Where a member goes, relative to the folder. Raises _RefusedError."""
        path = PurePosixPath(name)
        if len(path.parts) > DEEPEST:
            raise _RefusedError(f"a name leads through more than {DEEPEST - 1} folders")
        if path.is_absolute() or ".." in path.parts or "\\" in name or re.match("[a-z]:", name, re.IGNORECASE):
            raise _RefusedError(f"'{name}' would lie outside of the folder")
        for part in path.parts:
            if RESERVED.fullmatch(part) or part != part.rstrip(". ") or FORBIDDEN.search(part):
                raise _RefusedError(f"'{name}' is no name on every system")
            if len(part.encode("utf-8", "surrogateescape")) > 255:
                raise _RefusedError(f"a name of {len(part)} characters is too long")
        if not path.parts and not folder:
            raise _RefusedError("a file has no name")
        for parent in list(path.parents)[-2::-1]:
            self._claim(str(parent), folder=True)
        if path.parts:
            self._claim(str(path), folder=folder)
        return path

    def _claim(self, name: str, *, folder: bool) -> None:
        key = normalize("NFC", name).casefold()
        if key not in self._kinds:
            self._kinds[key] = (name, folder)
            if len(self._kinds) > MOST_FILES:
                raise _too_many()
            return
        before, was_folder = self._kinds[key]
        if before != name:
            raise _RefusedError(f"'{name}' and '{before}' are one name on some systems")
        if not (folder and was_folder):
            raise _RefusedError(f"'{name}' is there twice")


@contextmanager
def _zip_members(archive: Path, most: int) -> Iterator[Iterator[_Member]]:
    with _Entries(io.FileIO(archive)) as file, zipfile.ZipFile(file) as opened:
        yield (
            _Member(info.orig_filename, info.file_size, info.is_dir(), _other_in_zip(info), partial(opened.open, info))
            for info in opened.infolist()
        )


class _Entries(io.BufferedReader):
    """A zip file, whose directory zipfile reads at once. Its end record may lie about the files: they are counted."""

    def read(self, size: int | None = -1, /) -> bytes:
        if (size or 0) > MOST_DIRECTORY:
            raise _RefusedError(f"a directory of {size} bytes")
        data = super().read(size)
        if data.count(ENTRY) > MOST_FILES:
            raise _too_many()
        return data


def _other_in_zip(info: zipfile.ZipInfo) -> str | None:
    if info.flag_bits & 1:
        return "encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "compressed in a way that pictures need not be"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "a link"
    return None if kind in (0, stat.S_IFREG, stat.S_IFDIR) else "a device"


@contextmanager
def _tar_members(archive: Path, most: int) -> Iterator[Iterator[_Member]]:
    with gzip.open(archive) as unzipped:
        stream = _Bounded(unzipped, most)
        with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r:") as opened:
            yield _in_turn(opened, stream)


def _in_turn(opened: tarfile.TarFile, stream: _Bounded) -> Iterator[_Member]:
    while info := opened.next():
        source = partial(cast("Callable[[tarfile.TarInfo], IO[bytes]]", opened.extractfile), info)
        yield _Member(info.name, info.size, info.isdir(), _other_in_tar(info), source)
        # tarfile would keep every header, and those for all that follows, as long as it is open
        opened.members.clear()  # type: ignore[attr-defined]  # typeshed does not name it
        opened.pax_headers = {}
    while stream.read(LONGEST_READ):  # the checksum stands at the very end
        pass


def _other_in_tar(info: tarfile.TarInfo) -> str | None:
    if info.issym() or info.islnk():
        return "a link"
    if info.issparse():
        return "a sparse file"
    return None if info.isdir() or info.type in (tarfile.REGTYPE, tarfile.AREGTYPE) else "a device"


class _Bounded:
    """The bytes of a tar file, in pieces that fit into memory: tarfile reads a header of any stated length at once."""

    def __init__(self, stream: gzip.GzipFile, most: int) -> None:
        self._stream = stream
        self._most = most + most // 4 + FREE_BYTES  # headers and padding come on top of the files

    def read(self, size: int) -> bytes:
        if not 0 <= size <= LONGEST_READ:
            raise _RefusedError(f"a header of {size} bytes")
        if self._stream.tell() > self._most:
            raise _too_large(self._most)
        return self._stream.read(size)

    def seek(self, position: int) -> int:
        if position > self._most:
            raise _too_large(self._most)
        return self._stream.seek(position)

    def tell(self) -> int:
        return self._stream.tell()


def _too_many() -> _RefusedError:
    return _RefusedError(f"it holds more than {MOST_FILES} files and folders")


def _too_large(most: int) -> _RefusedError:
    return _RefusedError(f"it would unpack to more than {most / 1e6:.0f} MB, which no pictures of its size do")
