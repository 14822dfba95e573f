"""What a training would say about its pictures, and more, before it begins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import median_low
from typing import Any, Protocol

from i2i.config.data import MaskedConfig, PairedConfig, PhotosConfig, UnpairedConfig
from i2i.data.layouts import (
    Domain,
    Domains,
    Role,
    counted,
    find_photos,
    find_role,
    find_training,
    find_validation_photos,
    kept_apart,
)
from i2i.data.mask_folder import find_masks, scan_masks
from i2i.data.paired_layouts import FoundPairs, find_role_pairs, find_training_pairs
from i2i.data.paired_scan import Side, UsablePairs, duplicate_pairs, refuse_none, usable_pairs
from i2i.data.scan import MISSING, Progress, Scan, ScannedPicture, duplicate_groups, scan_all, shared_contents
from i2i.errors import DataError

SCALED_UP, MIRRORED = "they are scaled up", "they are continued by the mirror image"  # small pictures, in a training


@dataclass(frozen=True)
class CheckedFolder:
    """One folder or list of pictures and its scan."""

    domain: Domain
    scan: Scan
    title: str = ""

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.title or self.domain.label or str(self.domain.root)

    def smaller_than(self, size: int) -> list[str]:
        """Names of the pictures that must grow for crops of that side."""
        return [picture.name for picture in self.scan.pictures if picture.short_side < size]


class Findings(Protocol):
    """What a check tells."""

    @property
    def has_problems(self) -> bool:
        """Whether a person should look at something."""

    def lines(self) -> Iterator[str]:
        """For a person."""

    def to_json(self) -> dict[str, Any]:
        """For a program."""


@dataclass(frozen=True)
class Check:
    """All that was found. `size` is the side of the crops, `grown` how a training makes them of smaller pictures.

    `passed_over` are folders that the training leaves out by their names, and that were not read; `masks` is the folder
    of masks where it has one.
    """

    folders: tuple[CheckedFolder, ...]
    size: int
    grown: str = SCALED_UP
    passed_over: tuple[str, ...] = ()
    masks: CheckedFolder | None = None

    @property
    def has_problems(self) -> bool:
        """Whether a person should look at something."""
        return next(self.problems(), None) is not None

    def lines(self) -> Iterator[str]:
        """A line for each folder, then one for each problem."""
        yield from _folder_lines(self._all())
        yield from _passed_over_lines(self.passed_over)
        yield from _problem_lines(self.problems())

    def problems(self) -> Iterator[str]:
        """Unreadable files, then small pictures, then duplicates in a folder and between folders: a line each."""
        yield from _unreadable_lines(self._all())
        for folder in self.folders:
            if small := folder.smaller_than(self.size):
                such = f"{len(small)} in {folder.name}, such as {folder.domain.shown(small[0])}"
                yield _small_line(self.size, self.grown, such)
        for folder in self.folders:
            for names in duplicate_groups(folder.scan):
                kind = "duplicates" if len(set(names)) > 1 else "named again"
                yield f"{kind}: {_together(map(folder.domain.shown, names))}"
        for one, other in self._pairs():
            for name, twin in shared_contents(one.scan, other.scan):
                yield f"in both folders: {_together([one.domain.shown(name), other.domain.shown(twin)])}"

    def to_json(self) -> dict[str, Any]:
        """One document with everything."""
        return {
            "schema": 1,
            "size": self.size,
            "folders": [_document(folder, self.size) for folder in self.folders],
            "in_both": [
                [one.domain.shown(name), other.domain.shown(twin)]
                for one, other in self._pairs()
                for name, twin in shared_contents(one.scan, other.scan)
            ],
            "passed_over": list(self.passed_over),
            "problems": list(self.problems()),
            **({"masks": _masks_document(self.masks)} if self.masks else {}),
        }

    def _all(self) -> tuple[CheckedFolder, ...]:
        return (*self.folders, self.masks) if self.masks else self.folders

    def _pairs(self) -> Iterator[tuple[CheckedFolder, CheckedFolder]]:
        for number, one in enumerate(self.folders):
            for other in self.folders[number + 1 :]:
                yield one, other


@dataclass(frozen=True)
class PairedCheck:
    """All that was found of pairs, by role: training, and where there are such, validation and test.

    `passed_over` are folders that belong to none of them by their names, and that were not read.
    """

    roles: dict[Role, UsablePairs]
    size: int
    passed_over: tuple[str, ...] = ()

    @property
    def folders(self) -> tuple[CheckedFolder, ...]:
        """All that was read."""
        return tuple(
            CheckedFolder(*folder)
            for usable in self.roles.values()
            for folder in zip(usable.found.domains, usable.scans, usable.found.titles, strict=True)
        )

    @property
    def has_problems(self) -> bool:
        """Whether a person should look at something."""
        return next(self.problems(), None) is not None

    def lines(self) -> Iterator[str]:
        """A line for each folder and each role, then one for each problem."""
        yield from _folder_lines(self.folders)
        for role, usable in self.roles.items():
            layout = usable.found.layout
            yield f"{role}: {len(usable.pairs)} pair{'' if len(usable.pairs) == 1 else 's'} ({layout})"
        yield from _passed_over_lines(self.passed_over)
        yield from _problem_lines(self.problems())

    def problems(self) -> Iterator[str]:
        """Unreadable files, files without a pair, small pairs, then equal pairs of a role and of two: a line each."""
        yield from _unreadable_lines(self.folders)
        for usable in self.roles.values():
            yield from (f"{why}: {what}" for why, what in usable.left_out)
        for role, usable in self.roles.items():
            if small := [pair for pair in usable.pairs if pair.smaller.short_side < self.size]:
                yield _small_line(self.size, SCALED_UP, f"{len(small)} of {role}, such as {usable.shown(small[0])}")
        for usable in self.roles.values():
            for group in duplicate_pairs(usable):
                yield f"duplicate pairs: {_together(map(usable.shown, group))}"
        for one, other in combinations(self.roles, 2):
            for pair, twin in self._shared(one, other):
                yield f"in {one} and {other}: {_together([pair, twin])}"

    def to_json(self) -> dict[str, Any]:
        """One document with everything."""
        return {
            "schema": 1,
            "size": self.size,
            "folders": [_document(folder, self.size) for folder in self.folders],
            "roles": {
                role: {
                    "layout": usable.found.layout,
                    "pairs": [[pair.a.name, pair.b.name] for pair in usable.pairs],
                    "left_out": [list(left_out) for left_out in usable.left_out],
                }
                for role, usable in self.roles.items()
            },
            "passed_over": list(self.passed_over),
            "problems": list(self.problems()),
        }

    def _shared(self, one: Role, other: Role) -> Iterator[tuple[str, str]]:
        twins = {pair.content: pair for pair in reversed(self.roles[other].pairs)}
        for pair in self.roles[one].pairs:
            if twin := twins.get(pair.content):
                yield self.roles[one].shown(pair), self.roles[other].shown(twin)


def check_unpaired(config: UnpairedConfig, progress: Progress | None = None) -> Check:
    """Look at the training pictures and at those for validation and test beside them. Raises DataError."""
    path = Path(config.path) if config.path is not None else None
    found: list[Domains | None] = [find_training(path, config.a, config.b)]
    if path:
        found += [find_role(path, "val"), find_role(path, "test")]
    domains = [domain for pair in found if pair for domain in (pair.a, pair.b)]
    scans = scan_all([(domain, None) for domain in domains], progress)
    return Check(tuple(map(CheckedFolder, domains, scans)), config.size)


def check_paired(
    config: PairedConfig, *, labels: int = 0, side: Side = "a", progress: Progress | None = None
) -> PairedCheck:
    """Look at the training pairs and at those for validation and test beside them.

    With `labels`, the pictures of that domain are label maps of so many classes. Raises DataError.
    """
    found: dict[Role, FoundPairs] = {"train": find_training_pairs(config)}
    if config.path is not None:
        for role in ("val", "test"):
            if pairs := find_role_pairs(Path(config.path), role, found["train"].layout):
                found[role] = pairs
    scans = iter(scan_all([(domain, None) for pairs in found.values() for domain in pairs.domains], progress))
    roles = {role: usable_pairs(pairs, [next(scans) for _ in pairs.domains]) for role, pairs in found.items()}
    if labels:
        roles = {role: usable.without_bad_labels(labels, side) for role, usable in roles.items()}
    refuse_none(roles["train"], side)
    read = {domain.root for pairs in found.values() for domain in pairs.domains}
    searched = () if found["train"].written or config.a else found["train"].domains  # by the names of folders
    return PairedCheck(roles, config.size, _passed_over(searched, read))


def check_photos(config: PhotosConfig, progress: Progress | None = None) -> Check:
    """Look at the photos of a folder, at those for validation beside them and at any masks. Raises DataError."""
    if config.path is None:
        raise DataError("no training photos were named.", hint="Give a folder.")
    path = Path(config.path)
    masks = find_masks(config) if isinstance(config, MaskedConfig) else None
    photos = find_photos(path)
    domains = [domain for domain in (photos, find_validation_photos(path)) if domain]
    scans = scan_all([(domain, None) for domain in domains], progress)
    passed_over = _passed_over([photos], {domain.root for domain in domains})
    folders = tuple(map(CheckedFolder, domains, scans))
    checked = CheckedFolder(masks, scan_masks(masks, progress=progress), f"masks of {masks.label}") if masks else None
    return Check(folders, config.size, MIRRORED, passed_over, checked)


def _passed_over(domains: Iterable[Domain], read: Container[Path]) -> tuple[str, ...]:
    """Folders among the training pictures that are not trained on, nor in the other roles that were `read`."""
    apart = [found for domain in domains for found in kept_apart(domain)]
    return tuple(f"{folder} ({counted(count)})" for folder, count in apart if folder not in read)


def _passed_over_lines(passed_over: Sequence[str]) -> Iterator[str]:
    if passed_over:
        yield f"passed over, by their names: {', '.join(passed_over)}"


def _small_line(size: int, grown: str, such: str) -> str:
    return f"smaller than the crop of {size}: {such}; {grown}: use larger pictures or a smaller --size"


def _together(names: Iterable[str]) -> str:
    """What is the same: a name that stands for all is told once."""
    return ", ".join(dict.fromkeys(names))


def _folder_lines(folders: Iterable[CheckedFolder]) -> Iterator[str]:
    for folder in folders:
        yield f"{folder.name}: {_described(folder.scan)}"


def _problem_lines(problems: Iterable[str]) -> Iterator[str]:
    found = list(problems)
    yield from found
    if not found:
        yield "no problems found"


def _unreadable_lines(folders: Iterable[CheckedFolder]) -> Iterator[str]:
    for folder in folders:
        for file in folder.scan.unreadable:
            shown = folder.domain.shown(file.name)
            if file.reason != MISSING:
                yield f"unreadable: {shown}: {file.reason}"
            elif Path(file.name).is_absolute():
                yield f"missing: {shown}: {file.reason}"
            else:
                yield f"missing: {shown}: there is no such file in {folder.domain.root}."


def _described(scan: Scan) -> str:
    if not scan.pictures:
        return "0 pictures"
    low, middle, high = _sizes(scan)
    count = f"{len(scan.pictures)} picture{'' if len(scan.pictures) == 1 else 's'}"
    parts = [count, f"smallest {low}, median {middle}, largest {high}"]
    parts.append(", ".join(f"{name} {count}" for name, count in _formats(scan).items()))
    if gray := _count_gray(scan):
        parts.append(f"{gray} gray")
    if alpha := _count_alpha(scan):
        parts.append(f"{alpha} with transparency")
    return "  ·  ".join(parts)


def _document(folder: CheckedFolder, size: int) -> dict[str, Any]:
    scan = folder.scan
    low, middle, high = _sizes(scan) if scan.pictures else (None, None, None)
    return {
        "folder": folder.name,
        "pictures": len(scan.pictures),
        "smallest": low,
        "median": middle,
        "largest": high,
        "formats": _formats(scan),
        "gray": _count_gray(scan),
        "alpha": _count_alpha(scan),
        "smaller_than_crop": folder.smaller_than(size),
        "duplicates": duplicate_groups(scan),
        "unreadable": {file.name: file.reason for file in scan.unreadable},
    }


def _masks_document(masks: CheckedFolder) -> dict[str, Any]:
    scan = masks.scan
    unusable = {file.name: file.reason for file in scan.unreadable}
    return {"folder": masks.domain.label, "masks": len(scan.pictures), "unreadable": unusable}


def _sizes(scan: Scan) -> tuple[str, str, str]:
    """WIDTHxHEIGHT of the smallest, the middle and the largest picture by area."""
    by_area = sorted(scan.pictures, key=_area)
    middle = by_area[median_low(range(len(by_area)))]
    low, mid, high = (f"{picture.width}x{picture.height}" for picture in (by_area[0], middle, by_area[-1]))
    return low, mid, high


def _area(picture: ScannedPicture) -> tuple[int, int]:
    return picture.width * picture.height, picture.width


def _formats(scan: Scan) -> dict[str, int]:
    return dict(Counter(picture.format or "unknown" for picture in scan.pictures).most_common())


def _count_gray(scan: Scan) -> int:
    return sum(picture.gray for picture in scan.pictures)


def _count_alpha(scan: Scan) -> int:
    return sum(picture.alpha for picture in scan.pictures)
