"""The journal of an output folder: which file in it was made of which input, with which model and options."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Literal

from filelock import FileLock, Timeout

from i2i.errors import LockedError, NoRoomError, UsageError, is_full
from i2i.inference.plan import PRIVATE

SHARD_LOCK = re.compile(r"lock-\d+-of-(\d+)")


@dataclass(frozen=True)
class Record:
    """One output: of which input (absolute path, size in bytes, time of change in ns, SHA-256), by which `work`.

    `out` is its place in the folder; size, time and SHA-256 of the output show whether it is still the same.
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


class Journal:
    """What is known about an output folder. Entered, it keeps other processes out; one file for each shard.

    Raises LockedError when another process works on the same shard, or on another number of shards; UsageError when
    nothing can be written there.
    """

    def __init__(self, folder: Path, shard: tuple[int, int] = (1, 1)) -> None:
        self.folder, self.shard = folder, shard
        number, count = shard
        private = folder / PRIVATE
        self.parts = private / f"parts-{number}-of-{count}"
        self._path = private / f"journal-{number}-of-{count}.jsonl"
        self._lock_path = private / f"lock-{number}-of-{count}"
        self._undo, self._file, self._adding = ExitStack(), -1, Lock()
        self._by_source: dict[str, list[Record]] = defaultdict(list)
        self._by_out: dict[str, list[Record]] = defaultdict(list)
        for path in sorted(private.glob("journal-*.jsonl")):
            for record in _records(path):
                self._know(record)

    def __enter__(self) -> Journal:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock()
            # what a process left unfinished when it died
            shutil.rmtree(self.parts, ignore_errors=True)
            self.parts.mkdir()
            self._file = _opened(self._path)
            self._undo.callback(os.close, self._file)
        except OSError as error:
            self._undo.close()
            what = f"nothing can be written here: {error.strerror or error}."
            raise UsageError(what, where=self.folder, hint="Choose another folder with -o.") from error
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.parts, ignore_errors=True)
        self._undo.close()

    def outputs(self) -> frozenset[str]:
        """Absolute paths of all files that were ever written here."""
        top = os.path.abspath(self.folder)
        return frozenset(os.path.join(top, out) for out in self._by_out)

    def finished(self, source: Path, out: str, work: str) -> Record | None:
        """The record of an output that is there and was made by the same work of the same input, as it is now."""
        known = [*self._by_source[os.path.abspath(source)], *self._by_out[out]]
        candidates = [record for record in reversed(known) if record.work == work]
        if not candidates:
            return None
        try:
            status = os.stat(source)
        except OSError:
            return None
        return next((r for r in candidates if _is_same_input(r, source, status) and self._is_there(r)), None)

    def owner(self, out: str) -> Literal["nobody", "unknown"] | Record:
        """Whose file stands at a place: no file, one that the journal does not know, or the output of a record."""
        path = self.folder / out
        if not os.path.lexists(path):
            return "nobody"
        return next((record for record in reversed(self._by_out[out]) if self._is_there(record)), "unknown")

    def add(self, record: Record) -> None:
        """Write a record down, onto the disk. Raises NoRoomError when the disk is full."""
        line = json.dumps(asdict(record)).encode() + b"\n"
        with self._adding:
            try:
                os.write(self._file, line)
                os.fsync(self._file)
            except OSError as error:
                if is_full(error):
                    hint = "Free space and run the same command again."
                    raise NoRoomError("disk full writing the journal.", where=self._path, hint=hint) from error
                raise
            self._know(record)

    def _know(self, record: Record) -> None:
        self._by_source[record.source].append(record)
        self._by_out[record.out].append(record)

    def _is_there(self, record: Record) -> bool:
        path = self.folder / record.out
        try:
            status = path.lstat()
        except OSError:
            return False
        if not stat.S_ISREG(status.st_mode) or status.st_size != record.size:
            return False
        return status.st_mtime_ns == record.mtime or _sha256(path) == record.sha256

    def _lock(self) -> None:
        """One process for each shard, and none with another number of shards beside it."""
        for path in sorted(self._lock_path.parent.glob("lock-*")):
            other = SHARD_LOCK.fullmatch(path.name)
            if other and int(other[1]) != self.shard[1]:
                self._acquire(path).release()
        lock = self._acquire(self._lock_path)
        self._undo.callback(lock.release)

    def _acquire(self, path: Path) -> FileLock:
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            what = "another process works on this folder."
            raise LockedError(what, where=self.folder, hint="Wait, or end it.") from None
        return lock


def _records(path: Path) -> list[Record]:
    """The records of a journal file; a line that a crash cut off, or that somebody changed, is as if it were not."""
    records = []
    for line in path.read_bytes().splitlines():
        try:
            record = Record(**json.loads(line))
        except (ValueError, TypeError):
            continue
        records.append(record)
    return records


def _opened(path: Path) -> int:
    """A handle at the end of the file, on a line of its own."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    length = os.fstat(handle).st_size
    if length and os.pread(handle, 1, length - 1) != b"\n":
        os.write(handle, b"\n")
    return handle


def _is_same_input(record: Record, source: Path, status: os.stat_result) -> bool:
    if record.source_size != status.st_size:
        return False
    return record.source_mtime == status.st_mtime_ns or record.source_sha256 == _sha256(source)


def _sha256(path: Path) -> str:
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""
