"""The journal of an output folder: which file in it was made of which input, with which model and options."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import stat
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Literal

from filelock import FileLock, Timeout

from i2i.errors import FREE_SPACE, ImageError, LockedError, NoRoomError, UsageError, is_full
from i2i.images.atomic import sync_folder, write_new
from i2i.inference.inputs import PRIVATE, RealPaths

PROBE_SECONDS = 0.5  # another shard that begins now may hold it for a moment, for the same reason
SHARD_LOCK = re.compile(r"lock-\d+-of-(\d+)")


@dataclass(frozen=True)
class Record:
    """One output: of which input (real path, size in bytes, time of change in ns, SHA-256), by which `work`.

    `out` is its place in the folder; size, time and SHA-256 of the output show whether it is still the same. `way` is
    how the picture went through the network, see `Way`; a picture that is made again goes the same way.
    """

    source: str
    source_size: int
    source_mtime: int
    source_sha256: str
    work: str
    out: str
    size: int
    mtime: int
    sha256: str
    way: str = ""


class Journal:
    """What is known about an output folder. Entered, it keeps other processes out; one file for each shard.

    Raises LockedError when another process works on the same shard, or on another number of shards; UsageError when
    nothing can be read or written there, NoRoomError when the disk is full.
    """

    def __init__(self, folder: Path, shard: tuple[int, int] = (1, 1)) -> None:
        self.folder, self.shard = folder, shard
        number, count = shard
        private = folder / PRIVATE
        self.parts = private / f"parts-{number}-of-{count}"
        self._path = private / f"journal-{number}-of-{count}.jsonl"
        self._lock_path = private / f"lock-{number}-of-{count}"
        self.real = RealPaths()
        self._undo, self._file, self._adding = ExitStack(), -1, Lock()
        self._by_source: dict[str, list[Record]] = {}
        self._by_out: dict[str, list[Record]] = {}
        self._read()

    def __enter__(self) -> Journal:
        with ExitStack() as undo:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._lock(undo)
                # what a process left unfinished when it died
                shutil.rmtree(self.parts, ignore_errors=True)
                self.parts.mkdir()
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
                undo.callback(os.close, self._file)
                _end_line(self._file)
            except OSError as error:
                if is_full(error):
                    raise NoRoomError("disk full.", where=self.folder, hint=FREE_SPACE) from error
                what = f"nothing can be written here: {error.strerror or error}."
                raise UsageError(what, where=self.folder, hint="Choose another folder with -o.") from error
            self._read()  # again: until now others may have written
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.parts, ignore_errors=True)
        self._undo.close()

    def outputs(self) -> frozenset[str]:
        """Real paths of all files that were ever written here."""
        top = os.path.realpath(self.folder)
        return frozenset(os.path.join(top, out) for out in self._by_out)

    def finished(self, source: Path, out: str, work: str) -> Record | None:
        """The record of an output that is there and was made by the same work of the same input, as it is now."""
        real = self.real(source)
        known = [*self._by_source.get(real, ()), *self._by_out.get(out, ())]
        candidates = [record for record in reversed(known) if record.work == work]
        if not candidates:
            return None
        try:
            status = os.stat(source)
        except OSError:
            return None
        return next((r for r in candidates if _is_same_input(r, source, real, status) and self._is_there(r)), None)

    def way(self, source: Path, sha256: str, work: str) -> str:
        """The way that the same input took when the same work was done before; nothing where it was not."""
        records = reversed(self._by_source.get(self.real(source), ()))
        return next((str(r.way) for r in records if r.work == work and r.source_sha256 == sha256), "")

    def owner(self, out: str) -> Literal["nobody", "unknown"] | Record:
        """Whose file stands at a place: no file, one that the journal does not know, or the output of a record."""
        path = self.folder / out
        if not os.path.lexists(path):
            return "nobody"
        return next((record for record in reversed(self._by_out.get(out, [])) if self._is_there(record)), "unknown")

    def add(self, record: Record) -> None:
        """Write a record down, onto the disk. Raises NoRoomError when the disk is full."""
        line = json.dumps(asdict(record)).encode() + b"\n"
        with self._adding:
            length = os.fstat(self._file).st_size
            try:
                _write_all(self._file, line)
                os.fsync(self._file)
            except OSError as error:
                os.ftruncate(self._file, length)  # half a line would spoil the next one
                if is_full(error):
                    raise NoRoomError("disk full writing the journal.", where=self._path, hint=FREE_SPACE) from error
                raise
            self._know(record)

    def put(self, path: Path, data: bytes) -> None:
        """Write a file of the folder that is no output, whole or not at all; a kill leaves nothing beside it.

        Raises NoRoomError when the disk is full, ImageError for everything else.
        """
        part = self.parts / secrets.token_hex(8)
        try:
            write_new(part, data)
            os.replace(part, path)
            sync_folder(path.parent)
        except OSError as error:
            if is_full(error):
                raise NoRoomError("disk full.", where=path, hint=FREE_SPACE) from error
            raise ImageError(f"cannot be written: {error.strerror or error}.", where=path) from error
        finally:
            part.unlink(missing_ok=True)

    def _read(self) -> None:
        self._by_source.clear()
        self._by_out.clear()
        for name in _names(self._path.parent):
            if name.startswith("journal-") and name.endswith(".jsonl"):
                for record in _records(self._path.parent / name):
                    self._know(record)

    def _know(self, record: Record) -> None:
        self._by_source.setdefault(record.source, []).append(record)
        self._by_out.setdefault(record.out, []).append(record)

    def _is_there(self, record: Record) -> bool:
        path = self.folder / record.out
        try:
            status = path.lstat()
        except OSError:
            return False
        if not stat.S_ISREG(status.st_mode) or status.st_size != record.size:
            return False
        return status.st_mtime_ns == record.mtime or _sha256(path) == record.sha256

    def _lock(self, undo: ExitStack) -> None:
        """One process for each shard, and none with another number of shards beside it.

        Its own lock first: of two that begin at the same moment, at least one sees the other's.
        """
        undo.callback(self._acquire(self._lock_path).release)
        for path in sorted(self._lock_path.parent.glob("lock-*")):
            other = SHARD_LOCK.fullmatch(path.name)
            if other and int(other[1]) != self.shard[1]:
                self._acquire(path, PROBE_SECONDS).release()

    def _acquire(self, path: Path, seconds: float = 0.0) -> FileLock:
        lock = FileLock(path)
        try:
            lock.acquire(timeout=seconds)
        except Timeout:
            what = "another process works on this folder."
            raise LockedError(what, where=self.folder, hint="Wait, or end it.") from None
        return lock


def _names(folder: Path) -> list[str]:
    """The names in a folder; none where it is not there."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _records(path: Path) -> list[Record]:
    """The records of a journal file; a line that a crash cut off, or that somebody changed, is as if it were not."""
    try:
        content = path.read_bytes()
    except OSError as error:
        hint = "It tells which outputs are finished."
        raise UsageError(f"this journal cannot be read: {error.strerror or error}.", where=path, hint=hint) from error
    records = []
    for line in content.splitlines():
        try:
            record = Record(**json.loads(line))
        except (ValueError, TypeError):
            continue
        records.append(record)
    return records


def _end_line(handle: int) -> None:
    """A new line begins at the end of the file, also after half of one."""
    length = os.fstat(handle).st_size
    if length and os.pread(handle, 1, length - 1) != b"\n":
        os.write(handle, b"\n")


def _write_all(handle: int, data: bytes) -> None:
    """All of it: a disk that is nearly full takes a part without an error."""
    while data:
        data = data[os.write(handle, data) :]


def _is_same_input(record: Record, source: Path, real: str, status: os.stat_result) -> bool:
    if record.source_size != status.st_size:
        return False
    # Files of one time and size are nothing rare, unpacked from an archive: the time says something of one path alone.
    same_time = record.source == real and record.source_mtime == status.st_mtime_ns
    return same_time or record.source_sha256 == _sha256(source)


def _sha256(path: Path) -> str:
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""
