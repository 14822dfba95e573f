"""Every training picture decoded once before the training: what can be read, what cannot, what is there twice."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from i2i.data.layouts import Domain
from i2i.errors import ImageError
from i2i.images.files import read
from i2i.images.picture import Picture

Progress = Callable[[int, int], None]  # (files done, files in all)
Objection = Callable[[Picture], str | None]  # why a picture that can be read cannot be used, if so
MOST_THREADS = 8
MISSING = "there is no such file."
PATHS_OF_LISTS = "Relative paths start at the folder of the list or CSV."


@dataclass(frozen=True)
class ScannedPicture:
    """A readable file: its name in the domain, the size in pixels and bytes, and the SHA-256 of its bytes.

    `depth` are the bits of a sample once it is read: 8, 16, or 32 for fractions. Run folders from before it lack it.
    """

    name: str
    width: int
    height: int
    format: str | None
    gray: bool
    alpha: bool
    bytes: int
    mtime_ns: int
    sha256: str
    depth: int = 8

    @property
    def short_side(self) -> int:
        """The smaller of width and height."""
        return min(self.width, self.height)


@dataclass(frozen=True)
class UnreadableFile:
    """A file that is left out, and why, in one line."""

    name: str
    reason: str
    bytes: int
    mtime_ns: int


@dataclass(frozen=True)
class Scan:
    """What a domain holds, in the order of its names."""

    pictures: tuple[ScannedPicture, ...]
    unreadable: tuple[UnreadableFile, ...] = ()

    @property
    def smallest(self) -> ScannedPicture:
        """The picture with the shortest short side. Raises ValueError for an empty scan."""
        return min(self.pictures, key=lambda picture: (picture.short_side, picture.width * picture.height))

    @property
    def duplicates(self) -> int:
        """Files whose bytes an earlier file has already."""
        return len(self.pictures) - len({picture.sha256 for picture in self.pictures})

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return {
            "pictures": [asdict(picture) for picture in self.pictures],
            "unreadable": [asdict(file) for file in self.unreadable],
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Scan:
        """The scan that `to_json` wrote."""
        return cls(
            tuple(ScannedPicture(**picture) for picture in document["pictures"]),
            tuple(UnreadableFile(**file) for file in document["unreadable"]),
        )


@dataclass(frozen=True)
class Scans:
    """What was found in the folders of a training: its fields are scans, None where there is no such folder."""

    def to_json(self) -> dict[str, Any]:
        """What the run folder keeps, so that a resume sees the same pictures, and `from_json` reads."""
        return {name: found.to_json() for name, found in vars(self).items() if found}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """The scans that `to_json` wrote."""
        return cls(**{name: Scan.from_json(found) for name, found in document.items()})


def scan(
    domain: Domain,
    *,
    previous: Scan | None = None,
    progress: Progress | None = None,
    objection: Objection = lambda _: None,
) -> Scan:
    """Decode every file of a domain in parallel threads; one with an `objection` counts as unreadable.

    Files whose size and time of change are those of the previous scan are not read again.
    """
    known = _by_name(previous) if previous else {}

    def look(name: str) -> ScannedPicture | UnreadableFile:
        return _look(domain.root / name, name, known.get(name), objection)

    found: list[ScannedPicture | UnreadableFile] = []
    threads = ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1))
    # Reading silences warnings for a moment, which several threads at once would leave silenced for good.
    with warnings.catch_warnings():
        try:
            for result in threads.map(look, domain.names):
                found.append(result)
                if progress:
                    progress(len(found), len(domain.names))
        finally:
            threads.shutdown(cancel_futures=True)
    return Scan(
        tuple(file for file in found if isinstance(file, ScannedPicture)),
        tuple(file for file in found if isinstance(file, UnreadableFile)),
    )


def scan_all(domains: Iterable[tuple[Domain, Scan | None]], progress: Progress | None = None) -> list[Scan]:
    """The scan of each domain, given with its previous scan; `progress` counts through all of them."""
    wanted = list(domains)
    total, before, found = sum(len(domain.names) for domain, _ in wanted), 0, []
    for domain, previous in wanted:
        found.append(scan(domain, previous=previous, progress=progress and _counted_on(progress, before, total)))
        before += len(domain.names)
    return found


def _counted_on(progress: Progress, before: int, total: int) -> Progress:
    return lambda done, _: progress(before + done, total)


def not_read(scans: Iterable[tuple[Domain, Scan]]) -> dict[str, list[str]]:
    """What could not be read, by reason: names, with their folders, of files that are missing and of the others."""
    found: dict[str, list[str]] = {"missing": [], "unreadable": []}
    for domain, scan in scans:
        for file in scan.unreadable:
            found["missing" if file.reason == MISSING else "unreadable"].append(domain.shown(file.name))
    return {reason: names for reason, names in found.items() if names}


def shared_contents(one: Scan, other: Scan) -> list[tuple[str, str]]:
    """Names of files that are in both with the same bytes, in the order of the first."""
    names = {picture.sha256: picture.name for picture in reversed(other.pictures)}
    return [(picture.name, names[picture.sha256]) for picture in one.pictures if picture.sha256 in names]


def duplicate_groups(scan: Scan) -> list[tuple[str, ...]]:
    """Names of the files that have the same bytes, group by group."""
    counts = Counter(picture.sha256 for picture in scan.pictures)
    groups: dict[str, list[str]] = {}
    for picture in scan.pictures:
        if counts[picture.sha256] > 1:
            groups.setdefault(picture.sha256, []).append(picture.name)
    return [tuple(names) for names in groups.values()]


def _by_name(scan: Scan) -> dict[str, ScannedPicture | UnreadableFile]:
    found: dict[str, ScannedPicture | UnreadableFile] = {picture.name: picture for picture in scan.pictures}
    found.update((file.name, file) for file in scan.unreadable)
    return found


def _look(
    path: Path, name: str, known: ScannedPicture | UnreadableFile | None, objection: Objection
) -> ScannedPicture | UnreadableFile:
    try:
        status = path.stat()
    except FileNotFoundError:
        return UnreadableFile(name, "is a link that leads nowhere." if path.is_symlink() else MISSING, 0, 0)
    except OSError as error:
        return UnreadableFile(name, f"cannot be read: {error.strerror or error}.", 0, 0)
    if known and (known.bytes, known.mtime_ns) == (status.st_size, status.st_mtime_ns):
        return known
    try:
        picture = read(path)
        with path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    except ImageError as error:
        return UnreadableFile(name, error.what, status.st_size, status.st_mtime_ns)
    except OSError as error:
        return UnreadableFile(name, f"cannot be read: {error.strerror or error}.", status.st_size, status.st_mtime_ns)
    if reason := objection(picture):
        return UnreadableFile(name, reason, status.st_size, status.st_mtime_ns)
    return ScannedPicture(
        name=name,
        width=picture.width,
        height=picture.height,
        format=picture.carried.format,
        gray=picture.is_gray,
        alpha=picture.alpha is not None,
        bytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
        sha256=sha256,
        depth=8 * picture.pixels.dtype.itemsize,
    )
