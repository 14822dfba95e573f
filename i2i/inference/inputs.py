"""What a person names as inputs, and the files that are found there."""

from __future__ import annotations

import fnmatch
import glob
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from i2i.errors import UsageError
from i2i.images.formats import SUFFIXES

PRIVATE = ".i2i"  # folder in an output for the journal and unfinished files
STREAM = "-"


@dataclass(frozen=True)
class Selection:
    """Which files of the inputs are taken.

    `include` and `exclude` are patterns for a file's name or its path inside its folder; they do not hold for files
    that are named one by one. `shard` (i, n) takes the
    i-th of n parts of the plan, always the same files whichever others there are.
    """

    recursive: bool = True
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    symlinks: Literal["skip", "follow"] = "skip"
    shard: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class Root:
    """An input as a person gave it. `base` is the folder that its place in the output counts from."""

    path: str
    base: str
    named: bool = True  # by name and not by a pattern or list


def roots_of(inputs: Iterable[str | Path], *, may_be_empty: bool) -> Iterator[Root]:
    """The inputs one by one: files, folders, `-`, and those that patterns and lists stand for. Raises UsageError."""
    for given in map(str, inputs):
        if not given:
            raise UsageError("an input is empty.", hint="Give a file, a folder, a pattern, - or @list.")
        if given == STREAM or os.path.lexists(given):
            yield Root(given, _base(given))
        elif given.startswith("@"):
            yield from _listed(given[1:])
        elif glob.has_magic(given):
            yield from _matching(given, may_be_empty)
        else:
            raise UsageError("this input does not exist.", where=given)


def _listed(path: str) -> Iterator[Root]:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"this list cannot be read: {error.strerror}.", where=path) from error
    for line in content.split(b"\0") if b"\0" in content else content.splitlines():
        if line:
            entry = os.fsdecode(line)
            if not os.path.lexists(entry):
                raise UsageError("this input does not exist.", where=entry, hint=f"It is listed in {path}.")
            yield Root(entry, _base(entry), named=False)


def _matching(pattern: str, may_be_empty: bool) -> Iterator[Root]:
    parts = pattern.split("/")
    fixed = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    base = "/".join(parts[:fixed]) or ("/" if pattern.startswith("/") else ".")
    found = sorted(glob.glob(pattern, recursive=True))
    if not found and not may_be_empty:
        raise UsageError("nothing matches this pattern.", where=pattern)
    for path in found:
        if not os.path.isdir(path) or not pattern.endswith("**"):  # which also names each folder on the way
            yield Root(path, base, named=False)


def _base(path: str) -> str:
    return path if os.path.isdir(path) else os.path.dirname(path) or "."


@dataclass
class Search:
    """Finds the files of the inputs: each once, in a fixed order, whatever links there are."""

    selection: Selection
    unlisted: list[tuple[str, str]] = field(default_factory=list)
    links: int = 0
    real: RealPaths = field(default_factory=lambda: RealPaths())

    def files(self, roots: Sequence[Root]) -> Iterator[tuple[str, str]]:
        """(file, its place in the output tree)."""
        seen: set[str] = set()
        for root in roots:
            found = self._walk(root.path) if os.path.isdir(root.path) else self._single(root)
            for path in found:
                real = self.real(path)
                if real not in seen:
                    seen.add(real)
                    yield path, _place(path, root.base)

    def _walk(self, top: str) -> Iterator[str]:
        """All picture files below a folder. Iterative: a tree may be deeper than Python's stack."""
        stack, visited = [top], set()
        while stack:
            folder = stack.pop()
            try:
                status = os.stat(folder)
                with os.scandir(folder) as listing:
                    entries = sorted(listing, key=lambda entry: entry.name)
            except OSError as error:
                self.unlisted.append((folder, f"this folder cannot be listed: {error.strerror}."))
                continue
            if (status.st_dev, status.st_ino) in visited:  # a link that leads back
                continue
            visited.add((status.st_dev, status.st_ino))
            folders = []
            for entry in entries:
                if entry.is_symlink() and self.selection.symlinks == "skip":
                    self.links += _is_picture(entry.name) or _is_folder(entry)
                elif _is_folder(entry):
                    if self.selection.recursive and entry.name != PRIVATE:
                        folders.append(entry.path)
                elif _is_picture(entry.name) and self._wanted(entry.path, top):
                    yield entry.path
            stack += reversed(folders)

    def _single(self, root: Root) -> list[str]:
        """A file that was named is taken; one of a pattern or list has to be wanted."""
        return [root.path] if root.named or self._wanted(root.path, root.base) else []

    def _wanted(self, path: str, top: str) -> bool:
        include, exclude = self.selection.include, self.selection.exclude
        if not include and not exclude:
            return True
        names = (os.path.basename(path), os.path.relpath(path, top))
        return (not include or _matches(names, include)) and not _matches(names, exclude)


def _place(path: str, base: str) -> str:
    """Where a file stands below the base; nothing leaves the output folder."""
    place = os.path.relpath(path, base)
    return os.path.basename(path) if place.startswith("..") else place


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_picture(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith("._")


def _matches(names: Sequence[str], patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for name in names for pattern in patterns)


class RealPaths:
    """Real folder and own name of paths: the same for all ways to a file, and a link is not what it points to."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def __call__(self, path: str | Path) -> str:
        """See above."""
        folder, name = os.path.split(path)
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        return os.path.join(self._folders[folder], name)


def read_stream(largest: int) -> bytes:
    """All of standard input. Raises UsageError where a person would have to type it, and for more bytes."""
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("- reads a picture from standard input, and that is a terminal.", hint="Such as: < in.jpg")
    data = sys.stdin.buffer.read(largest + 1)
    if len(data) > largest:
        raise UsageError("there is more on standard input than a picture.", hint="--max-pixels allows more.")
    return data
