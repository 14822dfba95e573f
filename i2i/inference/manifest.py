"""The manifest of a folder of synthetic pictures: what each file is, for people, for programs and for going on.

One JSON document a line (JSON Lines): a line is added as its picture is written, one that a crash cut off spoils no
other, and names of classes need no rules of quoting. It lies in the folder itself, which has no folders but those of
the classes: so that it can be laid beside real pictures, and read by what takes each folder for a class.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from i2i.errors import FREE_SPACE, I2IError, ImageError, LockedError, NoRoomError, UsageError, is_full
from i2i.images.atomic import replace_file, sync_folder, write_new

NAME = "manifest.jsonl"
LOCK = ".manifest.lock"
OTHER_FOLDER = "Choose another folder with -o."


@dataclass(frozen=True)
class Entry:
    """One synthetic picture: its place in the folder, the model by name and SHA-256, and what it was made of.

    `label` is the name of its class, None for a model without; `content` the SHA-256 of the file.
    """

    file: str
    label: str | None
    number: int
    seed: int
    model: str
    model_sha256: str
    content: str = ""

    def line(self) -> bytes:
        """As it stands in the manifest."""
        document = {"file": self.file, "synthetic": True, "class": self.label, "number": self.number}
        document |= {"seed": self.seed, "model": self.model, "model_sha256": self.model_sha256, "sha256": self.content}
        return json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"

    @classmethod
    def parsed(cls, line: bytes) -> Entry:
        """The entry of a line. Raises ValueError or KeyError for any other line."""
        found: Any = json.loads(line)
        if not isinstance(found, dict) or found.get("synthetic") is not True:
            raise ValueError("no entry of a manifest")
        texts = [found[key] for key in ("file", "model", "model_sha256", "sha256")]
        file, model, model_sha256, content = map(str, texts)
        return cls(file, found["class"], found["number"], found["seed"], model, model_sha256, content)

    def is_same_work(self, other: Entry) -> bool:
        """Whether both are the same picture."""
        return replace(self, model="", content="") == replace(other, model="", content="")


class Manifest:
    """What is known of an output folder. Entered, it keeps other processes out, and takes new pictures.

    Raises UsageError when nothing can be read or written there, LockedError when another process works on the folder,
    NoRoomError when the disk is full.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / NAME
        self._undo, self._handle = ExitStack(), -1
        self._entries: dict[str, Entry] = {}
        self._untidy = False  # a line is cut, or a file has two
        refuse_file(folder)
        self._read()

    def __enter__(self) -> Manifest:
        with ExitStack() as undo:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                undo.callback(self._lock().release)
                for part in self.folder.glob(".manifest.*.part"):  # what a process left that was killed
                    part.unlink(missing_ok=True)
                self._read()  # again: until now others may have written
                self._tidy()
                undo.callback(self._clear)
                self._handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
                undo.callback(os.close, self._handle)
            except OSError as error:
                raise self._unwritable(error) from error
            self._undo = undo.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._undo:
            try:
                self._tidy()
            except (I2IError, OSError) as error:
                if kind is None:  # else what happened first is what a person must hear of
                    raise self._unwritable(error) if isinstance(error, OSError) else error from error

    def has(self, wanted: Entry) -> bool:
        """Whether the picture is there, whole and made by the same model of the same noise."""
        known = self._entries.get(wanted.file)
        return known is not None and known.is_same_work(wanted) and self._is_there(known)

    def refuse_obstacle(self, wanted: Entry, *, overwrite: bool) -> None:
        """Raises UsageError where the place of a picture that is still to be made is not free.

        `overwrite` lets files be replaced, but no folder.
        """
        place = os.path.join(self.folder, wanted.file)  # a Path takes longer than all else, of a million
        if not os.path.lexists(place):
            return
        if os.path.isdir(place) and not os.path.islink(place):
            raise UsageError("this folder is where a picture is to be.", where=place, hint=OTHER_FOLDER)
        if not overwrite:
            raise UsageError(self._obstacle(wanted), where=place, hint="Choose another folder, or --overwrite.")

    def store(self, pictures: Sequence[tuple[Entry, bytes]]) -> None:
        """Write pictures: onto the disk under private names, then the manifest, then the renames.

        Killed at any moment it leaves nothing that looks whole and is not, and no picture without its line.
        Raises NoRoomError when the disk is full, ImageError for everything else.
        """
        parts = [self.folder / f".manifest.{secrets.token_hex(6)}.part" for _ in pictures]
        place = self.path
        try:
            for part, (entry, data) in zip(parts, pictures, strict=True):
                place = self.folder / entry.file
                write_new(part, data)
            entries = [replace(entry, content=hashlib.sha256(data).hexdigest()) for entry, data in pictures]
            self._add(entries)
            for part, entry in zip(parts, entries, strict=True):
                place = self.folder / entry.file
                place.parent.mkdir(exist_ok=True)
                os.replace(part, place)
            for folder in {(self.folder / entry.file).parent for entry in entries}:
                sync_folder(folder)
        except OSError as error:
            if is_full(error):
                raise NoRoomError("disk full.", where=place, hint=FREE_SPACE) from error
            raise ImageError(f"cannot be written: {error.strerror or error}.", where=place) from error
        finally:
            for part in parts:
                part.unlink(missing_ok=True)

    def _add(self, entries: Sequence[Entry]) -> None:
        lines = b"".join(entry.line() for entry in entries)
        length = os.fstat(self._handle).st_size
        try:
            while lines:  # a disk that is nearly full takes a part without an error
                lines = lines[os.write(self._handle, lines) :]
            os.fsync(self._handle)
        except OSError:
            os.ftruncate(self._handle, length)
            raise
        for entry in entries:
            self._know(entry)

    def _know(self, entry: Entry) -> None:
        self._untidy |= entry.file in self._entries
        self._entries[entry.file] = entry

    def _read(self) -> None:
        self._entries, self._untidy = {}, False
        try:
            content = self.path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            what = f"this manifest cannot be read: {error.strerror or error}."
            raise UsageError(what, where=self.path, hint=OTHER_FOLDER) from error
        whole, _, cut = content.rpartition(b"\n")
        for line in whole.splitlines():
            try:
                self._know(Entry.parsed(line))
            except (ValueError, KeyError, TypeError):
                raise UsageError("this is no manifest by i2i.", where=self.path, hint=OTHER_FOLDER) from None
        self._untidy |= bool(cut)

    def _obstacle(self, wanted: Entry) -> str:
        known = self._entries.get(wanted.file)
        if known is None:
            return "i2i did not make this file."
        if self._is_there(known):
            return "this picture was made by another model, or with another seed or class."
        return "this picture was changed since i2i made it."

    def _clear(self) -> None:
        """Nothing stays of work that made nothing."""
        if not self._entries:
            for path in (self.path, self.folder / LOCK):
                with suppress(OSError):  # what stays harms nobody
                    path.unlink()

    def _tidy(self) -> None:
        """One line for each picture that is there."""
        there = [entry for entry in self._entries.values() if os.path.lexists(self.folder / entry.file)]
        if self._untidy or len(there) < len(self._entries):
            replace_file(self.path, b"".join(entry.line() for entry in there))
            self._entries, self._untidy = {entry.file: entry for entry in there}, False

    def _is_there(self, entry: Entry) -> bool:
        try:
            with open(self.folder / entry.file, "rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest() == entry.content
        except OSError:
            return False

    def _lock(self) -> FileLock:
        lock = FileLock(self.folder / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            what = "another process works on this folder."
            raise LockedError(what, where=self.folder, hint="Wait, or end it.") from None
        return lock

    def _unwritable(self, error: OSError) -> NoRoomError | UsageError:
        if is_full(error):
            return NoRoomError("disk full.", where=self.folder, hint=FREE_SPACE)
        what = f"nothing can be written here: {error.strerror or error}."
        return UsageError(what, where=self.folder, hint=OTHER_FOLDER)


def refuse_file(folder: Path) -> None:
    """Raises UsageError where a file stands in the place of a folder for pictures."""
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise UsageError("is a file, not a folder.", where=folder, hint=OTHER_FOLDER)
